"""Peak, level, clipping, silence and numbers that are no numbers."""

from __future__ import annotations

import numpy as np
import pytest

from streamvc.training.evaluation.levels import measure_levels


def sine(amplitude: float) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * 100 * np.arange(16_000) / 16_000)).astype(np.float32)


def test_a_sine_of_half_scale() -> None:
    levels = measure_levels(sine(0.5))
    assert levels.peak_db == pytest.approx(-6.02, abs=0.01)
    assert levels.rms_db == pytest.approx(-9.03, abs=0.01)
    assert levels.clipped == 0
    assert levels.usable


def test_clipping_is_counted() -> None:
    levels = measure_levels(np.clip(sine(2.0), -1, 1))
    # |sin| >= 1/2 for two thirds of a period
    assert levels.clipped == pytest.approx(2 / 3, abs=0.01)


def test_silence() -> None:
    assert measure_levels(np.zeros(100, np.float32)).silent
    assert measure_levels(sine(0.001)).silent
    assert not measure_levels(sine(0.005)).silent
    assert not measure_levels(sine(0.001)).usable


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_bad_sample_makes_it_unusable(bad: float) -> None:
    wave = sine(0.5)
    wave[77] = bad
    levels = measure_levels(wave)
    assert not levels.finite
    assert not levels.usable
    assert levels.peak_db == pytest.approx(-6.02, abs=0.01)


def test_nothing_but_nan() -> None:
    levels = measure_levels(np.full(10, np.nan, np.float32))
    assert levels.silent
    assert not levels.finite
    assert levels.rms_db == -120
