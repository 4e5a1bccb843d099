"""Levels that change while the stream runs: on which sample, and without a click."""

from __future__ import annotations

import numpy as np
import pytest

from streamvc.errors import ConfigError
from streamvc.latency import LatencyReport
from streamvc.plugin.adapter import HostAdapter
from streamvc.plugin.levels import Levels

RATES = [8_000, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000]


class Desk:
    """Levels as somebody moves them."""

    def __init__(self, **levels):
        self.levels = Levels(**levels)

    def __call__(self):
        return self.levels

    def set(self, **levels):
        self.levels = Levels(**levels)


class Constant:
    """An engine that says one number, another one from the frame on in which it is told so."""

    latency = LatencyReport(framing=320, look_ahead=640)
    value = 0.25

    def reset(self):
        pass

    def process(self, samples):
        return np.full(len(samples), self.value, np.float32)


def feed(adapter, seconds=0.2, value=0.5, block=100):
    count = round(seconds * adapter.sample_rate)
    signal = np.full((adapter.channels, count), value, np.float32)
    blocks = np.split(signal, range(block, count, block), axis=1)
    return np.concatenate([adapter.process(part) for part in blocks], axis=1)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("fed", [0.1, 0.1234, 0.2])
def test_what_the_engine_does_anew_begins_on_the_promised_sample(rate, fed):
    engine = Constant()
    adapter = HostAdapter(engine, rate)
    feed(adapter, fed)
    promised = adapter.samples_until_change
    engine.value = 0.75
    output = feed(adapter, 0.1)[0]
    # In the middle of the resampler's transition, which takes two samples of the slower rate.
    begins = int(np.argmax(output > 0.5))
    assert abs(begins - promised) <= (0 if rate == 16_000 else 1 + rate // 16_000)
    if rate == 16_000:
        assert output[promised - 1] == 0.25
        assert output[promised] == 0.75


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("levels", [{"mix": 0.0}, {"output_gain_db": -20.0}, {"bypass": True}], ids=str)
def test_a_level_leaves_on_the_promised_sample_for_any_blocking(rate, levels):
    still = HostAdapter(Constant(), rate)
    feed(still, 0.1)
    unchanged = feed(still, 0.2)[0]
    outputs = []
    for block in (7, 441, 100_000):
        desk = Desk()
        adapter = HostAdapter(Constant(), rate, 1, desk)
        feed(adapter, 0.1, block=block)
        promised = adapter.samples_until_change
        desk.set(**levels)
        outputs.append(feed(adapter, 0.2, block=block)[0])
        assert int(np.argmax(outputs[-1] != unchanged)) == promised
    assert outputs[0][-1] == pytest.approx(0.025 if "output_gain_db" in levels else 0.5, rel=1e-4)
    for output in outputs[1:]:
        np.testing.assert_array_equal(output, outputs[0])


@pytest.mark.parametrize("rate", RATES)
def test_the_promise_is_never_later_than_a_frame_and_the_way_through_the_resamplers(rate):
    adapter = HostAdapter(Constant(), rate)
    report = adapter.latency
    longest = report.framing + report.resample_in + report.resample_out
    promises = []
    for _ in range(400):
        promises.append(adapter.samples_until_change)
        adapter.process(np.zeros((1, max(1, rate // 3000)), np.float32))
    assert min(promises) >= 0
    assert max(promises) <= longest
    # Over a frame it counts down to where the next one begins.
    assert max(promises) - min(promises) >= report.framing // 2


def test_a_change_takes_its_time_and_ends_at_its_target():
    desk = Desk()
    adapter = HostAdapter(Constant(), 16_000, 1, desk)
    feed(adapter)
    for levels, samples, end in [
        ({"output_gain_db": -60.0}, 160, 0.25e-3),
        ({}, 160, 0.25),
        ({"mix": 0.5}, 160, 0.375),
        ({"mix": 0.5, "bypass": True}, 640, 0.5),
        ({"mix": 0.5, "bypass": True, "fade_ms": 100.0}, 0, 0.5),
        ({"mix": 0.5, "fade_ms": 100.0}, 1600, 0.375),
    ]:
        before = feed(adapter, 1 / 16_000)[0, -1]
        promised = adapter.samples_until_change
        desk.set(**levels)
        moved = feed(adapter)[0, promised - 1 :]
        np.testing.assert_allclose(moved[samples:], end, rtol=1e-5)
        if samples:
            np.testing.assert_allclose(np.diff(moved[: samples + 1]), (end - before) / samples, rtol=0.02, atol=2e-7)


def test_the_input_gain_ramps_where_the_engine_hears(delay_engine):
    desk = Desk()
    adapter = HostAdapter(delay_engine(0), 16_000, 1, desk)
    feed(adapter)
    promised = adapter.samples_until_change
    desk.set(input_gain_db=-20.0)
    output = feed(adapter)[0]
    np.testing.assert_array_equal(output[:promised], 0.5)
    np.testing.assert_allclose(np.diff(output[promised - 1 : promised + 160]), -0.45 / 160, rtol=0.02)
    np.testing.assert_allclose(output[promised + 160 :], 0.05, rtol=1e-5)


def test_changes_on_changes_fall_on_the_same_samples_for_any_blocking(delay_engine):
    signal = (0.4 * np.random.default_rng(0).standard_normal((2, 40_000))).astype(np.float32)
    plan = [
        (3_000, {"mix": 0.3, "input_gain_db": 3.0}),
        (3_100, {"mix": 0.9, "output_gain_db": -3.0}),
        (11_000, {"bypass": True, "gate_db": -10.0}),
        (11_900, {"bypass": False, "gate_db": -10.0, "fade_ms": 200.0}),
        (13_500, {"bypass": True}),
        (20_000, {}),
    ]
    outputs = []
    for block in (1, 37, 960, 100_000):
        desk = Desk()
        adapter = HostAdapter(delay_engine(), 44_100, 2, desk)
        parts, start = [], 0
        for stop, levels in [*plan, (signal.shape[1], {})]:
            piece = signal[:, start:stop]
            parts += [adapter.process(part) for part in np.split(piece, range(block, piece.shape[1], block), axis=1)]
            desk.set(**levels)
            start = stop
        outputs.append(np.concatenate(parts, axis=1))
    for output in outputs[1:]:
        np.testing.assert_array_equal(output, outputs[0])


def test_levels_set_before_the_first_sample_hold_from_the_start():
    desk = Desk()
    adapter = HostAdapter(Constant(), 48_000, 2, desk)
    desk.set(mix=0.0, output_gain_db=-6.0)
    signal = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 9_000)).astype(np.float32)
    output = adapter.process(signal)
    latency = adapter.latency_samples
    np.testing.assert_array_equal(output[:, :latency], 0.0)
    np.testing.assert_allclose(output[:, latency:], signal[:, :-latency] * 10 ** (-6 / 20), rtol=1e-6)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("levels", [{"mix": 0.0}, {"bypass": True, "mix": 0.5, "output_gain_db": 12.0}])
def test_dry_is_the_delayed_input_bit_for_bit(delay_engine, rate, levels):
    adapter = HostAdapter(delay_engine(), rate, 2, lambda: Levels(**levels))
    signal = np.random.default_rng(1).uniform(-1, 1, (2, adapter.latency_samples + 3_000)).astype(np.float32)
    output = np.concatenate([adapter.process(part) for part in np.split(signal, [10, 1234], axis=1)], axis=1)
    latency = adapter.latency_samples
    np.testing.assert_array_equal(output[:, latency:], signal[:, :-latency])
    np.testing.assert_array_equal(output[:, :latency], 0.0)


def test_the_engine_goes_on_hearing_in_bypass(delay_engine):
    """Coming back is the stream as it would have been without."""
    signal = np.random.default_rng(2).uniform(-1, 1, (1, 30_000)).astype(np.float32)
    plain = HostAdapter(delay_engine(), 16_000).process(signal)
    desk = Desk()
    adapter = HostAdapter(delay_engine(), 16_000, 1, desk)
    parts = [adapter.process(signal[:, :8_000])]
    desk.set(bypass=True)
    parts.append(adapter.process(signal[:, 8_000:16_000]))
    desk.set()
    parts.append(adapter.process(signal[:, 16_000:]))
    output = np.concatenate(parts, axis=1)
    np.testing.assert_array_equal(output[:, 17_000:], plain[:, 17_000:])


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ({"mix": -0.1}, "mix must lie from 0 to 1"),
        ({"mix": np.nan}, "mix must lie"),
        ({"mix": "half"}, "mix must be a number"),
        ({"mix": True}, "mix must be a number"),
        ({"input_gain_db": 25}, "input_gain_db must lie from -60 to 24 dB, not at 25"),
        ({"output_gain_db": -61}, "output_gain_db must lie"),
        ({"output_gain_db": None}, "output_gain_db must be a number"),
        ({"gate_db": 1}, "gate_db must lie from -80 to 0 dBFS, not at 1"),
        ({"gate_db": -80.5}, "gate_db must lie"),
        ({"bypass": 1}, "bypass must be True or False, not 1"),
        ({"fade_ms": 0}, "fade_ms must lie from 20 to 500 ms"),
    ],
)
def test_levels_out_of_range_are_refused_in_a_sentence(levels, message):
    with pytest.raises(ConfigError, match=message):
        Levels(**levels)
