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
