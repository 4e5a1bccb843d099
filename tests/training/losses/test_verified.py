"""Speaker supervision, judged by a small network that stands in for one that knows thousands of voices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamvc.dsp.mel import mel_filterbank
from streamvc.training.losses.verified import MARGIN, voice_losses

Speak = Callable[[float, float, int], np.ndarray]


class Ear(nn.Module):
    """The mean log-mel spectrum about its mean, through a fixed layer: enough to tell pitch and formants apart."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.mel = torch.from_numpy(mel_filterbank(40, 512))
        self.layer = nn.Linear(40, 24)

    def forward(self, speech: Tensor) -> Tensor:
        frames = torch.fft.rfft(speech.unfold(1, 512, 160) * torch.hann_window(512))
        power = frames.real.square() + frames.imag.square()
        spectrum = torch.log(power @ self.mel + 1e-3).mean(dim=1)
        return F.normalize(self.layer(spectrum - spectrum.mean(dim=1, keepdim=True)), dim=-1)


@pytest.fixture(scope="module")
def ear() -> Ear:
    return Ear().requires_grad_(False)


def verified_loss(ear: Ear, converted: Tensor, references: Tensor, lengths: Tensor | None = None) -> Tensor:
    wanted = ear(references)
    return voice_losses(ear, converted, wanted, wanted, lengths)[0]


def voices(speak: Speak, *pitches: float, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.stack([speak(f0, 2.0, seed + i) for i, f0 in enumerate(pitches)]))


def test_own_speech_is_near_and_that_of_others_is_not(ear: Ear, make_speech: Speak) -> None:
    low, low_again, high = (
        voices(make_speech, *pitch, seed=seed) for pitch, seed in (((100, 110), 0), ((100, 110), 9), ((230, 250), 0))
    )
    assert verified_loss(ear, low, low).item() == pytest.approx(0, abs=1e-6)
    assert verified_loss(ear, low_again, low).item() < 0.5 * verified_loss(ear, high, low).item()


def test_its_gradient_brings_speech_nearer_and_reaches_nothing_else(ear: Ear, make_speech: Speak) -> None:
    converted, references = voices(make_speech, 100, 110).requires_grad_(), voices(make_speech, 230, 250)
    references.requires_grad_()
    before = verified_loss(ear, converted, references)
    before.backward()
    assert converted.grad is not None
    assert references.grad is None
    assert all(p.grad is None for p in ear.parameters())
    with torch.no_grad():
        step = 0.02 * converted.grad / converted.grad.abs().amax(dim=1, keepdim=True)
        assert verified_loss(ear, converted - step, references).item() < before.item() - 1e-3


def test_padding_is_not_heard(ear: Ear, make_speech: Speak) -> None:
    converted, references = voices(make_speech, 100, 110), voices(make_speech, 230, 250)
    lengths = torch.tensor([32_000, 12_000])
    padding = torch.arange(32_000) >= lengths.unsqueeze(1)
    results = []
    for value in (0.0, 0.9):
        speech = converted.masked_fill(padding, value).requires_grad_()
        loss = verified_loss(ear, speech, references, lengths)
        (slope,) = torch.autograd.grad(loss, speech)
        assert slope[padding].abs().sum() == 0
        assert slope[1, :12_000].abs().max() > 0
        results.append((loss, slope))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])
    # Not as silence either, which would make a voice of it.
    silent = verified_loss(ear, converted.masked_fill(padding, 0.0), references)
    assert abs(silent.item() - results[0][0].item()) > 1e-3


def test_nearer_to_the_target_than_to_the_source_is_enough(ear: Ear, make_speech: Speak) -> None:
    low, high = voices(make_speech, 100, 110), voices(make_speech, 230, 250)
    target, source = ear(high), ear(low)
    assert voice_losses(ear, high, target, source)[1].item() == 0  # the target's own speech
    untouched = voice_losses(ear, low, target, source)[1].item()
    apart = (1 - (target * source).sum(dim=-1)).mean().item()
    assert untouched == pytest.approx((1 + MARGIN) * apart, rel=1e-4)
    assert voice_losses(ear, low, source, source)[1].item() == 0  # nobody else is wanted


def test_being_too_near_to_the_source_pushes_away_from_it(ear: Ear, make_speech: Speak) -> None:
    low = voices(make_speech, 100, 110).requires_grad_()
    target, source = ear(voices(make_speech, 230, 250)), ear(low).detach()
    before = voice_losses(ear, low, target, source)[1]
    before.backward()
    assert low.grad is not None
    step = 0.01 * low.grad / low.grad.abs().max()
    with torch.no_grad():
        assert voice_losses(ear, low - step, target, source)[1].item() < before.item() - 1e-3
