"""The live loop under a simulated clock: every tick one block comes in, one goes out, and the worker gets as many turns
as the test gives it. Nothing here depends on how fast the machine is.
"""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from streamvc.errors import AudioError, ConfigError
from streamvc.plugin.live.holes import HoleFader
from streamvc.plugin.live.ring import SampleRing, Skipper
from streamvc.plugin.live.session import LiveSession, nominal_safety
from streamvc.plugin.live.statistics import Statistics

RATE = 48_000
BLOCK = 480
SECOND = RATE // BLOCK
"""Ticks per second."""


class Delay:
    """Gives back what it gets, later by a fixed number of samples."""

    def __init__(self, latency=0, factor=1.0):
        self.latency, self.factor, self.calls = latency, factor, 0

    def reset(self):
        self.held = None
        self.calls = 0

    def latency_samples(self, sample_rate):
        return self.latency

    def process(self, block, sample_rate, *, reset):
        assert not reset
        self.calls += 1
        if self.held is None:
            self.held = np.zeros((block.shape[0], self.latency), dtype=np.float32)
        joined = np.concatenate([self.held, block], axis=1)
        self.held = joined[:, block.shape[1] :]
        return joined[:, : block.shape[1]] * np.float32(self.factor)


class Clockwork:
    """Drives a session tick by tick with a signal whose samples tell their own position."""

    def __init__(self, session, *, block=BLOCK, signal=None, fetch_first=False):
        self.session, self.block, self.fetch_first = session, block, fetch_first
        self.signal = signal
        self.position = 0
        self.blocks, self.fills = [], []

    def value(self, positions):
        if self.signal is not None:
            return self.signal(positions)
        return (positions + 1.0) / 2**22  # exact in float32

    def feed(self):
        positions = np.arange(self.position, self.position + self.block)
        self.session.feed(self.value(positions).astype(np.float32)[np.newaxis])
        self.position += self.block

    def fetch(self):
        out = np.full((self.session.channels, self.block), np.nan, dtype=np.float32)
        self.session.fetch(out)
        self.blocks.append(out)
        self.fills.append(self.session.fill)

    def run(self, ticks, turns=lambda tick: 10):
        """Run `ticks` ticks, the worker having `turns(tick)` turns after each."""
        for tick in range(ticks):
            for step in (self.fetch, self.feed) if self.fetch_first else (self.feed, self.fetch):
                step()
            for _ in range(turns(tick)):
                if not self.session.work():
                    break

    @property
    def output(self):
        return np.concatenate(self.blocks, axis=1)

    def delay(self, seconds=0.1):
        """Samples by which the last output is late."""
        out = self.output[0, -round(seconds * RATE) :]
        heard = out.astype(np.float64) * 2**22 - 1
        np.testing.assert_array_equal(np.diff(heard), 1.0)
        return round(self.position - 1 - heard[-1])


def session(processor=None, **options):
    return LiveSession(processor or Delay(), RATE, **{"block": BLOCK, **options})


@pytest.mark.parametrize("fetch_first", [False, True])
@pytest.mark.parametrize("latency", [0, 3136])
def test_sound_comes_out_late_by_the_safety_and_the_latency(fetch_first, latency):
    live = session(Delay(latency))
    clock = Clockwork(live, fetch_first=fetch_first)
    clock.run(SECOND)
    # A block that is fetched before the next is fed waits for one more.
    assert clock.delay() == live.safety + latency + (BLOCK if fetch_first else 0)
    assert set(clock.fills[2:]) == {live.safety}
    counted = live.statistics()
    assert (counted.underruns, counted.overruns, counted.cuts) == (0, 0, 0)
    # What came before the output began is not part of the stream.
    assert counted.fed == clock.position - (0 if fetch_first else BLOCK)
    np.testing.assert_array_equal(clock.output[0], clock.output[1])


def test_the_usual_safety_is_a_block_and_ten_milliseconds():
    assert session().safety == nominal_safety(RATE, BLOCK) == BLOCK + 480
    assert session(block=64).safety == 64 + 480
    assert session(safety=0).safety == 0


