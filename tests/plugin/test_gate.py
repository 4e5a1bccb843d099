from __future__ import annotations

import numpy as np
import pytest

from streamvc.plugin.gate import HOLD_STEPS, HYSTERESIS_DB, RELEASE_STEPS, LevelGate

FRAME, STEP = 320, 80


def sine(seconds, level_db):
    """A sine of that RMS level in dBFS."""
    time = np.arange(round(16_000 * seconds)) / 16_000
    return (np.sqrt(2) * 10 ** (level_db / 20) * np.sin(2 * np.pi * 400 * time)).astype(np.float32)


def gated(signal, threshold_db, gate=None):
    if gate is None:
        gate = LevelGate(16_000, FRAME)
        gate.reset(threshold_db)
    return np.concatenate([gate.process(frame, threshold_db) for frame in signal.reshape(-1, FRAME)])


def test_without_a_threshold_nothing_is_touched():
    signal = sine(0.2, -70)
    np.testing.assert_array_equal(gated(signal, None), signal)


@pytest.mark.parametrize("threshold", [-80, -40, -6])
def test_the_threshold_is_an_rms_level(threshold):
    above, below = sine(0.4, threshold + 0.5), sine(0.4, threshold - 0.5)
    np.testing.assert_array_equal(gated(above, threshold)[STEP:], above[STEP:])
    np.testing.assert_array_equal(gated(below, threshold), 0.0)


def test_it_opens_within_five_milliseconds_in_a_straight_line():
    signal = np.concatenate([sine(0.1, -60), np.full(1_600, 0.5, np.float32)])
    output = gated(signal, -20)
    np.testing.assert_array_equal(output[:1_600], 0.0)
    np.testing.assert_allclose(output[1_600 : 1_600 + STEP], 0.5 * np.arange(1, STEP + 1) / STEP, rtol=1e-6)
    np.testing.assert_array_equal(output[1_600 + STEP :], 0.5)


def test_it_holds_and_then_closes_in_a_straight_line_to_exact_zero():
    low = 1e-3
    signal = np.concatenate([np.full(1_600, 0.5, np.float32), np.full(8_000, low, np.float32)])
    after = gated(signal, -20)[1_600:] / np.float32(low)
    hold, release = (HOLD_STEPS - 1) * STEP, RELEASE_STEPS * STEP
    np.testing.assert_allclose(after[:hold], 1.0, rtol=1e-6)
    np.testing.assert_allclose(np.diff(after[hold : hold + release]), -1 / release, rtol=0.01)
    np.testing.assert_array_equal(after[hold + release :], 0.0)


def test_between_the_two_levels_it_stays_as_it_is():
    between = sine(1.0, -20 - HYSTERESIS_DB + 1)
    np.testing.assert_array_equal(gated(between, -20), 0.0)
    signal = np.concatenate([sine(0.1, -10), between])
    np.testing.assert_array_equal(gated(signal, -20)[1_600:], between)
    # A gap that is shorter than the hold is no end.
    gap = np.concatenate([sine(0.1, -10), sine(0.08, -60), sine(0.1, -10)])
    np.testing.assert_array_equal(gated(gap, -20)[STEP:], gap[STEP:])


def test_a_sound_that_comes_back_while_it_closes_makes_no_step():
    constant = np.full(1_760, 0.5, np.float32)
    low = np.full((HOLD_STEPS + RELEASE_STEPS // 2) * STEP, 1e-3, np.float32)
    output = gated(np.concatenate([constant, low, constant[:1_600]]), -20)
    back = output[len(constant) + len(low) :]
    assert 0.2 < back[0] < 0.3  # half closed, and on its way up
    assert np.abs(np.diff(back)).max() <= 0.5 / STEP
    np.testing.assert_array_equal(back[STEP:], 0.5)


def test_a_threshold_that_comes_and_goes_makes_no_step():
    gate = LevelGate(16_000, FRAME)
    signal = np.full(16_000, 0.05, np.float32)
    parts = [gated(signal, threshold, gate) for threshold in (None, -10, None, -60)]
    output = np.concatenate(parts)
    assert output[31_999] == 0.0
    np.testing.assert_array_equal(output[32_000 + STEP :], np.float32(0.05))
    assert np.abs(np.diff(output)).max() <= 0.05 / STEP * 1.01


def test_reset_begins_closed_where_there_is_a_threshold():
    gate = LevelGate(16_000, FRAME)
    gated(sine(0.1, -10), -20, gate)
    gate.reset(-20)
    np.testing.assert_array_equal(gate.process(sine(0.02, -30), -20), 0.0)


def test_the_frame_is_left_as_it_is():
    frame = sine(0.02, -30)
    given = frame.copy()
    LevelGate(16_000, FRAME).process(frame, -10)
    np.testing.assert_array_equal(frame, given)


def test_frames_that_it_cannot_divide_are_a_fault_of_the_program():
    with pytest.raises(ValueError, match="no multiple of 80"):
        LevelGate(16_000, 300)
