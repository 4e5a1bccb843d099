"""Both runtimes say the same, stream, and leave the states they are given alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvc.config import FRAME
from streamvc.controls import Controls, Voice, pack
from streamvc.runtimes.base import rows, stack, stack_latents

VOICE = Voice(np.zeros(64), 5.2, 0.25)
SETTINGS = {
    "plain": Controls(),
    "up": Controls(pitch_semitones=7, formant_semitones=1.5, intonation=1.3),
    "down": Controls(pitch_semitones=-5, formant_semitones=-2.2, intonation=0.4),
    "locked": Controls(source_pitch_hz=130),
    "monotone": Controls(intonation=0),
}


@pytest.mark.parametrize("controls", list(SETTINGS.values()), ids=list(SETTINGS))
def test_both_say_the_same_on_real_speech(torch_runtime, onnx_runtime, run, speech, latents, controls):
    packed = pack(VOICE, controls)
    expected = run(torch_runtime, speech, latents[0], packed, (200,))
    actual = run(onnx_runtime, speech, latents[0], packed)
    assert np.abs(expected).max() > 0.02
    assert np.abs(actual - expected).max() <= 1e-4 * np.abs(expected).max()


def test_both_say_the_same_when_the_voice_changes_midway(torch_runtime, onnx_runtime, speech, latents):
    pieces = {}
    for runtime in (torch_runtime, onnx_runtime):
        state, heard = runtime.initial_state(), []
        for frame in range(60):
            speaker = frame // 7 % 2
            controls = pack(VOICE, SETTINGS["up" if frame % 2 else "plain"])
            x = speech[(40 + frame) * FRAME : (41 + frame) * FRAME]
            audio, state = runtime.step(x, latents[speaker], controls, state)
            heard.append(audio)
        pieces[runtime.name] = np.concatenate(heard)
    assert np.abs(pieces["torch"] - pieces["onnx"]).max() <= 1e-4 * np.abs(pieces["torch"]).max()


def test_they_do_not_drift_apart(torch_runtime, onnx_runtime, run, speech, latents):
    """The pulses' phase adds up for as long as the stream lasts: a minute has to end where it would in the other."""
    minute = np.tile(speech, 15)
    packed = pack(VOICE, SETTINGS["plain"])
    expected = run(torch_runtime, minute, latents[0], packed, (50,))
    actual = run(onnx_runtime, minute, latents[0], packed)
    last = slice(-100 * FRAME, None)
    assert np.abs(expected[last]).max() > 0.02
    assert np.abs(actual[last] - expected[last]).max() <= 1e-4 * np.abs(expected[last]).max()


def test_they_agree_about_themselves(torch_runtime, onnx_runtime):
    for name in ("frame", "look_ahead", "fingerprint", "latent_dim", "adaptation_dim", "supports_formant"):
        assert getattr(torch_runtime, name) == getattr(onnx_runtime, name)
    assert (torch_runtime.name, onnx_runtime.name) == ("torch", "onnx")
    assert onnx_runtime.look_ahead == 2 * FRAME


@pytest.fixture(scope="module")
def adaptation(torch_runtime):
    """A change of the modulation that is plainly heard."""
    size = torch_runtime.adaptation_dim
    return np.random.default_rng(8).standard_normal(size).astype(np.float32) * np.float32(0.3)


def test_both_say_the_same_with_an_adapted_voice(torch_runtime, onnx_runtime, run, speech, latents, adaptation):
    packed, voice = pack(VOICE, SETTINGS["plain"]), np.concatenate((latents[0], adaptation))
    expected = run(torch_runtime, speech, voice, packed, (200,))
    actual = run(onnx_runtime, speech, voice, packed)
    plain = run(torch_runtime, speech, latents[0], packed, (200,))
    assert np.abs(expected - plain).max() > 0.02 * np.abs(plain).max()
    assert np.abs(actual - expected).max() <= 1e-4 * np.abs(expected).max()


