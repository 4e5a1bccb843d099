"""Spectral losses: what they measure, in numbers that can be worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from streamvc.dsp.mel import mel_filterbank
from streamvc.training.losses.spectral import PaperSpectralLoss, SpectralLoss

Loss = SpectralLoss | PaperSpectralLoss
FLOOR = 1e-5**0.5
"""Of magnitudes, in logs."""


def tone(hz: float, amplitude: float = 0.3, samples: int = 16_000) -> torch.Tensor:
    return amplitude * torch.sin(2 * torch.pi * hz * torch.arange(samples) / 16_000).unsqueeze(0)


def noise(rows: int = 1, samples: int = 16_000, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, samples, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("loss", [SpectralLoss(), PaperSpectralLoss()], ids=["live", "paper"])
def test_it_is_zero_for_equal_signals_and_blind_to_phase(loss: Loss) -> None:
    sound = 0.1 * noise()
    assert loss(sound, sound).item() == 0
    assert loss(tone(440), -tone(440)).item() < 1e-3
    assert loss(tone(440), tone(880)).item() > 1


@pytest.mark.parametrize("loss", [SpectralLoss(), PaperSpectralLoss()], ids=["live", "paper"])
def test_its_gradient_is_finite_even_where_both_are_silent(loss: Loss) -> None:
    output = torch.cat((torch.zeros(1, 8_000), 0.1 * noise(1, 8_000)), dim=1).requires_grad_()
    loss(output, torch.zeros(1, 16_000)).backward()
    assert output.grad is not None
    assert torch.isfinite(output.grad).all()
    assert output.grad[:, 12_000:].abs().max() > 0


def test_that_of_live_grows_with_the_distance_in_level() -> None:
    loss, sound = SpectralLoss(), 0.3 * noise()
    by_6, by_12 = loss(sound, sound / 2).item(), loss(sound, sound / 4).item()
    # Log magnitude differs by ln 2 in every bin; mel counts once and the linear spectrum 0.3 times.
    assert abs(by_6 - 1.3 * 0.6931) < 0.02
    assert abs(by_12 - 2 * by_6) < 0.05


def test_that_of_the_paper_is_the_equation_of_soundstream_in_averages() -> None:
    """Written out frame by frame for windows of 256 to 2,048 samples, which are not filled up with zeros."""
    a, b = 0.1 * noise(1, 5_000, 1), 0.1 * noise(1, 5_000, 2)
    expected = 0.0
    for size in (256, 512, 1_024, 2_048):
        window = torch.hann_window(size)
        mel = torch.from_numpy(mel_filterbank(64, size))
        frames = []
        for start in range(0, 5_000 - size + 1, size // 4):
            s, t = (torch.fft.rfft(x[0, start : start + size] * window).abs() @ mel for x in (a, b))
            logs = torch.log(s + FLOOR) - torch.log(t + FLOOR)
            frames.append((s - t).abs().mean() + math.sqrt(size / 2) * logs.square().mean().sqrt())
        expected += torch.stack(frames).mean().item() / 6
    short = PaperSpectralLoss()
    whole = short(a, b).item()
    # What the two shorter windows add is worked out below.
    added = 0.0
    for size in (64, 128):
        window, mel = torch.hann_window(size), torch.from_numpy(mel_filterbank(64, 256)) * size / 256
        s, t = (torch.fft.rfft(x[0].unfold(0, size, size // 4) * window, 256).abs() @ mel for x in (a, b))
        logs = torch.log(s + FLOOR) - torch.log(t + FLOOR)
        added += ((s - t).abs().mean(1) + math.sqrt(size / 2) * logs.square().mean(1).sqrt()).mean().item() / 6
    assert whole == pytest.approx(expected + added, rel=1e-4)


def test_zeros_behind_a_window_leave_no_band_empty_and_change_no_sum() -> None:
    """A short window keeps its scale: the L1 term of noise is about what it is without zeros."""
    sound = noise(1, 20_000)[0]
    for size in (64, 128):
        frames = sound.unfold(0, size, size // 4) * torch.hann_window(size)
        filled = torch.fft.rfft(frames, 256).abs() @ torch.from_numpy(mel_filterbank(64, 256)) * size / 256
        plain = torch.fft.rfft(frames).abs() @ torch.from_numpy(mel_filterbank(64, size))
        assert (filled.mean(dim=0) > 0).all()
        assert (plain.mean(dim=0) == 0).any()
        assert filled.sum().item() == pytest.approx(plain.sum().item(), rel=0.05)


def test_that_of_the_paper_does_not_depend_on_the_length_of_a_crop() -> None:
    loss = PaperSpectralLoss()
    a, b = 0.1 * noise(1, 32_000, 1), 0.1 * noise(1, 32_000, 2)
    assert loss(a[:, :8_000], b[:, :8_000]).item() == pytest.approx(loss(a, b).item(), rel=0.03)
