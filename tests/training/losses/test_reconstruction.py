"""Losses that training stands on."""

from __future__ import annotations

import torch

from streamvc.training.content import IGNORE, LOOK_AHEAD_FRAMES, WARM_UP_FRAMES, accuracy, unit_loss
from streamvc.training.losses.adversarial import discriminator_loss, feature_loss, generator_loss
from streamvc.training.losses.spectral import SpectralLoss


def tone(hz: float, amplitude: float = 0.3, samples: int = 16_000) -> torch.Tensor:
    return amplitude * torch.sin(2 * torch.pi * hz * torch.arange(samples) / 16_000).unsqueeze(0)


def test_spectral_loss_is_zero_for_equal_signals_and_blind_to_phase() -> None:
    loss = SpectralLoss()
    noise = torch.randn(1, 16_000, generator=torch.Generator().manual_seed(0)) * 0.1
    assert float(loss(noise, noise)) == 0
    shifted = float(loss(tone(440), -tone(440)))
    assert shifted < 1e-6


def test_spectral_loss_grows_with_the_distance_in_level() -> None:
    loss = SpectralLoss()
    noise = torch.randn(1, 16_000, generator=torch.Generator().manual_seed(0)) * 0.3
    by_6, by_12 = float(loss(noise, noise / 2)), float(loss(noise, noise / 4))
    # Log magnitude differs by ln 2 in every bin; mel counts once and the linear spectrum 0.3 times.
    assert abs(by_6 - 1.3 * 0.6931) < 0.02
    assert abs(by_12 - 2 * by_6) < 0.05


def test_unit_loss_lines_up_with_the_look_ahead() -> None:
    frames, units = 40, 7
    labels = torch.randint(0, units, (2, frames), generator=torch.Generator().manual_seed(0))
    logits = torch.zeros(2, frames, units)
    late = torch.nn.functional.one_hot(labels, units).float() * 20
    logits[:, LOOK_AHEAD_FRAMES:] = late[:, : frames - LOOK_AHEAD_FRAMES]
    assert float(unit_loss(logits, labels)) < 1e-6
    hit, count = accuracy(logits, labels)
    assert hit == count == 2 * (frames - LOOK_AHEAD_FRAMES - WARM_UP_FRAMES)
    assert float(unit_loss(late, labels)) > 1


def test_unit_loss_of_unlabelled_crops_is_zero_with_a_gradient() -> None:
    logits = torch.zeros(1, 30, 5, requires_grad=True)
    loss = unit_loss(logits, torch.full((1, 30), IGNORE))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None


def test_hinge_losses_at_their_corners() -> None:
    good, bad = [(torch.full((1, 4), 2.0), [])], [(torch.full((1, 4), -2.0), [])]
    assert float(discriminator_loss(good, bad)) == 0
    assert float(discriminator_loss(bad, good)) == 6
    assert float(generator_loss(bad)) == 2


def test_feature_loss_is_relative_and_trains_only_the_fake() -> None:
    real = [(torch.zeros(1), [torch.full((1, 8), 2.0, requires_grad=True)])]
    fake = [(torch.zeros(1), [torch.full((1, 8), 1.0, requires_grad=True)])]
    loss = feature_loss(real, fake)
    loss.backward()
    assert abs(float(loss) - 0.5) < 1e-6
    assert real[0][1][0].grad is None
    assert fake[0][1][0].grad is not None
