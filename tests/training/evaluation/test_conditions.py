"""Damaged sources are damaged as they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamvc.training.evaluation.conditions import CONDITIONS, NOT_SPEECH, speech_level, whisper
from streamvc.training.evaluation.pairs import Wave
from streamvc.training.evaluation.pitch import track


@pytest.fixture
def speech(example_speech: Path) -> Wave:
    return np.asarray(soundfile.read(example_speech, dtype="float32")[0][: 4 * 16_000])


@pytest.fixture
def other(speech: Wave) -> Wave:
    return speech[::-1].copy()


def damaged(name: str, speech: Wave, other: Wave) -> Wave:
    condition = next(one for one in CONDITIONS if one.name == name)
    return condition.damage(speech, np.random.default_rng(0), other)


def decibels(ratio: float) -> float:
    return float(20 * np.log10(ratio))


def band(wave: Wave, low: float, high: float) -> float:
    """Power between two frequencies in Hz."""
    spectrum = np.abs(np.fft.rfft(wave.astype(np.float64))) ** 2
    frequencies = np.fft.rfftfreq(wave.size, 1 / 16_000)
    return float(spectrum[(frequencies >= low) & (frequencies < high)].sum())


@pytest.mark.parametrize("name", [one.name for one in CONDITIONS])
def test_length_and_kind_stay_and_chance_can_be_repeated(name: str, speech: Wave, other: Wave) -> None:
    first = damaged(name, speech, other)
    assert first.shape == speech.shape
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert np.array_equal(first, damaged(name, speech, other))
    assert (name == "clean") == np.array_equal(first, speech)


def test_noise_lies_10_db_below_the_speech(speech: Wave, other: Wave) -> None:
    noise = damaged("noise", speech, other) - speech
    assert decibels(speech_level(speech) / float(noise.std())) == pytest.approx(10.0, abs=0.1)
    assert band(noise, 100, 1_000) > 5 * band(noise, 4_000, 4_900), "pink"


def test_a_laptop_cuts_low_and_high(speech: Wave, other: Wave) -> None:
    cut = damaged("laptop", speech, other)
    assert band(cut, 50, 120) < 0.05 * band(speech, 50, 120)
    assert band(cut, 800, 1_500) == pytest.approx(band(speech, 800, 1_500), rel=0.1)
    assert band(cut, 2_900, 3_100) > 2.5 * band(speech, 2_900, 3_100)


def test_a_room_goes_on_after_the_speech(other: Wave) -> None:
    click = np.zeros(16_000, dtype=np.float32)
    click[0] = 1.0
    wet = damaged("room", click, other)
    assert np.sum(wet[1:] ** 2) == pytest.approx(wet[0] ** 2, rel=0.01), "the echo is as loud as the direct sound"
    early, late = np.sum(wet[80:2_000] ** 2), np.sum(wet[6_080:8_000] ** 2)
    assert 10 * np.log10(early / late) == pytest.approx(60 * 6_000 / 8_000, abs=4)


def test_levels_change_by_24_db(speech: Wave, other: Wave) -> None:
    assert np.allclose(damaged("quiet", speech, other) * 10 ** (24 / 20), speech, atol=1e-6)
    assert np.abs(damaged("loud", speech, other)).max() == 1.0


def test_the_second_speaker_is_5_db_weaker(speech: Wave, other: Wave) -> None:
    added = damaged("two speakers", speech, other) - speech
    assert decibels(speech_level(speech) / speech_level(added)) == pytest.approx(5.0, abs=0.3)


def test_a_whisper_has_the_envelope_but_no_pitch(speech: Wave, other: Wave, needs: Callable[..., None]) -> None:
    needs("parselmouth")
    whispered = damaged("whisper", speech, other)
    assert (track(speech) > 0).mean() > 0.3
    assert (track(whispered) > 0).mean() < 0.05
    blocks = [np.log(np.square(one.reshape(-1, 800)).mean(axis=1) + 1e-9) for one in (speech, whispered)]
    assert np.corrcoef(blocks)[0, 1] > 0.95
    assert decibels(speech_level(whispered) / speech_level(speech)) == pytest.approx(0.0, abs=2.0)


def test_a_whisper_of_nothing_is_nothing(other: Wave) -> None:
    assert not np.any(whisper(np.zeros(5_000, np.float32), np.random.default_rng(0), other))


@pytest.mark.parametrize(("name", "make"), NOT_SPEECH)
def test_sounds_have_their_length_and_stay_within_full_scale(name: str, make: Callable[[float], Wave]) -> None:
    sound = make(1.5)
    assert sound.shape == (24_000,)
    assert sound.dtype == np.float32
    assert np.abs(sound).max() <= 1.0
    assert np.any(sound) == (name != "silence")
