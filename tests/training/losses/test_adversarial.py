"""Hinge and feature-matching losses at their corners, and as the papers write them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from streamvc.training.losses.adversarial import Judgement, discriminator_loss, feature_loss, generator_loss


def says(value: float) -> list[Judgement]:
    return [(torch.full((1, 1, 4), float(value)), [])]


def judgements(seed: int, rows: int = 3) -> list[Judgement]:
    """Of two discriminators with different time scales, one of them with periods."""
    random = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(rows, *shape, generator=random)

    return [(draw(1, 20), [draw(4, 80), draw(8, 20)]), (draw(1, 10, 3), [draw(5, 40, 3), draw(6, 10, 3)])]


def test_hinges_at_their_corners() -> None:
    good, bad = says(2), says(-2)
    assert discriminator_loss(good, bad).item() == 0
    assert discriminator_loss(bad, good).item() == 6
    assert discriminator_loss(says(0), says(0)).item() == 2
    assert generator_loss(bad).item() == 2
    assert generator_loss(bad, form="hinge").item() == 3
    assert generator_loss(good).item() == -2
    assert generator_loss(good, form="hinge").item() == 0


def test_equations_of_soundstream() -> None:
    real, fake = judgements(1), judgements(2)
    wanted = sum(torch.relu(1 - r[0]).mean() + torch.relu(1 + f[0]).mean() for r, f in zip(real, fake, strict=True)) / 2
    assert torch.allclose(discriminator_loss(real, fake), torch.as_tensor(wanted))
    assert torch.allclose(generator_loss(fake, form="hinge"), sum(torch.relu(1 - f[0]).mean() for f in fake) / 2)
    layers = [(a, b) for r, f in zip(real, fake, strict=True) for a, b in zip(r[1], f[1], strict=True)]
    plain = torch.stack([(a - b).abs().mean() for a, b in layers]).mean()
    assert torch.allclose(feature_loss(real, fake, relative=False), plain)
    relative = torch.stack([(a - b).abs().mean() / a.abs().mean() for a, b in layers]).mean()
    assert torch.allclose(feature_loss(real, fake), relative)


def test_feature_matching_trains_only_the_fake() -> None:
    real = [(torch.zeros(1, 1, 1), [torch.full((1, 8, 2), 2.0, requires_grad=True)])]
    fake = [(torch.zeros(1, 1, 1), [torch.full((1, 8, 2), 1.0, requires_grad=True)])]
    loss = feature_loss(real, fake)
    loss.backward()
    assert abs(loss.item() - 0.5) < 1e-6
    assert real[0][1][0].grad is None
    assert fake[0][1][0].grad is not None


def test_a_louder_layer_counts_no_more_when_relative() -> None:
    real, fake = judgements(1), judgements(2)
    louder = [[(logits, [100 * inner[0], *inner[1:]]) for logits, inner in side] for side in (real, fake)]
    assert torch.allclose(feature_loss(*louder), feature_loss(real, fake), rtol=1e-4)
    assert feature_loss(*louder, relative=False) > 10 * feature_loss(real, fake, relative=False)


@pytest.mark.parametrize("whole", [None, torch.ones(3)])
def test_shares_of_one_change_nothing(whole: Tensor | None) -> None:
    real, fake = judgements(1), judgements(2)
    assert torch.allclose(discriminator_loss(real, fake, whole), discriminator_loss(real, fake))
    assert torch.allclose(generator_loss(fake, whole), generator_loss(fake))
    assert torch.allclose(feature_loss(real, fake, whole), feature_loss(real, fake))


def test_only_the_share_is_counted_at_every_time_scale() -> None:
    """Half of each row, as if the tensors ended there."""
    real, fake = judgements(1), judgements(2)
    half = torch.full((3,), 0.5)

    def cut(side: list[Judgement]) -> list[Judgement]:
        return [(x[:, :, : x.shape[2] // 2], [y[:, :, : y.shape[2] // 2] for y in inner]) for x, inner in side]

    assert torch.allclose(discriminator_loss(real, fake, half), discriminator_loss(cut(real), cut(fake)))
    assert torch.allclose(generator_loss(fake, half, "hinge"), generator_loss(cut(fake), form="hinge"))
    assert torch.allclose(feature_loss(real, fake, half), feature_loss(cut(real), cut(fake)))


def test_processes_that_share_a_batch_find_its_loss_by_averaging_theirs() -> None:
    real, fake, share = judgements(1, 4), judgements(2, 4), torch.tensor([1.0, 0.3, 0.55, 0.8])

    def rows(side: list[Judgement], part: slice) -> list[Judgement]:
        return [(x[part], [y[part] for y in inner]) for x, inner in side]

    parts = (slice(0, 2), slice(2, 4))
    each = [discriminator_loss(rows(real, p), rows(fake, p), share[p]) for p in parts]
    assert torch.allclose(discriminator_loss(real, fake, share), torch.stack(each).mean())
    each = [feature_loss(rows(real, p), rows(fake, p), share[p], relative=False) for p in parts]
    assert torch.allclose(feature_loss(real, fake, share, relative=False), torch.stack(each).mean())


def test_fakes_may_have_other_rows_than_what_is_real() -> None:
    real, fake = judgements(1, 2), judgements(2, 3)
    loss = discriminator_loss(real, fake, torch.tensor([1.0, 0.5]), torch.tensor([1.0, 0.5, 1.0]))
    assert loss.ndim == 0
    assert torch.isfinite(loss)
