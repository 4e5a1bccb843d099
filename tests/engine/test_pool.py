"""Streams of a pool sound as each does alone, whatever the others do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvc.config import FRAME, PaperConfig
from streamvc.controls import Controls, Voice
from streamvc.engine import Engine
from streamvc.errors import AudioError, ConfigError
from streamvc.pool import VoicePool
from streamvc.runtimes.base import Array, Runtime
from streamvc.runtimes.onnx import OnnxRuntime
from streamvc.runtimes.pytorch import TorchRuntime

COUNT = 40
CONTROLS = [Controls(), Controls(pitch_semitones=5, formant_semitones=1.5), Controls(intonation=0.3)]


@pytest.fixture(scope="module")
def rounded(small_live: Path, tmp_path_factory: pytest.TempPathFactory) -> OnnxRuntime:
    """The graph with eight-bit products, as it is shipped."""
    from streamvc.runtimes.export import export_onnx

    graph = tmp_path_factory.mktemp("int8") / "live.onnx"
    export_onnx(small_live / "live.safetensors", graph)
    return OnnxRuntime(graph)


@pytest.fixture(scope="module", params=["onnx", "int8", "torch"])
def any_runtime(request: pytest.FixtureRequest, small_live: Path, runtime: Runtime, rounded: Runtime) -> Runtime:
    if request.param == "torch":
        return TorchRuntime(small_live / "live.safetensors")
    return runtime if request.param == "onnx" else rounded


@pytest.fixture(scope="module")
def sounds(speech: Array) -> list[Array]:
    """Three streams, `[COUNT * FRAME]` each, with no two alike."""
    long = np.concatenate((speech, speech[::-1]))
    return [long[start * FRAME : (start + COUNT) * FRAME].copy() for start in (0, 37, 90)]


def play(
    process: Callable[[dict[int, Array]], dict[int, Array]], streams: dict[int, Engine], sounds: list[Array],
    spans: list[tuple[int, int]], voices: list[Voice], switch: int,
) -> dict[int, Array]:
    """Frames of each stream in its span; at frame `switch` the voices and controls change round."""
    heard: dict[int, list[Array]] = {number: [] for number in streams}
    for frame in range(COUNT):
        if frame == switch:
            for number, engine in streams.items():
                engine.change(voices[(number + 1) % 3], CONTROLS[(number + 1) % 3], 2 + number)
        place = slice(frame * FRAME, (frame + 1) * FRAME)
        wanted = {n: sounds[n][place] for n in streams if spans[n][0] <= frame < spans[n][1]}
        for number, audio in process(wanted).items():
            heard[number].append(audio)
    return {number: np.concatenate(pieces) for number, pieces in heard.items() if pieces}


def alone(
    runtime: Runtime, sounds: list[Array], spans: list[tuple[int, int]], voices: list[Voice], switch: int
) -> dict[int, Array]:
    engines = {n: Engine(runtime, voices[n], CONTROLS[n]) for n in range(3)}
    return play(lambda w: {n: engines[n].process(x) for n, x in w.items()}, engines, sounds, spans, voices, switch)


def together(
    runtime: Runtime, sounds: list[Array], spans: list[tuple[int, int]], voices: list[Voice], switch: int
) -> dict[int, Array]:
    pool = VoicePool(runtime)
    streams = {n: pool.open(voices[n], CONTROLS[n]) for n in range(3)}
    numbers = {engine: n for n, engine in streams.items()}

    def process(wanted: dict[int, Array]) -> dict[int, Array]:
        return {numbers[e]: audio for e, audio in pool.process({streams[n]: x for n, x in wanted.items()}).items()}

    return play(process, streams, sounds, spans, voices, switch)


def test_streams_that_come_go_and_change_sound_as_alone(
    any_runtime: Runtime, sounds: list[Array], voices: list[Voice]
) -> None:
    """Voices with and without adaptation beside each other, and one after the other."""
    change = np.random.default_rng(8).standard_normal(any_runtime.adaptation_dim) * 0.3
    voices = [voices[0], replace(voices[1], adaptation=change), voices[2]]
    spans = [(0, COUNT), (5, 33), (12, COUNT)]
    expected, actual = (how(any_runtime, sounds, spans, voices, 20) for how in (alone, together))
    assert expected.keys() == actual.keys() == {0, 1, 2}
    for number, audio in expected.items():
        assert np.abs(audio).max() > 0.02
        assert np.abs(actual[number] - audio).max() <= 1e-5 * np.abs(audio).max()


span = st.tuples(st.integers(0, 30), st.integers(1, 20)).map(lambda pair: (pair[0], min(COUNT, sum(pair))))


@given(spans=st.lists(span, min_size=3, max_size=3), switch=st.integers(0, COUNT))
@settings(max_examples=8)
def test_any_schedule_will_do(
    runtime: Runtime, sounds: list[Array], voices: list[Voice], spans: list[tuple[int, int]], switch: int
) -> None:
    expected, actual = (how(runtime, sounds, spans, voices, switch) for how in (alone, together))
    for number, audio in expected.items():
        assert np.abs(actual[number] - audio).max() <= 1e-5 * max(np.abs(audio).max(), 0.02)


def test_what_one_stream_hears_changes_no_bit_of_another(
    rounded: Runtime, sounds: list[Array], voices: list[Voice]
) -> None:
    outputs = []
    for other in (sounds[1], 3 * sounds[2], np.full_like(sounds[1], np.nan), np.zeros_like(sounds[1])):
        pool = VoicePool(rounded)
        first, second = pool.open(voices[0]), pool.open(voices[1])
        pieces = [
            pool.process({first: sounds[0][i : i + FRAME], second: other[i : i + FRAME]})
            for i in range(0, COUNT * FRAME, FRAME)
        ]
        outputs.append(np.concatenate([piece[first] for piece in pieces]))
        if not np.nan_to_num(other).any():
            assert not any(piece[second].any() for piece in pieces)
    assert np.abs(outputs[0]).max() > 0.02
    assert all(np.array_equal(outputs[0], output) for output in outputs[1:])


def test_a_stream_goes_back_to_a_snapshot(runtime: Runtime, sounds: list[Array], voices: list[Voice]) -> None:
    pool = VoicePool(runtime)
    streams = [pool.open(voice) for voice in voices]

    def go(start: int, stop: int) -> list[dict[Engine, Array]]:
        return [
            pool.process({s: x[i * FRAME : (i + 1) * FRAME] for s, x in zip(streams, sounds, strict=True)})
            for i in range(start, stop)
        ]

    go(0, 20)
    saved = streams[1].snapshot()
    first = go(20, 30)
    streams[1].restore(saved)
    again = go(20, 30)
    one, two = (np.concatenate([piece[streams[1]] for piece in run]) for run in (first, again))
    assert np.abs(one).max() > 0.02
    assert np.array_equal(one, two)


def test_what_is_not_a_frame_of_an_open_stream_is_refused(runtime: Runtime, voices: list[Voice]) -> None:
    pool = VoicePool(runtime)
    stream, other = pool.open(voices[0]), pool.open(voices[1])
    assert len(pool) == 2
    with pytest.raises(AudioError, match=r"one frame of 320 samples, not an array of \(321,\)"):
        pool.process({stream: np.zeros(FRAME, np.float32), other: np.zeros(FRAME + 1, np.float32)})
    pool.close(other)
    assert len(pool) == 1
    with pytest.raises(ConfigError, match="not open in this pool"):
        pool.close(other)
    with pytest.raises(ConfigError, match="not open in this pool"):
        pool.process({other: np.zeros(FRAME, np.float32)})
    assert pool.process({}) == {}


def test_a_model_without_batches_is_refused(tmp_path: Path) -> None:
    from streamvc.checkpoint import save_model
    from streamvc.model import build_model

    small = PaperConfig(content_channels=4, speech_channels=4, decoder_channels=4)
    save_model(build_model(small), tmp_path / "p.safetensors")
    with pytest.raises(ConfigError, match="one stream at a time"):
        VoicePool(TorchRuntime(tmp_path / "p.safetensors"))


def test_a_stream_that_rests_in_silence_leaves_the_others_as_they_are(
    runtime: Runtime, speech: Array, voices: list[Voice]
) -> None:
    quiet = np.concatenate((np.zeros(250 * FRAME, np.float32), speech[: 10 * FRAME]))
    loud = np.resize(speech, len(quiet))
    pool = VoicePool(runtime)
    streams = [pool.open(voices[0]), pool.open(voices[1])]
    heard: list[list[Array]] = [[], []]
    for start in range(0, len(quiet), FRAME):
        place = slice(start, start + FRAME)
        result = pool.process({streams[0]: quiet[place], streams[1]: loud[place]})
        for pieces, stream in zip(heard, streams, strict=True):
            pieces.append(result[stream])
    for pieces, voice, sound in zip(heard, voices, (quiet, loud), strict=False):
        expected = Engine(runtime, voice).process(sound)
        assert np.abs(expected[-5 * FRAME :]).max() > 0.01
        assert np.abs(np.concatenate(pieces) - expected).max() < 1e-4
