"""What a converter costs beside its model, and what it costs to change it. Reported, never judged."""

from __future__ import annotations

import time

import numpy as np
import pytest

from streamvc.plugin import VoiceConverter
from streamvc.presets.format import Preset
from streamvc.presets.store import resolve
from streamvc.runtimes import load_runtime


class Free:
    """A model that costs nothing."""

    name = "free"
    frame = 320
    look_ahead = 640
    fingerprint = "00000000000000aa"
    latent_dim = 64
    supports_formant = True
    lowest_hz = None  # what it is given is not speech

    def initial_state(self):
        return ()

    def step(self, samples, latent, controls, state):
        return samples, state


@pytest.fixture
def converter():
    preset = Preset("someone", np.zeros(64, np.float32), 5.0, 0.2, model=Free.fingerprint)
    return VoiceConverter(preset, runtime=Free())


def second_of(converter, rate, block, channels, change=None):
    """A function that streams a second of noise, `change(number of the block)` before every block."""
    shape = (channels, rate) if channels > 1 else rate
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, shape).astype(np.float32)

    def play():
        for number, start in enumerate(range(0, rate, block)):
            if change is not None:
                change(number)
            output = converter.process(noise[..., start : start + block], rate, reset=False)
        return output

    return play


def report(benchmark, play):
    output = benchmark.pedantic(play, rounds=5, warmup_rounds=1)
    benchmark.extra_info["ms_per_20_ms"] = round(1000 * benchmark.stats.stats.median / 50, 3)
    assert np.isfinite(output).all()
    assert np.abs(output).max() > 0.01


# CPU time, since other processes on the machine are none of the converter's cost.
CPU_TIME = pytest.mark.benchmark(timer=time.process_time)


@CPU_TIME
@pytest.mark.parametrize(
    ("rate", "block", "channels"), [(48_000, 480, 1), (48_000, 480, 2), (44_100, 441, 1), (16_000, 320, 1)]
)
def test_what_a_converter_adds_to_its_model(benchmark, converter, rate, block, channels):
    """Per second of audio: 50 frames may add 0.3 ms each, 15 ms in all, at 48 kHz in blocks of 480."""
    report(benchmark, second_of(converter, rate, block, channels))


@CPU_TIME
def test_what_it_adds_with_everything_on(benchmark, converter):
    """The same with gate, mix, gains, and a change before every block of 10 ms."""
    converter.gate_db, converter.mix, converter.input_gain_db = -60, 0.5, 3.0

    def change(number):
        converter.pitch_semitones = number % 12
        converter.output_gain_db = -(number % 7)

    report(benchmark, second_of(converter, 48_000, 480, 2, change))


@pytest.mark.parametrize("what", ["preset", "pitch_semitones", "set_voice"])
def test_an_assignment(benchmark, what):
    """What a thread that assigns waits for: one message of a controller."""
    runtime = load_runtime("onnx")
    converter = VoiceConverter("alice", runtime=runtime)
    converter.preload(["alice", "arthur"])
    voices = [resolve(name).voice() for name in ("alice", "arthur")]
    turn = iter(range(10**9))

    def assign():
        number = next(turn) % 2
        if what == "preset":
            converter.preset = ("alice", "arthur")[number]
        elif what == "pitch_semitones":
            converter.pitch_semitones = number
        else:
            converter.set_voice(voices[number])

    benchmark.pedantic(assign, rounds=200, iterations=5, warmup_rounds=5)
    benchmark.extra_info["us"] = round(1e6 * benchmark.stats.stats.median, 1)
    assert converter.voice in voices


@pytest.mark.parametrize("switching", [False, True])
def test_a_frame_while_one_voice_fades_into_another(benchmark, example_speech, switching):
    """At most twice a frame of one voice: compare the two."""
    from pedalboard.io import AudioFile

    with AudioFile(str(example_speech)) as file:
        frames = np.resize(file.read(file.frames)[0], (100, 320))
    converter = VoiceConverter("alice", runtime=load_runtime("onnx"), crossfade_ms=20)
    converter.preload(["alice", "arthur"])
    turn = iter(range(10**9))

    def step():
        number = next(turn)
        if switching:
            converter.preset = ("arthur", "alice")[number % 2]
        return converter.process(frames[number % 100], 16_000, reset=False)

    output = benchmark.pedantic(step, rounds=100, warmup_rounds=10)
    benchmark.extra_info["ms"] = round(1000 * benchmark.stats.stats.median, 2)
    assert output.shape == (320,)
    assert np.isfinite(output).all()
