"""Phone durations to frames."""
# ruff: noqa: RUF001  (phonetic signs look like others)

import numpy as np
import pytest

from streamvc.training.units.phones import (
    SILENCE,
    fold,
    frame_levels,
    frame_phones,
    is_pause,
    symbols_of,
)

LOUD = np.zeros(100)


@pytest.mark.parametrize("symbol", ["", " ", ",", ".", "!", "”", ";"])
def test_pauses(symbol: str) -> None:
    assert is_pause(symbol)


@pytest.mark.parametrize("symbol", ["a", "ˈ", "ː", "ʃ", "ᵊ", "A"])
def test_no_pauses(symbol: str) -> None:
    assert not is_pause(symbol)


def test_stress_goes_to_the_vowel_and_length_to_the_phone_before() -> None:
    alignment = (("", 100), ("t", 200), ("ˈ", 300), ("i", 400), ("ː", 500), (",", 600), (" ", 700), ("", 800))
    assert fold(alignment) == [(SILENCE, 100), ("t", 200), ("i", 500), (SILENCE, 800)]


def test_a_stress_mark_at_the_end_keeps_the_time() -> None:
    assert fold((("a", 100), ("ˈ", 200))) == [("a", 200)]


def test_frames_take_the_phone_at_their_middle() -> None:
    alignment = (("a", 479), ("b", 960), ("c", 1600))
    assert frame_phones(alignment, LOUD[:5], lead=0) == ["a", "b", "b", "c", "c"]
    assert frame_phones((("a", 481), *alignment[1:]), LOUD[:5], lead=0) == ["a", "a", "b", "c", "c"]


def test_lead_moves_labels_to_earlier_frames() -> None:
    alignment = (("a", 1600), ("b", 3200))
    plain = frame_phones(alignment, LOUD[:10], lead=0)
    assert plain == ["a"] * 5 + ["b"] * 5
    assert frame_phones(alignment, LOUD[:10], lead=640) == ["a"] * 3 + ["b"] * 7


def test_a_loud_pause_is_shared_by_its_neighbours_and_a_quiet_one_is_silence() -> None:
    alignment = (("a", 640), (" ", 1920), ("b", 2560))
    assert frame_phones(alignment, LOUD[:8], lead=0) == ["a"] * 4 + ["b"] * 4
    quiet = np.array([0, 0, -40, -40, -40, -40, 0, 0.0])
    assert frame_phones(alignment, quiet, lead=0) == ["a"] * 2 + [SILENCE] * 4 + ["b"] * 2


def test_loud_padding_belongs_to_the_only_neighbour() -> None:
    alignment = (("", 640), ("a", 1280), ("", 1920))
    assert frame_phones(alignment, LOUD[:6], lead=0) == ["a"] * 6
    assert frame_phones((("", 640),), LOUD[:2], lead=0) == [SILENCE] * 2


def test_labels_never_run_out() -> None:
    assert frame_phones((("a", 320),), LOUD[:4], lead=0) == ["a"] * 4


def test_levels_are_against_the_loud_frames() -> None:
    samples = np.concatenate([np.full(320, 1000), np.full(640, 10000), np.full(200, 5)]).astype(np.int16)
    assert frame_levels(samples) == pytest.approx([-20, 0, 0], abs=0.01)


def test_symbols_begin_with_silence() -> None:
    assert symbols_of([(("b", 1), ("ˈ", 2), ("a", 3)), (("c", 1), (" ", 2))]) == [SILENCE, "a", "b", "c"]
