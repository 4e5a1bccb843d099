"""Conditioning of utterances, on signals whose speech is known to the sample."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamvc.training.corpora import condition
from streamvc.training.corpora.condition import Conditioning

RATE = 16_000


def tone(seconds: float, amplitude: float = 0.1, hz: float = 220.0) -> npt.NDArray[np.float32]:
    time = np.arange(round(seconds * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * hz * time)).astype(np.float32)


def quiet(seconds: float, level: float = 1e-4, seed: int = 0) -> npt.NDArray[np.float32]:
    return (level * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


@pytest.mark.parametrize("noise", [0.0, 1e-4, 3e-3])
def test_trim_keeps_the_speech_and_the_margin(noise: float) -> None:
    samples = np.concatenate([quiet(0.7, noise), tone(1.0) + quiet(1.0, noise, 1), quiet(0.9, noise, 2)])
    first, last = condition.trim(samples, margin=0.1)
    assert 0.6 * RATE - 640 <= first <= 0.6 * RATE
    assert 1.8 * RATE <= last <= 1.8 * RATE + 640


def test_trim_does_not_take_a_click_for_speech() -> None:
    samples = np.concatenate([quiet(1.0), tone(1.0), quiet(1.0)])
    samples[3200:3220] = 0.5
    first, _ = condition.trim(samples, margin=0.1)
    assert first > 0.85 * RATE


def test_trim_of_silence_is_nothing() -> None:
    assert condition.trim(np.zeros(8000, np.float32), 0.1) == (0, 0)
    assert condition.trim(np.zeros(0, np.float32), 0.1) == (0, 0)


def test_rumble_and_offset_go_and_speech_stays_in_place() -> None:
    speech = tone(2.0)
    samples = speech + 0.2 + tone(2.0, 0.3, 5.0)
    clean = condition.remove_rumble(samples, 40.0)
    middle = slice(8000, 24000)
    assert abs(float(clean[middle].mean())) < 1e-3
    assert np.abs(clean[middle] - speech[middle]).max() < 0.01


def test_cut_falls_into_the_pauses() -> None:
    words = [np.concatenate([tone(3.5), quiet(0.5)]) for _ in range(10)]
    samples = np.concatenate(words)
    spans = condition.cut(samples, longest=15.0)
    assert spans[0][0] == 0
    assert spans[-1][1] == samples.size
    for (_, stop), (start, _) in pairwise(spans):
        assert stop == start
        assert 3.5 < stop / RATE % 4 < 4.0
    assert len(spans) > 1


@given(seconds=st.floats(0.1, 70.0), seed=st.integers(0, 5))
def test_cut_covers_everything_in_spans_that_are_not_too_long(seconds: float, seed: int) -> None:
    samples = quiet(seconds, 0.1, seed)
    spans = condition.cut(samples, longest=15.0)
    assert spans[0][0] == 0
    assert spans[-1][1] == samples.size
    assert all(a[1] == b[0] for a, b in pairwise(spans))
    assert all(0 < stop - start <= 15.0 * RATE for start, stop in spans)


def test_level_is_that_of_the_active_frames() -> None:
    how = Conditioning()
    samples = np.concatenate([quiet(1.0, 1e-5), tone(1.0, 0.01), quiet(1.0, 1e-5)])
    louder = condition.normalise(samples, how.level, how.peak)
    rms = np.sqrt(np.mean(np.square(louder[RATE + 400 : 2 * RATE - 400])))
    assert 20 * np.log10(rms) == pytest.approx(how.level, abs=0.5)


def test_peak_limits_the_gain() -> None:
    samples = tone(1.0, 0.01)
    samples[5000] = 0.9
    assert np.abs(condition.normalise(samples, -26.0, 0.95)).max() == pytest.approx(0.95, abs=1e-3)


def test_fade_reaches_zero_at_both_ends_only() -> None:
    samples = np.ones(1600, np.float32)
    faded = condition.fade(samples)
    assert faded[0] == 0
    assert faded[-1] == 0
    assert (faded[80:-80] == 1).all()
    assert (samples == 1).all()


def test_whole_frames() -> None:
    assert condition.whole_frames(np.zeros(1000, np.float32)).size == 960


def test_activity_counts_speech() -> None:
    samples = np.concatenate([quiet(1.0), tone(0.8), quiet(1.0)])
    assert condition.active_seconds(samples) == pytest.approx(0.8, abs=0.03)
