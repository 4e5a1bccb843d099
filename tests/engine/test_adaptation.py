"""A voice that was fitted comes and goes like any other."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from streamvc.config import FRAME
from streamvc.engine import Engine
from streamvc.errors import ConfigError
from streamvc.presets.store import resolve
from streamvc.runtimes import load_runtime


def adapted(voice, runtime, size=0.1, seed=8):
    change = np.random.default_rng(seed).standard_normal(runtime.adaptation_dim) * size
    return replace(voice, adaptation=change)


def test_an_adaptation_for_another_model_is_refused(engine, voices, speech):
    wrong = replace(voices[0], adaptation=np.zeros(6))
    with pytest.raises(ConfigError, match=r"fitted with 6 values and the model wants .* fit it again"):
        engine.set_voice(wrong)
    assert engine.voice == voices[0]
    assert np.abs(engine.process(speech[: 20 * FRAME])).max() > 0.01


def test_it_is_heard_and_is_faded_in(engine, runtime, voices, speech):
    fitted = adapted(voices[0], runtime, 1.0)
    plain, other = (Engine(runtime, voice).process(speech) for voice in (voices[0], fitted))
    assert np.abs(plain - other).max() > 0.05 * np.abs(plain).max()
    spoken = engine.process(speech[: 30 * FRAME])
    engine.set_voice(fitted)
    rest = engine.process(speech[30 * FRAME :])
    assert engine.snapshot().fading is None
    assert np.array_equal(spoken, plain[: 30 * FRAME])
    # Encoder, pitch and past inputs of the decoder are the same; its own past in the other voice fades in 100 frames.
    assert np.abs(rest[-20 * FRAME :] - other[-20 * FRAME :]).max() < 0.01 * np.abs(other).max()


@pytest.fixture(scope="module")
def shipped():
    return load_runtime("onnx"), resolve("alice").voice()


def test_no_switch_between_a_voice_and_its_fitted_form_makes_a_larger_step_than_speech_has(shipped, speech):
    """The model that is shipped: the samples around a switch step no further than either voice does nearby."""
    runtime, voice = shipped
    fitted = adapted(voice, runtime)
    plain, other = (Engine(runtime, v).process(speech) for v in (voice, fitted))
    engine, spoken, changes = Engine(runtime, voice), [], range(3, 100, 4)
    for number in range(100):
        if number in changes:
            engine.set_voice(fitted if number % 8 == 3 else voice)
        spoken.append(engine.process(speech[number * FRAME : (number + 1) * FRAME]))
    steps, *steady = (np.abs(np.diff(y)) for y in (np.concatenate(spoken), plain, other))
    for place in (number * FRAME for number in changes):
        near = slice(max(0, place - 800), place + 800)
        assert steps[place - 1 : place + 16].max() <= 1.2 * max(s[near].max() for s in steady) + 1e-3


def test_a_morph_into_a_fitted_voice_is_as_smooth_as_speech(shipped, speech):
    runtime, voice = shipped
    fitted = adapted(voice, runtime)
    engine, spoken = Engine(runtime, voice), []
    for number in range(100):
        engine.set_voice(replace(voice, adaptation=fitted.adaptation * (number / 100)))
        spoken.append(engine.process(speech[number * FRAME : (number + 1) * FRAME]))
    edges = [abs(after[0] - before[-1]) for before, after in pairwise(spoken)]
    inside = np.abs(np.diff(np.stack(spoken), axis=1))
    assert np.median(edges) < 1.5 * np.median(inside)
    assert max(edges) <= inside.max()
