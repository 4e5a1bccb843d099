"""The loss against pulses in unvoiced speech counts hisses, spares vowels, and rises with the pulses alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from streamvc.config import LiveConfig
from streamvc.model.live import LiveModel, Prosody
from streamvc.training.decoder import buzz

Speak = Callable[[float, float, int], np.ndarray]


@pytest.fixture(scope="module")
def model() -> LiveModel:
    torch.manual_seed(0)
    return LiveModel(LiveConfig()).eval()


@torch.no_grad()
def prosody_of(model: LiveModel, samples: torch.Tensor) -> Prosody:
    controls = torch.zeros(1, 6)
    controls[:, 4] = 1
    prosody, _ = model.prosody(samples[None], controls, None, torch.tensor([[5.0, 0.2]]))
    return prosody


def cepstra(model: LiveModel, prosody: Prosody, pulses: float, noise: float) -> torch.Tensor:
    """Flat spectra of the given levels in nepers."""
    order = model.config.pulse_cepstrum
    values = torch.zeros(1, prosody.fine.shape[-1], order + model.config.noise_cepstrum)
    values[..., 0], values[..., order] = pulses, noise
    return values


def test_a_hiss_counts_and_a_vowel_does_not(model: LiveModel, make_speech: Speak) -> None:
    hiss = prosody_of(model, 0.1 * torch.randn(16_000, generator=torch.Generator().manual_seed(1)))
    vowel = prosody_of(model, torch.from_numpy(make_speech(140.0, 1.0, 3)))
    buzzing = float(buzz(model, cepstra(model, hiss, 0.0, 0.0), hiss))
    assert buzzing == pytest.approx(np.log1p(np.exp(2.0)), abs=0.05)
    whole = cepstra(model, vowel, 0.0, 0.0)
    assert float(buzz(model, whole[:, 40:], _later(vowel, 10))) == 0.0


def test_it_falls_when_noise_takes_over(model: LiveModel) -> None:
    hiss = prosody_of(model, 0.1 * torch.randn(16_000, generator=torch.Generator().manual_seed(1)))
    levels = [float(buzz(model, cepstra(model, hiss, pulses, 0.0), hiss)) for pulses in (1.0, 0.0, -2.0, -6.0)]
    assert levels == sorted(levels, reverse=True)
    assert levels[-1] < 0.05
    values = cepstra(model, hiss, 0.0, 0.0).requires_grad_()
    (slope,) = torch.autograd.grad(buzz(model, values, hiss), values)
    order = model.config.pulse_cepstrum
    assert slope[..., 0].mean() > 0 > slope[..., order].mean()


def _later(p: Prosody, frames: int) -> Prosody:
    """Without the first frames, in which the analysis has not heard enough."""
    return Prosody(p.features[..., frames:], p.fine[..., 4 * frames :], p.energy[..., 4 * frames :], p.f0[:, frames:])
