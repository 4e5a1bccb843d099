"""Nothing in, nothing out, for as long as it lasts; and no click on the way into and out of silence."""

from __future__ import annotations

import numpy as np
import pytest

from streamvc.config import FRAME
from streamvc.controls import Controls
from streamvc.engine import Engine
from streamvc.presets.store import resolve
from streamvc.runtimes import load_runtime

LAST_FRAMES = 5
"""Look-ahead, tails, and the frame in which the rest is faded out."""


@pytest.fixture(scope="module")
def shipped():
    """The model whose hiss matters."""
    runtime, preset = load_runtime("onnx"), resolve("alice")
    return lambda: Engine(runtime, preset.voice(), preset.controls())


def test_silence_gives_exact_silence_from_the_first_sample_to_a_minute_later(engine):
    assert not engine.process(np.zeros(3000 * FRAME, np.float32)).any()


def test_the_shipped_model_is_silent_too(shipped):
    engine = shipped()
    assert not engine.process(np.zeros(100 * FRAME, np.float32)).any()
    assert engine.snapshot().state is not None, "the model has to go on hearing"


def test_after_speech_there_is_exact_silence_and_no_click_before_it(shipped, speech):
    engine = shipped()
    peak = np.abs(engine.process(speech)).max()
    after = engine.process(np.zeros(200 * FRAME, np.float32))
    assert peak > 0.1
    assert not after[LAST_FRAMES * FRAME :].any()
    # What is faded out has fallen by 60 dB and more by then.
    assert np.abs(after[(LAST_FRAMES - 1) * FRAME :]).max() < 1e-3 * peak


def test_silence_is_cut_anywhere(engine, speech, pieces):
    samples = np.concatenate([speech[: 20 * FRAME], np.zeros(20 * FRAME, np.float32), speech[20 * FRAME : 30 * FRAME]])
    whole = engine.process(samples)
    engine.reset()
    assert np.array_equal(pieces(engine, samples, (1, 2, 5)), whole)
    assert np.abs(whole[-5 * FRAME :]).max() > 0.01


def test_a_snapshot_taken_in_silence_comes_out_of_it(engine, speech):
    engine.process(speech[: 10 * FRAME])
    engine.process(np.zeros(20 * FRAME, np.float32))
    snapshot = engine.snapshot()
    expected = engine.process(speech[: 10 * FRAME])
    engine.restore(snapshot)
    assert np.array_equal(engine.process(speech[: 10 * FRAME]), expected)


def test_a_change_in_silence_stays_silent(engine, voices):
    engine.process(np.zeros(10 * FRAME, np.float32))
    engine.change(voices[1], Controls(pitch_semitones=5), 3)
    assert not engine.process(np.zeros(10 * FRAME, np.float32)).any()
    assert engine.snapshot().fading is None


def test_the_model_rests_in_long_silence_and_hears_what_comes_then(engine, speech, pieces, monkeypatch):
    """No steps after three seconds, a change of voice without a fade, and the same bits for every blocking."""
    first, silence = speech[: 20 * FRAME], np.zeros(300 * FRAME, np.float32)
    samples = np.concatenate([first, silence, speech[20 * FRAME : 40 * FRAME]])
    whole = engine.process(samples)
    assert np.abs(whole[-20 * FRAME :]).max() > 0.01
    engine.reset()
    assert np.array_equal(pieces(engine, samples, (1, 2, 5)), whole)

    engine.reset()
    engine.process(np.concatenate([first, silence[: 200 * FRAME]]))
    steps = []
    step = engine.runtime.step
    monkeypatch.setattr(engine.runtime, "step", lambda *arguments: steps.append(0) or step(*arguments))
    engine.set_controls(Controls(pitch_semitones=3))
    assert not engine.process(silence[: 50 * FRAME]).any()
    assert steps == []
    rested = engine.process(speech[20 * FRAME : 40 * FRAME])
    assert len(steps) == 1
    assert np.isfinite(rested).all()
    assert np.abs(rested).max() > 0.01


def test_what_was_heard_before_a_rest_does_not_matter_for_long(engine, speech):
    """The state that waits is that of silence: the level of what follows is that of an engine that never rested."""
    later = speech[20 * FRAME : 60 * FRAME]
    engine.process(np.concatenate([speech[: 20 * FRAME], np.zeros(90 * FRAME, np.float32)]))
    awake = engine.process(later)
    engine.reset()
    engine.process(np.concatenate([speech[: 20 * FRAME], np.zeros(400 * FRAME, np.float32)]))
    rested = engine.process(later)
    level = [20 * np.log10(np.sqrt(np.mean(x**2))) for x in (awake, rested)]
    assert abs(level[0] - level[1]) < 1.0
