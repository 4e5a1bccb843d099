"""What lies below speech, and what a voice makes of it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from streamvc.plugin import VoiceConverter
from streamvc.plugin.adapter import HostAdapter
from streamvc.plugin.high_pass import HighPass

RATE, FRAME, CUTOFF = 16_000, 320, 60.0


def filtered(samples):
    high_pass = HighPass(CUTOFF, RATE, FRAME)
    return np.concatenate([high_pass.process(frame) for frame in samples.astype(np.float32).reshape(-1, FRAME)])


def level(samples):
    return 10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-20)


def test_it_is_the_filter_that_scipy_designs():
    noise = np.random.default_rng(0).standard_normal(200 * FRAME)
    expected = signal.sosfilt(signal.butter(4, CUTOFF, "highpass", fs=RATE, output="sos"), noise)
    np.testing.assert_allclose(filtered(noise), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("hz", "low", "high"),
    [(5, 60, 200), (20, 37, 39), (50, 6.5, 8), (60, 2.9, 3.1), (80, 0.3, 0.5), (100, 0, 0.1), (200, 0, 0.01)],
)
def test_what_it_takes_away_in_decibels(hz, low, high):
    time = np.arange(200 * FRAME) / RATE
    tone = np.sin(2 * np.pi * hz * time)
    assert low <= level(tone[RATE:]) - level(filtered(tone)[RATE:]) <= high


def test_a_constant_is_gone_within_a_tenth_of_a_second():
    heard = filtered(np.full(40 * FRAME, 0.5))
    assert np.abs(heard[1600:]).max() < 1e-3
    assert np.abs(heard[4800:]).max() < 1e-7


def test_digital_silence_stays_silent_and_ends_the_ringing():
    noise = np.random.default_rng(0).standard_normal(5 * FRAME)
    parts = [np.zeros(2 * FRAME), noise, np.zeros(3 * FRAME), noise]
    heard = filtered(np.concatenate(parts))
    assert not heard[: 2 * FRAME].any()
    assert not heard[7 * FRAME : 10 * FRAME].any()
    np.testing.assert_array_equal(heard[10 * FRAME :], heard[2 * FRAME : 7 * FRAME])


def test_an_impulse_keeps_its_place():
    impulse = np.zeros(2 * FRAME)
    impulse[100] = 1.0
    heard = filtered(impulse)
    assert np.argmax(np.abs(heard)) == 100
    assert heard[100] > 0.9
    assert not heard[:100].any()


class Listener:
    """An engine that keeps what it hears."""

    def __init__(self, lowest_hz):
        from streamvc.latency import LatencyReport

        self.latency = LatencyReport(framing=FRAME, look_ahead=0)
        self.lowest_hz = lowest_hz
        self.heard = []

    def reset(self):
        self.heard = []

    def process(self, samples):
        self.heard.append(samples.copy())
        return samples


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000, 192_000])
def test_the_gate_is_behind_it(rate):
    """A tenth of full scale of direct current under a gate of -40 dB: the engine hears nothing."""
    from streamvc.plugin.levels import Levels

    engine = Listener(CUTOFF)
    adapter = HostAdapter(engine, rate, 1, lambda: Levels(gate_db=-40.0))
    adapter.process(np.full((1, 2 * rate), 0.1, np.float32))
    assert not np.concatenate(engine.heard[20:]).any()


@pytest.mark.parametrize("sizes", [(1,), (7, 480, 3), (4096,), (319, 321)])
def test_blocks_of_any_size_give_the_same_bits(sizes):
    noise = np.random.default_rng(0).standard_normal((1, 20 * FRAME)).astype(np.float32)

    def run(sizes):
        adapter, place, parts, turn = HostAdapter(Listener(CUTOFF), RATE), 0, [], 0
        while place < noise.shape[1]:
            size = sizes[turn % len(sizes)]
            parts.append(adapter.process(noise[:, place : place + size]))
            place, turn = place + size, turn + 1
        return np.concatenate(parts, axis=1)

    np.testing.assert_array_equal(run(sizes), run((320,)))


def test_an_engine_may_ask_for_all_of_it():
    engine = Listener(None)
    HostAdapter(engine, RATE).process(np.full((1, RATE), 0.1, np.float32))
    np.testing.assert_array_equal(np.concatenate(engine.heard), np.float32(0.1))


# With the shipped voice, and bounds that any weights have to keep.


@pytest.fixture(scope="module")
def converter():
    return VoiceConverter("alice")


@pytest.fixture(scope="module")
def room():
    return (10 ** (-70 / 20) * np.random.default_rng(0).standard_normal(3 * RATE)).astype(np.float32)


@pytest.mark.parametrize("what", ["direct current", "rumble"])
def test_a_quiet_room_stays_quiet(converter, room, what):
    below = 0.01 * (np.ones(3 * RATE) if what == "direct current" else np.sqrt(2) * np.sin(
        2 * np.pi * 20 * np.arange(3 * RATE) / RATE))  # fmt: skip
    alone = level(converter.process(room, RATE)[RATE:])
    with_it = level(converter.process(room + below.astype(np.float32), RATE)[RATE:])
    assert with_it < -60.0
    assert with_it < alone + 8.0


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_speech_is_as_loud_with_direct_current_as_without(converter, example_speech, rate):
    import soundfile
    import soxr

    speech = soxr.resample(soundfile.read(example_speech, dtype="float32")[0][: 4 * RATE], RATE, rate)
    plain = level(converter.process(speech, rate))
    shifted = level(converter.process(speech + np.float32(0.1), rate)[rate // 10 :])
    assert shifted == pytest.approx(plain, abs=0.7)