@pytest.mark.parametrize("stall", [0.05, 0.3, 1.0, 3.0, 6.0])
def test_after_a_stall_the_delay_is_nominal_within_a_second(stall):
    live = session(Delay(1000))
    clock = Clockwork(live)
    clock.run(SECOND)
    nominal = clock.delay()
    clock.run(round(stall * SECOND), turns=lambda tick: 0)
    assert live.fill > live.safety
    assert live.statistics().underruns > 0
    # The worker catches up at twice the speed of real time.
    clock.run(SECOND, turns=lambda tick: 2)
    assert clock.delay(0.02) == nominal
    counted = live.statistics()
    assert counted.cuts > 0
    assert counted.missing == counted.cut + counted.lost
    # Nothing happens after that.
    clock.run(SECOND)
    assert live.statistics().cuts == counted.cuts
    assert live.statistics().underruns == counted.underruns
    assert clock.delay() == nominal


@pytest.mark.parametrize("every", [2, 3, 10])
def test_while_the_worker_is_too_slow_the_delay_stays_bounded(every):
    live = session()
    clock = Clockwork(live)
    clock.run(SECOND)
    nominal = clock.delay()
    # All but one in `every` blocks are left undone: as good as a machine of that share of the speed needed.
    share = (every - 1) / every
    clock.run(20 * SECOND, turns=lambda tick: int(tick % every != 0))
    assert max(clock.fills) <= live.safety + (1 - share) * 0.75 * RATE + 2 * BLOCK
    clock.run(SECOND, turns=lambda tick: 2)
    assert clock.delay(0.02) == nominal


def test_a_worker_that_is_late_once_costs_one_hole_and_one_cut():
    live = session(safety=BLOCK)
    clock = Clockwork(live)
    clock.run(SECOND)
    clock.run(1, turns=lambda tick: 0)
    assert live.statistics().underruns == 0
    clock.run(SECOND)
    counted = live.statistics()
    assert (counted.underruns, counted.missing, counted.cuts, counted.cut) == (1, BLOCK, 1, BLOCK)
    assert clock.delay() == live.safety


def test_jitter_within_the_safety_changes_nothing():
    live = session(safety=4 * BLOCK)
    clock = Clockwork(live)
    rng = np.random.default_rng(1)
    backlog = 0

    def turns(tick):
        # Up to three blocks may wait.
        nonlocal backlog
        backlog += 1
        done = int(rng.integers(max(0, backlog - 3), backlog + 1))
        backlog -= done
        return done

    clock.run(10 * SECOND, turns)
    assert live.statistics().underruns == live.statistics().cuts == 0
    assert clock.delay() == live.safety


@pytest.mark.parametrize("ppm", [-2000, 2000])
def test_clocks_that_drift_apart_do_not_move_the_delay(ppm):
    live = session()
    clock = Clockwork(live)
    clock.run(SECOND)
    ahead = 0.0
    for _ in range(30 * SECOND):
        ahead += ppm * 1e-6
        clock.fetch()
        if ahead >= 1.0:
            clock.feed()
            ahead -= 1.0
        if ahead <= -1.0:
            ahead += 1.0
        else:
            clock.feed()
        while live.work():
            pass
    # 60 ms of drift, of which the safety takes 20 ms.
    assert live.safety - 2 * BLOCK <= live.fill <= live.safety + 2 * BLOCK
    counted = live.statistics()
    assert (counted.cuts if ppm > 0 else counted.underruns) > 0


