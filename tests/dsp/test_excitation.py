"""Pulse train and noise table."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvc.config import FRAME, SAMPLE_RATE
from streamvc.dsp.excitation import NoiseTable, PulseTrain
from streamvc.state import tensor


def steady(hz: float, frames: int = 50, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.full((1, frames, FRAME), hz, dtype=dtype)


@pytest.mark.parametrize("hz", [50.0, 100.0, 220.0, 450.0, 1000.0])
def test_only_harmonics_below_7800_hz_all_equally_strong(hz):
    """One second of a whole number of Hz: every harmonic falls on its own bin."""
    pulses, _ = PulseTrain()(steady(hz))
    spectrum = np.abs(np.fft.rfft(pulses.flatten().numpy())) / SAMPLE_RATE * 2
    harmonics = np.arange(hz, 7_800.5, hz).astype(int)
    expected = math.sqrt(2 / len(harmonics))
    np.testing.assert_allclose(spectrum[harmonics], expected, rtol=1e-3)
    spectrum[harmonics] = 0
    assert spectrum.max() < 1e-3 * expected


@pytest.mark.parametrize("hz", [50.0, 123.4, 300.0, 1000.0])
def test_its_level_is_one(hz):
    pulses, _ = PulseTrain()(steady(hz))
    assert pulses.square().mean().sqrt() == pytest.approx(1.0, rel=0.02)


def test_pulses_come_once_per_period_and_point_up():
    pulses, _ = PulseTrain()(steady(100.0))
    x = pulses.flatten()
    peaks = (x > 0.7 * x.max()).nonzero().flatten()
    assert len(peaks) == 100
    assert (peaks.diff() == 160).all()
    assert x.min().abs() < 0.3 * x.max()


def test_it_is_the_sum_of_its_cosines():
    f0 = 80 * torch.exp(torch.linspace(0, 1.5, 20 * FRAME, dtype=torch.float64)).reshape(1, 20, FRAME)
    pulses, _ = PulseTrain()(f0)
    cycles = torch.cumsum(f0.flatten() / SAMPLE_RATE, 0)
    count = torch.floor(7_800 / f0.flatten())
    total = torch.zeros_like(cycles)
    for k in range(1, int(count.max()) + 1):
        total = total + torch.cos(2 * torch.pi * k * cycles) * (k <= count)
    torch.testing.assert_close(pulses.flatten(), total * torch.sqrt(2 / count), rtol=0, atol=1e-6)


def test_single_precision_keeps_the_waveform():
    f0 = 80 * torch.exp(torch.linspace(0, 1.5, 20 * FRAME, dtype=torch.float64)).reshape(1, 20, FRAME)
    double, _ = PulseTrain()(f0)
    single, _ = PulseTrain()(f0.float())
    assert (single.double() - double).square().mean().sqrt() < 1e-3


@given(sizes=st.lists(st.integers(1, 6), min_size=1, max_size=6))
@settings(max_examples=15, deadline=None)
def test_phase_runs_on_over_any_split(check_streaming, sizes):
    f0 = 120 * torch.exp(0.3 * torch.sin(torch.arange(20 * FRAME, dtype=torch.float64) / 700))
    train = PulseTrain()

    def step(x, state):
        pulses, state = train(x.reshape(1, -1, FRAME), state)
        return pulses.flatten(1), state

    check_streaming(step, f0[None], sizes, unit=FRAME, tolerance=1e-9)


def test_phase_never_grows():
    _, state = PulseTrain()(steady(437.1, frames=500, dtype=torch.float32))
    assert 0 <= tensor(state).item() < 1


def test_noise_is_white_of_level_one_and_the_same_after_a_reset():
    noise = NoiseTable()
    start = noise.initial_state(1, torch.zeros(1))
    x, _ = noise(100, start)
    again, _ = noise(100, start)
    assert torch.equal(x, again)
    assert x.std() == pytest.approx(1.0, rel=0.02)
    assert x.mean().abs() < 0.02
    power = np.abs(np.fft.rfft(x.numpy().reshape(-1, 320), axis=1)) ** 2
    np.testing.assert_allclose(power.mean(axis=0)[1:-1], 320, rtol=0.5)


def test_noise_goes_round_its_table_for_any_split():
    noise = NoiseTable()
    whole, end = noise(600, noise.initial_state(2, torch.zeros(1)))
    state, pieces = noise.initial_state(2, torch.zeros(1)), []
    for count in (1, 250, 2, 347):
        before = state.clone()
        piece, after = noise(count, state)
        assert torch.equal(state, before)
        pieces.append(piece)
        state = after
    assert torch.equal(torch.cat(pieces, dim=1), whole)
    assert torch.equal(state, end)
    assert whole.shape == (2, 600, FRAME)
    assert torch.equal(whole[:, 251:300], whole[:, :49])


def test_each_stream_of_noise_has_its_own_position():
    noise = NoiseTable()
    together, _ = noise(3, torch.tensor([[0.0], [10.0]]))
    alone, _ = noise(3, torch.tensor([[10.0]]))
    assert torch.equal(together[1:], alone)
    assert not torch.equal(together[0], together[1])
