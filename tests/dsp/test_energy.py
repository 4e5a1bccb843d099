"""Frame energy."""

from __future__ import annotations

import math

import pytest
import torch

from streamvc.dsp.energy import ENERGY_FLOOR, LogEnergy


def test_a_square_wave_at_full_scale_is_zero_and_a_sine_3_db_below():
    energy = LogEnergy(400, 80).double()
    assert energy(torch.ones(1, 1, 800).double())[0][0, 0, -1].abs() < 1e-7
    sine = torch.sin(2 * torch.pi * 400 * torch.arange(1600).double() / 16_000)[None, None]
    level = energy(sine)[0][0, 0, 5:]
    torch.testing.assert_close(level, torch.full_like(level, -0.5 * math.log(2)), rtol=0, atol=1e-6)


def test_silence_is_the_floor():
    level, _ = LogEnergy(400, 80)(torch.zeros(2, 1, 800))
    torch.testing.assert_close(level, torch.full((2, 1, 10), 0.5 * math.log(ENERGY_FLOOR)))


@pytest.mark.parametrize("gain", [0.01, 0.5, 10.0])
def test_gain_is_a_shift_by_its_logarithm(voice, gain):
    energy = LogEnergy(400, 80).double()
    x = voice(8000)[None, None] + 0.1
    difference = energy(gain * x)[0] - energy(x)[0]
    torch.testing.assert_close(difference, torch.full_like(difference, math.log(gain)), rtol=0, atol=1e-2)


@pytest.mark.parametrize("chunk", [1, 3, 10])
def test_it_streams(check_streaming, voice, dtype, chunk):
    check_streaming(LogEnergy(400, 80).to(dtype), voice(4000, dtype=dtype)[None, None], [chunk], unit=80)


def test_the_source_s_own_pulses_do_not_show():
    """Over a window of several periods a steady buzz has a steady energy."""
    phase = 2 * torch.pi * 120 * torch.arange(16_000).double() / 16_000
    buzz = sum(torch.cos(k * phase) for k in range(1, 30))
    level = LogEnergy(400, 80).double()(buzz[None, None])[0][0, 0, 10:]
    assert level.max() - level.min() < 0.1
