"""Centroids from elsewhere, and files that must not be loaded."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from streamvc.errors import CorpusError
from streamvc.training.units.codebook import Codebook
from streamvc.training.units.published import read_codebook

CENTROIDS = np.random.default_rng(0).standard_normal((5, 3))


@pytest.mark.parametrize("name", ["centroids", "cluster_centers_"])
def test_bare_centroids(tmp_path: Path, name: str) -> None:
    np.save(tmp_path / "a.npy", CENTROIDS)
    np.savez(tmp_path / "a.npz", **{name: CENTROIDS})
    points = torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
    expected = torch.cdist(points, torch.from_numpy(CENTROIDS).float()).argmin(dim=1)
    for path in (tmp_path / "a.npy", tmp_path / "a.npz"):
        assert torch.equal(read_codebook(path).units(points), expected)


def test_a_codebook_of_ours(tmp_path: Path) -> None:
    ours = Codebook(torch.randn(4, 3), torch.ones(3), torch.full((3,), 2.0), "hubert 1 layer 7")
    ours.save(tmp_path / "ours.npz")
    assert read_codebook(tmp_path / "ours.npz").teacher == "hubert 1 layer 7"
    assert read_codebook(tmp_path / "ours.npz").digest() == ours.digest()


def test_a_codebook_knows_whose_it_is() -> None:
    ours = Codebook.plain(torch.randn(4, 3), "hubert 1 layer 7")
    ours.check("hubert 1 layer 7", 3)
    Codebook.plain(torch.randn(4, 3)).check("anything", 3)
    with pytest.raises(CorpusError, match="was fitted on hubert 1 layer 7, not on hubert 1 layer 6"):
        ours.check("hubert 1 layer 6")
    with pytest.raises(CorpusError, match="3 dimensions for features of 4"):
        ours.check("hubert 1 layer 7", 4)


class Bomb:
    """What a hostile pickle can do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_pickles_are_refused_and_not_run(tmp_path: Path) -> None:
    (tmp_path / "km.bin").write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    with pytest.raises(CorpusError, match="could run code, so convert it"):
        read_codebook(tmp_path / "km.bin")
    np.save(tmp_path / "km.npy", np.array([Bomb(tmp_path / "exploded")], dtype=object), allow_pickle=True)
    with pytest.raises(CorpusError, match="cannot be read as centroids"):
        read_codebook(tmp_path / "km.npy")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("array", [np.zeros(3), np.zeros((4, 3), int), np.full((4, 3), np.nan), np.zeros((1, 3))])
def test_other_arrays_are_refused(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(CorpusError, match="holds no centroids"):
        read_codebook(tmp_path / "a.npy")


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="is no file"):
        read_codebook(tmp_path / "none.npy")
    np.savez(tmp_path / "a.npz", weights=CENTROIDS)
    with pytest.raises(CorpusError, match="has none of centroids"):
        read_codebook(tmp_path / "a.npz")
    np.save(tmp_path / "a.npy", CENTROIDS)
    whole = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(whole[:-20])
    with pytest.raises(CorpusError, match="cannot be read as centroids"):
        read_codebook(tmp_path / "a.npy")
