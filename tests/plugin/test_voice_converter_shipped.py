"""A converter with the shipped model and voices: latency at every rate, switches, silence, threads, memory."""

from __future__ import annotations

import gc
import os
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soxr
from pedalboard.io import AudioFile

from streamvc.plugin import VoiceConverter
from streamvc.presets.store import resolve
from streamvc.runtimes import load_runtime

RATES = [8_000, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000]


@pytest.fixture(scope="module")
def runtime():
    return load_runtime("onnx")


@pytest.fixture
def converter(runtime):
    return VoiceConverter("alice", runtime=runtime)


@pytest.fixture(scope="module")
def speech(example_speech):
    """Three seconds at 16 kHz."""
    with AudioFile(str(example_speech)) as file:
        return file.read(48_000)[0]


def stream(converter, signal, rate, block):
    """Feed a signal [n] in equal blocks; a list of what came back."""
    parts = np.split(signal, range(block, len(signal), block))
    return [converter.process(part, rate, reset=False) for part in parts]


@pytest.mark.parametrize("rate", RATES)
def test_speech_comes_out_at_the_reported_latency(converter, speech, rate):
    """The stream at the host's rate, brought back to 16 kHz, fits the recording at 16 kHz when it is moved by exactly
    the latency; one sample of 16 kHz is left for rounding to samples of the host."""
    reference = converter.process(speech[:20_000], 16_000)
    latency = converter.latency_samples(rate)
    signal = np.pad(soxr.resample(speech[:20_000], 16_000, rate, quality="VHQ"), (0, latency))
    output = np.concatenate(stream(converter, signal, rate, rate // 77))
    back = soxr.resample(output[latency:], rate, 16_000, quality="VHQ")
    # A quarter of a second, since the phases of two streams that hear nearly the same drift apart in the end.
    piece = reference[4_000:8_000]
    fits = []
    for lag in range(-200, 201):
        other = back[4_000 + lag : 8_000 + lag]
        fits.append(float(piece @ other / np.sqrt((piece @ piece) * (other @ other))))
    # What a host at 8 kHz has lost above 4 kHz, the model hears as another speech.
    assert max(fits) > (0.9 if rate > 8_000 else 0.6)
    assert abs(int(np.argmax(fits)) - 200) <= 1


def test_the_voice_is_in_time_with_its_source(converter, speech):
    """The same against the source, to which the model owes its look-ahead: loudness rises and falls with it."""

    def envelope(signal):
        return np.convolve(np.square(signal, dtype=np.float64), np.hanning(640), "same")[::16]

    heard, spoken = envelope(speech), envelope(converter.process(speech, 16_000))
    fits = [np.corrcoef(heard[200:-200], spoken[200 + lag : len(spoken) - 200 + lag])[0, 1] for lag in range(-100, 101)]
    assert max(fits) > 0.8
    # In steps of a millisecond.
    assert abs(int(np.argmax(fits)) - 100) <= 10


@pytest.fixture
def fitted(runtime):
    """alice as a fit might leave her: a plainly heard change of the decoder's modulation."""
    change = np.random.default_rng(8).standard_normal(runtime.adaptation_dim) * 0.1
    return replace(resolve("alice"), name="fitted", adaptation=change)


@pytest.mark.parametrize("second", ["arthur", "fitted"])
def test_a_switch_lands_on_the_promised_sample_and_steps_no_further_than_the_voices_do(
    runtime, speech, second, fitted
):
    rate, block = 48_000, 480
    signal = soxr.resample(speech, 16_000, rate)
    names = ("alice", fitted if second == "fitted" else second)
    steady = [np.concatenate(stream(VoiceConverter(n, runtime=runtime), signal, rate, block)) for n in names]
    converter = VoiceConverter("alice", runtime=runtime)
    converter.preload(names)
    output, switches = [], []
    for number, part in enumerate(np.split(signal, range(block, len(signal), block))):
        if number % 20 == 10:
            switches.append(number * block + converter.samples_until_change)
            converter.preset = names[len(switches) % 2]
        output.append(converter.process(part, rate, reset=False))
    spoken = np.concatenate(output)
    # The filter of the resampler reaches a little ahead of the place.
    place, difference = switches[0], np.abs(spoken - steady[0])
    assert not difference[: place - 128].any()
    assert difference[:place].max() < 1e-3 * difference[place : place + 960].max()
    assert len(switches) >= 10
    steps, *lawful = (np.abs(np.diff(y)) for y in (spoken, *steady))
    for place in switches:
        around, near = slice(place - 128, place + 2 * 960 + 128), slice(place - 2_400, place + 4_800)
        assert steps[around].max() <= max(s.max() for s in lawful)
        # And, so that a quiet place may not hide a click, than they do within 50 ms of it.
        assert steps[around].max() <= 1.2 * max(s[near].max() for s in lawful) + 1e-3


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_blocks_of_any_size_give_the_same_bits(converter, speech, rate):
    signal = soxr.resample(speech[8_000:14_000], 16_000, rate)
    whole = converter.process(signal, rate, reset=False)
    assert np.abs(whole).max() > 0.1
    edges = np.sort(np.random.default_rng(0).integers(0, len(signal), 60))
    for cuts in (range(1, 3_000), range(441, len(signal), 441), edges):
        converter.reset()
        parts = [converter.process(part, rate, reset=False) for part in np.split(signal, cuts)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_bypass_crossfades_and_coming_back_is_clean(converter, runtime, speech):
    plain = np.concatenate(stream(converter, speech, 16_000, 160))
    converter = VoiceConverter("alice", runtime=runtime)
    output, places = [], {}
    for number, part in enumerate(np.split(speech, range(160, len(speech), 160))):
        if number in (100, 200):
            places[number] = number * 160 + converter.samples_until_change
            converter.bypass = number == 100
        output.append(converter.process(part, 16_000, reset=False))
    spoken = np.concatenate(output)
    into, out_of = places[100], places[200]
    np.testing.assert_array_equal(spoken[:into], plain[:into])
    np.testing.assert_array_equal(spoken[into + 640 : out_of], speech[into + 640 - 960 : out_of - 960])
    np.testing.assert_array_equal(spoken[out_of + 640 :], plain[out_of + 640 :])
    largest = max(np.abs(np.diff(plain)).max(), np.abs(np.diff(speech)).max())
    for place in (into, out_of):
        assert np.abs(np.diff(spoken[place - 1 : place + 641])).max() <= largest


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_silence_gives_silence(converter, speech, rate):
    """Exact zeros from the start, and from a fraction of a second after speech on, for as long as it lasts."""
    assert not converter.process(np.zeros(rate, np.float32), rate).any()
    signal = np.concatenate([soxr.resample(speech[:16_000], 16_000, rate), np.zeros(2 * rate, np.float32)])
    output = np.concatenate(stream(converter, signal, rate, 441))
    assert np.abs(output).max() > 0.1
    quiet_from = rate + converter.latency_samples(rate) + round(0.1 * rate)
    assert not output[quiet_from:].any()


def test_a_closed_gate_is_silence_too(converter, speech):
    noise = (1e-3 * np.random.default_rng(0).standard_normal(16_000)).astype(np.float32)
    hiss = converter.process(noise, 16_000)
    assert np.abs(hiss).max() > 1e-5
    converter.gate_db = -40
    gated = converter.process(np.concatenate([noise, speech[:16_000], noise]), 16_000)
    assert not gated[:15_000].any()
    assert np.abs(gated[16_000:32_000]).max() > 0.1
    assert not gated[-8_000:].any()


def perform(converter, signal, seed, rate=48_000):
    """A stream with changes at places drawn from a seed."""
    rng, output = np.random.default_rng(seed), []
    for part in np.split(signal, range(rate // 100, len(signal), rate // 100)):
        match rng.integers(0, 12):
            case 0:
                converter.preset = ("alice", "arthur", "bianca")[rng.integers(0, 3)]
            case 1:
                converter.pitch_semitones = float(rng.uniform(-5, 5))
            case 2:
                converter.mix = float(rng.uniform(0, 1))
            case 3:
                converter.bypass = bool(rng.integers(0, 2))
        output.append(converter.process(part, rate, reset=False))
    return np.concatenate(output)


def test_two_converters_in_two_threads_play_as_each_does_alone(runtime, speech):
    signals = [soxr.resample(s, 16_000, 48_000) for s in (speech[:32_000], -speech[31_999::-1].copy())]
    alone = [perform(VoiceConverter("alice", runtime=runtime), signal, seed) for seed, signal in enumerate(signals)]
    assert np.abs(alone[0] - alone[1]).max() > 0.1
    together = [np.zeros(0, np.float32)] * 2
    start = threading.Barrier(2)

    def play(seed):
        converter = VoiceConverter("alice", runtime=runtime)
        start.wait()
        together[seed] = perform(converter, signals[seed], seed)

    threads = [threading.Thread(target=play, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_reset_repeats_bit_for_bit_even_after_switches(converter, speech):
    speech = speech[:24_000]
    first = np.concatenate(stream(converter, speech, 16_000, 480))
    perform(converter, speech, 5)
    converter.preset, converter.pitch_semitones, converter.mix, converter.bypass = "alice", None, 1.0, False
    converter.reset()
    np.testing.assert_array_equal(np.concatenate(stream(converter, speech, 16_000, 441)), first)


def resident():
    """Bytes of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the process's memory is read from /proc, on Linux")
def test_a_million_samples_with_switches_take_no_more_memory(converter, speech):
    converter.preload(["alice", "arthur", "bianca"])
    signal = soxr.resample(speech[8_000:24_000], 16_000, 192_000)
    held = []
    for turn in range(8):
        perform(converter, signal, turn, 192_000)
        gc.collect()
        held.append(resident())
    # 192,000 samples a turn, a million after the second; the first turns fill caches.
    assert held[-1] - held[1] < 2e6
