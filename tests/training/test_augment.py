"""Perturbations of spectra, the cheap ones: where bands go, how loud noise is, and that a seed says all."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streamvc.dsp.mel import SILENCE, LogMel, hz_to_mel
from streamvc.training.augment import SpectralAugment, add_rooms, mix_babble

BANDS, SIZE = 80, 512


@pytest.fixture(scope="module")
def front() -> LogMel:
    return LogMel(BANDS, SIZE, 160)


@torch.no_grad()
def power_of(front: LogMel, hz: float, rows: int = 1, amplitude: float = 0.1) -> torch.Tensor:
    time = torch.arange(16_000) / 16_000
    tone = amplitude * torch.sin(2 * torch.pi * hz * time).repeat(rows, 1)
    return front.power(tone.unsqueeze(1))[0]


def band_of(hz: float) -> float:
    low, high = (float(hz_to_mel(np.array(x))) for x in (40.0, 7_800.0))
    return (float(hz_to_mel(np.array(hz))) - low) / (high - low) * (BANDS + 1) - 1


def test_without_strength_only_level_band_limit_and_noise_change(front: LogMel) -> None:
    augment = SpectralAugment(front, BANDS, SIZE, seed=0, strength=0.0)
    views = augment(power_of(front, 1_500, rows=40), masks=False)
    assert views.shape == (40, BANDS, 100)
    loudest = views[:, :, 20:].mean(dim=2).argmax(dim=1)
    assert (loudest - band_of(1_500)).abs().max() <= 1.5
    # A gain of -14 to 8 dB; log-mel is a quarter of the natural logarithm of energy.
    peaks = views[:, :, 20:].mean(dim=2).amax(dim=1) * 4 * 10 / np.log(10)
    assert 12 < float(peaks.max() - peaks.min()) < 24


def test_a_warp_moves_bands_by_up_to_a_quarter(front: LogMel) -> None:
    augment = SpectralAugment(front, BANDS, SIZE, seed=0, strength=0.0, warp=1.0)
    views = augment(power_of(front, 1_500, rows=120), masks=False)
    bands = views[:, :, 20:].mean(dim=2).argmax(dim=1).float()
    assert abs(float(bands.min()) - band_of(1_500 / 1.25)) <= 2
    assert abs(float(bands.max()) - band_of(1_500 / 0.80)) <= 2


def test_a_seed_says_all_and_every_call_is_another_view(front: LogMel) -> None:
    power = power_of(front, 700, rows=3)
    first, second = (SpectralAugment(front, BANDS, SIZE, seed=4) for _ in range(2))
    a, b = first(power), first(power)
    assert torch.equal(a, second(power))
    assert torch.equal(b, second(power))
    assert not torch.equal(a, b)
    assert not torch.equal(a[0], a[1])


def test_masks_blank_one_band_and_one_stretch_in_some_rows(front: LogMel) -> None:
    noise = torch.rand(60, 100, SIZE // 2 + 1, generator=torch.Generator().manual_seed(0))
    masked = SpectralAugment(front, BANDS, SIZE, seed=1)(noise)
    blank = masked == SILENCE
    bands, steps = blank.all(dim=2).sum(dim=1), blank.all(dim=1).sum(dim=1)
    assert 10 < int((bands > 0).sum()) < 50
    assert 10 < int((steps > 0).sum()) < 50
    assert int(bands.max()) <= 13
    assert int(steps.max()) <= 15


def test_rooms_keep_the_direct_sound_and_leave_some_rows_alone() -> None:
    click = torch.zeros(200, 4_000)
    click[:, 100] = 1.0
    heard = add_rooms(click, torch.Generator().manual_seed(0), probability=0.3)
    rooms = (heard != click).any(dim=1)
    assert 0.15 < float(rooms.float().mean()) < 0.45
    assert torch.allclose(heard[:, 100], torch.ones(200), atol=1e-3)
    assert heard[:, :100].abs().max() < 1e-4
    assert heard[:, 101:116].abs().max() < 1e-4  # a millisecond to the first reflection
    tails = heard[rooms][:, 116:].square().sum(dim=1)
    assert 10 * float(torch.log10(tails.max())) < 0.5
    assert 10 * float(torch.log10(tails.median())) > -14


def test_babble_is_a_weaker_row_of_the_batch() -> None:
    voices = torch.randn(300, 2_000, generator=torch.Generator().manual_seed(1))
    mixed = mix_babble(voices, torch.Generator().manual_seed(2), probability=0.5)
    added = mixed - voices
    some = added.norm(dim=1) > 0
    assert 0.35 < float(some.float().mean()) < 0.65
    ratio = 20 * torch.log10(voices.norm(dim=1) / added.norm(dim=1))[some]
    assert float(ratio.min()) > 7.9
    assert float(ratio.max()) < 25.1
    other = voices.roll(1, dims=0)
    alike = torch.nn.functional.cosine_similarity(added[some], other[some])
    assert float(alike.min()) > 0.999
