"""k-means and codebooks."""

from pathlib import Path

import numpy as np
import pytest
import torch

from streamvc.errors import CorpusError
from streamvc.training.units.codebook import Codebook
from streamvc.training.units.kmeans import assign, fit, seed_centroids


def clouds(k: int = 8, n: int = 200, d: int = 6, spread: float = 0.1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    centres = 3 * torch.randn(k, d, generator=generator)
    labels = torch.arange(k).repeat(n)
    return centres[labels] + spread * torch.randn(k * n, d, generator=generator), labels


def test_assign_is_the_nearest_centroid() -> None:
    generator = torch.Generator().manual_seed(0)
    points, centroids = torch.randn(500, 5, generator=generator), torch.randn(17, 5, generator=generator)
    assert (assign(points, centroids, block=64) == torch.cdist(points, centroids).argmin(dim=1)).all()
    assert assign(points[:0], centroids).shape == (0,)


def test_fit_finds_separate_clouds() -> None:
    points, labels = clouds()
    found = assign(points, fit(points, 8, batch=256))
    for label in range(8):
        assert found[labels == label].unique().numel() == 1
    assert found.unique().numel() == 8


def test_fit_does_not_lose_to_its_seeds() -> None:
    points = torch.randn(3000, 8, generator=torch.Generator().manual_seed(3))
    seeds = seed_centroids(points, 32, torch.Generator().manual_seed(0))
    fitted = fit(points, 32, seed=0, batch=500)

    def distortion(centroids: torch.Tensor) -> float:
        return float(torch.cdist(points, centroids).min(dim=1).values.square().mean())

    assert distortion(fitted) < 0.85 * distortion(seeds)


def test_one_seed_one_result() -> None:
    points, _ = clouds()
    assert torch.equal(fit(points, 20, seed=5), fit(points, 20, seed=5))
    assert not torch.equal(fit(points, 20, seed=5), fit(points, 20, seed=6))


def test_refusals() -> None:
    with pytest.raises(CorpusError, match="3 frames cannot make 4 clusters"):
        fit(torch.randn(3, 2), 4)
    with pytest.raises(CorpusError, match="not finite"):
        fit(torch.full((10, 2), torch.nan), 4)


def test_codebook_hears_small_dimensions_beside_large_ones() -> None:
    points, labels = clouds()
    wide = torch.cat(
        [points, 1000 * torch.randn(points.shape[0], 1, generator=torch.Generator().manual_seed(2))], dim=1
    )
    units = Codebook.fit(wide, 8).units(wide)
    table = torch.zeros(8, 8)
    table.index_put_((units, labels), torch.ones(len(labels)), accumulate=True)
    assert float(table.max(dim=1).values.sum() / len(labels)) > 0.8


def test_codebook_survives_the_disk(tmp_path: Path) -> None:
    points, _ = clouds()
    book = Codebook.fit(points, 8)
    book.save(tmp_path / "book.npz")
    again = Codebook.load(tmp_path / "book.npz")
    assert torch.equal(again.units(points), book.units(points))
    assert [path.name for path in tmp_path.iterdir()] == ["book.npz"]


def test_codebook_refuses_other_files(tmp_path: Path) -> None:
    path = tmp_path / "book.npz"
    with pytest.raises(CorpusError, match="no codebook"):
        Codebook.load(path)
    path.write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(CorpusError, match="no codebook"):
        Codebook.load(path)
    np.savez(path, centroids=np.zeros((4, 3)), mean=np.zeros(2), std=np.ones(2))
    with pytest.raises(CorpusError, match="do not fit"):
        Codebook.load(path)