def test_both_say_the_same_when_an_adaptation_comes_and_goes(torch_runtime, onnx_runtime, speech, latents, adaptation):
    """With the latent as it is: the adaptation alone has to be noticed."""
    packed, pieces = pack(VOICE, SETTINGS["plain"]), {}
    voices = [latents[0], np.concatenate((latents[0], adaptation)), np.concatenate((latents[0], -adaptation))]
    for runtime in (torch_runtime, onnx_runtime):
        state, heard = runtime.initial_state(), []
        for frame in range(60):
            x = speech[(40 + frame) * FRAME : (41 + frame) * FRAME]
            audio, state = runtime.step(x, voices[frame // 7 % 3], packed, state)
            heard.append(audio)
        pieces[runtime.name] = np.concatenate(heard)
    assert np.abs(pieces["torch"] - pieces["onnx"]).max() <= 1e-4 * np.abs(pieces["torch"]).max()


def test_an_adaptation_of_zeros_changes_no_bit(runtime, run, speech, latents):
    packed = pack(VOICE, SETTINGS["up"])
    wide = np.concatenate((latents[0], np.zeros(runtime.adaptation_dim, np.float32)))
    plain, adapted = (run(runtime, speech, voice, packed) for voice in (latents[0], wide))
    assert np.array_equal(plain, adapted)


@given(sizes=st.lists(st.integers(1, 12), min_size=1, max_size=6))
@settings(max_examples=6)
def test_torch_gives_the_same_for_any_split(torch_runtime, run, speech, latents, sizes):
    whole = run(torch_runtime, speech, latents[0], pack(VOICE, SETTINGS["up"]), (200,))
    split = run(torch_runtime, speech, latents[0], pack(VOICE, SETTINGS["up"]), tuple(sizes))
    assert np.abs(split - whole).max() <= 1e-5 * np.abs(whole).max()


def test_onnx_gives_the_same_bits_for_any_split(onnx_runtime, run, speech, latents):
    packed = pack(VOICE, SETTINGS["up"])
    whole = run(onnx_runtime, speech, latents[0], packed, (200,))
    assert np.array_equal(whole, run(onnx_runtime, speech, latents[0], packed, (1, 4, 2, 3)))


def test_an_old_state_can_be_stepped_again(runtime, speech, latents):
    packed = pack(VOICE, SETTINGS["plain"])
    _, state = runtime.step(speech[: 60 * FRAME], latents[0], packed, runtime.initial_state())
    copies = [np.asarray(leaf).copy() for leaf in state]
    piece = speech[60 * FRAME : 70 * FRAME]
    first, after = runtime.step(piece, latents[0], packed, state)
    runtime.step(-piece, latents[1], pack(VOICE, SETTINGS["down"]), state)
    again, same = runtime.step(piece, latents[0], packed, state)
    assert np.abs(first).max() > 0.02
    assert np.array_equal(first, again)
    assert all(np.array_equal(a, b) for a, b in zip(after, same, strict=True))
    assert all(np.array_equal(np.asarray(leaf), copy) for leaf, copy in zip(state, copies, strict=True))


def test_an_output_is_not_changed_by_later_steps(runtime, speech, latents):
    packed = pack(VOICE, SETTINGS["plain"])
    state, outputs, copies = runtime.initial_state(), [], []
    for start in range(0, 20 * FRAME, FRAME):
        audio, state = runtime.step(speech[start : start + FRAME], latents[0], packed, state)
        outputs.append(audio)
        copies.append(audio.copy())
    assert all(np.array_equal(a, b) for a, b in zip(outputs, copies, strict=True))


def test_the_input_is_left_alone(runtime, speech, latents):
    x, latent, packed = speech[: 4 * FRAME].copy(), latents[0].copy(), pack(VOICE, SETTINGS["up"])
    before = packed.copy()
    runtime.step(x, latent, packed, runtime.initial_state())
    assert np.array_equal(x, speech[: 4 * FRAME])
    assert np.array_equal(latent, latents[0])
    assert np.array_equal(packed, before)


def test_streams_of_a_batch_are_what_each_is_alone(runtime, run, speech, latents, adaptation):
    """Each with its own voice and controls, one of them starting later; and no trace of one in another."""
    packed = [pack(VOICE, SETTINGS[name]) for name in ("plain", "up", "locked")]
    sounds = [speech[start * FRAME : (start + 70) * FRAME] for start in (20, 50, 90)]
    voices = [latents[0], np.concatenate((latents[1], adaptation)), -latents[0]]
    alone = [run(runtime, *each) for each in zip(sounds, voices, packed, strict=True)]
    state = stack([runtime.initial_state()] * 2)
    first, state = runtime.step_batch(
        np.stack([sounds[0][: 10 * FRAME], sounds[1][: 10 * FRAME]]), stack_latents(voices[:2]), np.stack(packed[:2]),
        state,
    )
    # The third comes in between, so that the rows of the others move.
    parts = rows(state, [0]), runtime.initial_state(), rows(state, [1])
    order = [0, 2, 1]
    x = np.stack([sounds[0][10 * FRAME :], sounds[2][: 60 * FRAME], sounds[1][10 * FRAME :]])
    rest, _ = runtime.step_batch(
        x, stack_latents([voices[i] for i in order]), np.stack([packed[i] for i in order]), stack(parts)
    )
    together = [np.concatenate((first[0], rest[0])), np.concatenate((first[1], rest[2])), rest[1]]
    for one, other in zip(alone, together, strict=True):
        assert np.abs(one).max() > 0.02
        assert np.abs(one[: len(other)] - other).max() <= 1e-5 * np.abs(one).max()


def test_read_only_arrays_are_fine(runtime, speech, latents):
    arrays = [speech[:FRAME].copy(), latents[0].copy(), pack(VOICE, Controls())]
    for array in arrays:
        array.setflags(write=False)
    audio, _ = runtime.step(*arrays, runtime.initial_state())
    assert audio.shape == (FRAME,)
    assert audio.dtype == np.float32


def test_no_sample_reaches_further_back_than_the_look_ahead(runtime, run, speech, latents):
    """A change in frame t of the input is heard from frame t of the output on, and that frame is t - 2 of speech."""
    packed = pack(VOICE, Controls())
    other = speech.copy()
    other[30 * FRAME] += 0.3
    plain, changed = (run(runtime, x, latents[0], packed) for x in (speech, other))
    first = np.flatnonzero(plain != changed)[0]
    assert 30 * FRAME <= first < 33 * FRAME


def test_silence_in_gives_silence_out(runtime, run, speech, latents):
    spoken, audio = (run(runtime, x, latents[0], pack(VOICE, Controls()), (10,)) for x in (speech, 0 * speech))
    assert np.abs(audio).max() < 1e-3 * np.abs(spoken).max()


def test_after_speech_comes_silence(runtime, run, speech, latents):
    x = np.concatenate((speech[40 * FRAME : 100 * FRAME], np.zeros(50 * FRAME, np.float32)))
    audio = run(runtime, x, latents[0], pack(VOICE, Controls()), (10,))
    assert np.abs(audio[: 60 * FRAME]).max() > 0.02
    assert np.abs(audio[-40 * FRAME :]).max() < 1e-3 * np.abs(audio[: 60 * FRAME]).max()


@pytest.mark.parametrize("level", [1e-5, 30.0, 1e4])
def test_any_level_stays_finite(runtime, speech, latents, level):
    x = np.clip(speech[: 60 * FRAME] * level, -1e4, 1e4).astype(np.float32)
    audio, state = runtime.step(x, latents[0], pack(VOICE, SETTINGS["up"]), runtime.initial_state())
    assert np.isfinite(audio).all()
    assert all(np.isfinite(np.asarray(leaf)).all() for leaf in state)


def test_many_random_and_real_frames_keep_it_steady(onnx_runtime, speech, latents):
    """Two minutes of speech, noise, clicks, tones and silence, with new voices and controls all the time."""
    rng = np.random.default_rng(0)
    state, loudest = onnx_runtime.initial_state(), 0.0
    time = np.arange(FRAME) / 16_000
    for turn in range(6_000):
        kind = turn // 50 % 5
        if kind == 0:
            start = turn % 200 * FRAME
            x = speech[start : start + FRAME]
        elif kind == 1:
            x = rng.uniform(-1, 1, FRAME)
        elif kind == 2:
            x = np.zeros(FRAME)
            x[rng.integers(FRAME)] = rng.choice([-1.0, 1.0])
        elif kind == 3:
            x = np.sin(2 * np.pi * rng.uniform(30, 8000) * time)
        else:
            x = np.zeros(FRAME)
        drawn = Controls(rng.uniform(-24, 24), rng.uniform(-4, 4), rng.uniform(0, 2))
        controls = drawn if turn % 20 == 0 else Controls()
        audio, state = onnx_runtime.step(
            np.asarray(x, np.float32), latents[turn // 33 % 2], pack(VOICE, controls), state
        )
        loudest = max(loudest, float(np.abs(audio).max()))
    assert all(np.isfinite(leaf).all() for leaf in state)
    assert 0.02 < loudest < 1e3
    # The memory of the past is bounded: it now speaks about as loud as a fresh stream.
    packed = pack(VOICE, Controls(source_pitch_hz=150, intonation=0))
    silence = np.zeros(60 * FRAME, np.float32)
    _, state = onnx_runtime.step(silence, latents[0], packed, state)
    _, fresh = onnx_runtime.step(silence, latents[0], packed, onnx_runtime.initial_state())
    x = speech[40 * FRAME : 100 * FRAME]
    old, new = (onnx_runtime.step(x, latents[0], packed, s)[0] for s in (state, fresh))
    rms = [float(np.sqrt(np.mean(y**2))) for y in (old, new)]
    assert 1 / 3 < rms[0] / rms[1] < 3