def test_an_output_that_pauses_is_cut_back_at_once():
    live = session()
    clock = Clockwork(live)
    clock.run(SECOND)
    nominal = clock.delay()
    for _ in range(SECOND):
        clock.feed()
        live.work()
    assert live.fill > RATE // 2
    clock.run(SECOND // 2)
    assert clock.delay() == nominal
    assert live.statistics().underruns == 0


@pytest.mark.parametrize("stall", [0.02, 0.1, 1.0])
@pytest.mark.parametrize("block", [64, 480, 1024])
def test_holes_and_cuts_make_no_step(stall, block):
    """A sine of 100 Hz moves by 0.013 from sample to sample; fades of 5 ms may add a little."""
    live = session(block=block)
    clock = Clockwork(live, block=block, signal=lambda position: np.sin(2 * np.pi * 100 * position / RATE))
    clock.run(RATE // block)
    before = np.abs(np.diff(clock.output[0, RATE // 2 :])).max()
    clock.run(max(1, round(stall * RATE / block)), turns=lambda tick: 0)
    clock.run(RATE // block)
    counted = live.statistics()
    assert counted.underruns
    assert counted.cuts
    assert np.abs(np.diff(clock.output[0])).max() < before + 0.015
    assert np.isfinite(clock.output).all()


def test_blocks_of_any_size_come_through_whole():
    live = session(block=900)
    rng = np.random.default_rng(2)
    sizes = rng.integers(1, 901, 200)
    position, outs = 0, []
    for size in sizes:
        live.feed(((np.arange(position, position + size) + 1) / 2**22).astype(np.float32)[np.newaxis])
        out = np.empty((2, size), dtype=np.float32)
        live.fetch(out)
        outs.append(out)
        position += size
        while live.work():
            pass
    heard = np.concatenate(outs, axis=1)[0] * 2**22
    counted = live.statistics()
    assert counted.processed == counted.fed == counted.fetched == position - sizes[0]
    assert counted.underruns == counted.cuts == 0
    # The first block is not wanted yet, and the second is faded in.
    begin = sizes[0] + live.safety
    np.testing.assert_array_equal(heard[begin + 240 :], np.arange(sizes[0] + 240, position - live.safety) + 1)
    assert not heard[:begin].any()


def test_the_output_is_silent_until_the_input_begins():
    live = session()
    out = np.ones((2, BLOCK), dtype=np.float32)
    for _ in range(100):
        live.fetch(out)
        assert not out.any()
    assert live.statistics() == Statistics(fill=live.safety)


def test_an_input_that_runs_ahead_of_the_output_adds_no_delay():
    live = session()
    clock = Clockwork(live)
    for _ in range(200):
        clock.feed()
    clock.run(SECOND)
    assert clock.delay() == live.safety


def test_the_dry_voice_does_not_wait_for_the_processor():
    live = session(Delay(10 * RATE), monitor_db=-20.0)
    clock = Clockwork(live)
    clock.run(SECOND)
    lag = live.safety
    np.testing.assert_allclose(
        clock.output[1, -BLOCK:], 0.1 * clock.value(np.arange(clock.position - BLOCK, clock.position) - lag), rtol=1e-5
    )


def test_the_tap_gets_every_processed_sample_without_the_dry_voice():
    heard = []
    live = session(Delay(5, factor=2.0), monitor_db=0.0, tap=lambda block: heard.append(block.copy()))
    clock = Clockwork(live)
    clock.run(SECOND)
    tapped = np.concatenate(heard, axis=1)
    assert tapped.shape == (2, live.statistics().processed)
    expected = 2 * clock.value(np.arange(BLOCK, BLOCK + tapped.shape[1] - 5))
    # The beginning is faded in.
    np.testing.assert_array_equal(tapped[0, 245:], expected.astype(np.float32)[240:])
    assert (tapped[0, 5:245] < expected[:240]).all()


def test_bad_samples_become_silence_and_levels_are_kept():
    live = session()
    live.fetch(np.empty((2, BLOCK), dtype=np.float32))
    block = np.full((1, BLOCK), 0.25, dtype=np.float32)
    block[0, 400:403] = np.nan, np.inf, -0.5
    live.feed(block)
    assert live.work()
    assert live.take_peaks() == (0.5, 0.5)
    assert live.take_peaks() == (0.0, 0.0)


def test_work_is_timed_with_the_given_clock():
    times = iter(np.arange(0.0, 1.0, 0.125))
    live = session(clock=lambda: float(next(times)))
    clock = Clockwork(live)
    clock.run(4)
    assert live.statistics().busy_seconds == 0.375
    assert live.statistics().longest_seconds == 0.125


def test_a_processor_that_returns_another_length_is_refused():
    class Short(Delay):
        def process(self, block, sample_rate, *, reset):
            return block[:, :-1]

    live = session(Short())
    live.fetch(np.empty((2, BLOCK), dtype=np.float32))
    live.feed(np.zeros((1, BLOCK), dtype=np.float32))
    with pytest.raises(AudioError, match="as many as they get"):
        live.work()


@pytest.mark.parametrize("options", [{"block": 0}, {"block": RATE}, {"safety": -1}, {"safety": 10 * RATE}])
def test_impossible_sizes_are_refused(options):
    with pytest.raises(ConfigError, match="use"):
        session(**options)


def test_statistics_of_two_sessions_add_up():
    one = Statistics(fed=3, fill=7, underruns=1, busy_seconds=0.5, longest_seconds=0.25)
    other = Statistics(fed=4, fill=9, underruns=2, busy_seconds=0.25, longest_seconds=0.125)
    assert one + other == Statistics(fed=7, fill=9, underruns=3, busy_seconds=0.75, longest_seconds=0.25)


@hypothesis.given(st.lists(st.tuples(st.sampled_from("wrps"), st.integers(0, 50)), max_size=60))
def test_a_ring_is_a_queue(steps):
    ring, queue, written = SampleRing(2, 37), [], 0
    for kind, count in steps:
        if kind == "w":
            values = np.arange(written, written + count, dtype=np.float32)
            taken = ring.write(np.stack([values, -values]))
            assert taken == min(count, 37 - len(queue))
            queue += list(values[:taken])
            written += count
        elif kind == "s":
            assert ring.skip(count) == min(count, len(queue))
            queue = queue[count:]
        else:
            out = np.full((2, count), np.nan, dtype=np.float32)
            got = (ring.read if kind == "r" else ring.peek)(out)
            np.testing.assert_array_equal(out[0, :got], queue[:count])
            np.testing.assert_array_equal(out[1, :got], np.negative(queue[:count]))
            assert np.isnan(out[:, got:]).all()
            queue = queue[got:] if kind == "r" else queue
        assert ring.available == len(queue) == 37 - ring.room


def test_a_crossfade_goes_on_over_small_blocks():
    ring, skipper = SampleRing(1, 2000), Skipper(1, 240)
    ring.write(np.concatenate([np.zeros((1, 500)), np.ones((1, 500))], axis=1).astype(np.float32))
    blocks, cut = [], 0
    for _ in range(40):
        out = np.empty((1, 10), dtype=np.float32)
        got, skipped = skipper.read(ring, out, 500 - cut)
        cut += skipped
        assert got == 10
        blocks.append(out)
    sound = np.concatenate(blocks, axis=1)[0]
    assert cut == 500
    assert np.abs(np.diff(sound)).max() < np.pi / 2 / 240
    assert sound[0] < 0.001
    assert (sound[240:] == 1.0).all()


def test_a_skip_leaves_the_ring_enough_for_the_block():
    ring, skipper = SampleRing(1, 1000), Skipper(1, 10)
    ring.write(np.ones((1, 500), dtype=np.float32))
    out = np.empty((1, 100), dtype=np.float32)
    assert skipper.read(ring, out, 450) == (100, 400)
    np.testing.assert_allclose(out, 1.0)
    assert skipper.read(ring, out, 450) == (0, 0)


@pytest.mark.parametrize("sizes", [[10], [64], [480], [7, 300, 1]])
def test_a_hole_shorter_than_its_fades_makes_no_step(sizes):
    fader, blocks = HoleFader(1, 240), []
    for turn in range(200):
        size = sizes[turn % len(sizes)]
        block = np.ones((1, size), dtype=np.float32)
        fader.shape(block, size // 3 if turn in (60, 66, 67, 140) else 0 if turn == 61 else size)
        blocks.append(block)
    sound = np.concatenate(blocks, axis=1)[0]
    assert np.abs(np.diff(sound)).max() < 0.015
    assert 0.999 < sound.max() < 1.3
    assert sound[0] < 0.001


@pytest.mark.parametrize("backlog", [0.05, 0.2, 0.7, 1.2])
@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("fetch_first", [False, True])
def test_what_a_device_kept_from_before_the_start_is_no_delay_after_the_first_second(backlog, times, fetch_first):
    """It comes all at once, or in several heaps, within the first half of a second."""
    live = session(Delay(3136))
    clock = Clockwork(live, fetch_first=fetch_first)
    clock.fetch()
    for _ in range(times):
        for _ in range(round(backlog * SECOND / times)):
            clock.feed()
        clock.run(5)
    clock.run(SECOND - 5 * times)
    clock.run(20)
    extra = clock.delay() - (live.safety + 3136 + (BLOCK if fetch_first else 0))
    assert 0 <= extra <= 0.0021 * RATE
    assert live.statistics().underruns == 0
