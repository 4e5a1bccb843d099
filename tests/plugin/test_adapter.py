from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvc.errors import AudioError
from streamvc.plugin.adapter import HostAdapter
from streamvc.plugin.levels import Levels

RATES = [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000]
BLOCKS = [1, 7, 64, 441, 480, 512, 1024, 4096, "random"]


def settled(**levels):
    """Levels that stay as they are."""
    return lambda: Levels(**levels)


def blocks_of(block, count, seed=0):
    """Sizes that add up to `count`."""
    if block != "random":
        return [block] * (count // block)
    rng, sizes = np.random.default_rng(seed), []
    while sum(sizes) < count:
        sizes.append(int(rng.integers(0, 2000)))
    return sizes[:-1]


def run(adapter, signal, block):
    """Feed a signal [channels, n] in equal blocks, or in blocks of the given sizes and then the rest."""
    edges = range(block, signal.shape[1], block) if isinstance(block, int) else np.cumsum(block)
    parts = [adapter.process(part) for part in np.split(signal, edges, axis=1)]
    return np.concatenate(parts, axis=1)


def speechlike(rate, seconds, channels=1, seed=0):
    """Noise with speech's slope and no energy above 3 kHz, so that every rate can carry it."""
    rng = np.random.default_rng(seed)
    count = round(rate * seconds)
    spectrum = np.fft.rfft(rng.standard_normal((channels, count)), axis=1)
    frequency = np.fft.rfftfreq(count, 1 / rate)
    spectrum *= (frequency < 3_000) / (1 + (frequency / 500) ** 2)
    signal = np.fft.irfft(spectrum, count, axis=1)
    return (0.5 * signal / np.abs(signal).max()).astype(np.float32)


@pytest.mark.parametrize("rate", RATES)
def test_an_impulse_comes_out_at_the_reported_latency_for_every_block_size(delay_engine, rate):
    adapter = HostAdapter(delay_engine(), rate)
    latency = adapter.latency_samples
    place = rate // 100
    signal = np.zeros((1, latency + 3 * place), dtype=np.float32)
    signal[0, place] = 1.0
    outputs = []
    for block in BLOCKS:
        adapter.reset()
        outputs.append(run(adapter, signal, blocks_of(block, signal.shape[1])))
    for output in outputs:
        assert int(np.argmax(np.abs(output[0]))) - place == latency
        np.testing.assert_array_equal(output, outputs[0])


@settings(max_examples=40, deadline=None)
@given(rate=st.integers(8_000, 192_000), channels=st.integers(1, 8), data=st.data())
def test_output_does_not_depend_on_the_blocking(delay_engine, rate, channels, data):
    signal = speechlike(rate, 0.12, channels)
    cuts = data.draw(st.lists(st.integers(0, 3000), max_size=20))
    adapter = HostAdapter(delay_engine(), rate, channels, settled(mix=0.7))
    whole = adapter.process(signal)
    adapter.reset()
    np.testing.assert_array_equal(run(adapter, signal, cuts), whole)


@settings(max_examples=25, deadline=None)
@given(rate=st.integers(8_000, 192_000))
def test_the_voice_lies_within_half_a_sample_of_the_reported_latency_at_any_rate(delay_engine, rate):
    adapter = HostAdapter(delay_engine(), rate)
    time = np.arange(rate // 5) / rate
    pulse = np.exp(-0.5 * ((time - 0.01) / 4e-4) ** 2).astype(np.float32)
    output = adapter.process(pulse[np.newaxis])[0].astype(np.float64)
    centre = np.sum(output * time) / np.sum(output)
    # The look-ahead itself is rounded up to whole samples where 25 does not divide the rate.
    assert abs((centre - 0.01) * rate - adapter.latency_samples) < 0.6


@pytest.mark.parametrize(("rate", "samples"), [(48_000, 1216), (44_100, 1123), (16_000, 320)])
def test_latency_beside_the_look_ahead(delay_engine, rate, samples):
    assert HostAdapter(delay_engine(0), rate).latency_samples == samples


def test_the_report_adds_up_and_is_sixty_milliseconds_without_resampling(delay_engine):
    report = HostAdapter(delay_engine(), 48_000).latency
    assert (report.framing, report.look_ahead, report.resample_in, report.resample_out) == (960, 1920, 64, 192)
    assert HostAdapter(delay_engine(), 16_000).latency.ms == 60.0


@pytest.mark.parametrize("rate", RATES)
def test_speech_passes_unchanged_at_every_rate(delay_engine, rate):
    adapter = HostAdapter(delay_engine(), rate)
    latency = adapter.latency_samples
    signal = speechlike(rate, 0.4)
    output = adapter.process(np.pad(signal, ((0, 0), (0, latency))))[:, latency:]
    middle = slice(rate // 20, -rate // 20)
    error = np.sqrt(np.mean((output - signal)[0, middle] ** 2) / np.mean(signal[0, middle] ** 2))
    # At the rates of this list up to 0.2 of a sample is left of rounding the delay to whole samples.
    assert error < 0.03
    assert np.abs(output).max() > 0.4


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000, 96_000, 192_000])
def test_frequencies_above_the_models_band_do_not_fold_into_it(delay_engine, rate):
    time = np.arange(rate // 4) / rate
    for frequency in (9_000, 10_500, 14_000, 20_000, 40_000, 80_000):
        if frequency >= rate / 2:
            continue
        tone = np.sin(2 * np.pi * frequency * time).astype(np.float32)[np.newaxis]
        output = HostAdapter(delay_engine(), rate).process(tone)[0, rate // 8 :]
        assert 20 * np.log10(np.sqrt(2 * np.mean(output**2)) + 1e-12) < -48.0, frequency


@pytest.mark.parametrize("channels", [1, 2, 8])
def test_channels_are_averaged_and_the_voice_goes_to_all(delay_engine, channels):
    adapter = HostAdapter(delay_engine(), 16_000, channels)
    signal = speechlike(16_000, 0.3, channels)
    output = run(adapter, signal, 441)
    assert output.shape == signal.shape
    for row in output:
        np.testing.assert_array_equal(row, output[0])
    np.testing.assert_allclose(output[0, 960:], signal.mean(axis=0)[:-960], atol=1e-6)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_mix_zero_is_the_source_delayed_and_nothing_else(delay_engine, rate):
    adapter = HostAdapter(delay_engine(), rate, 2, settled(mix=0.0))
    latency = adapter.latency_samples
    signal = speechlike(rate, 0.3, 2)
    output = run(adapter, signal, 333)
    np.testing.assert_array_equal(output[:, latency:], signal[:, :-latency])
    np.testing.assert_array_equal(output[:, :latency], 0.0)


def test_source_and_voice_line_up_in_the_mix(delay_engine):
    # If they did not, half of each would comb-filter.
    adapter = HostAdapter(delay_engine(), 48_000, 1, settled(mix=0.5))
    signal = speechlike(48_000, 0.4)
    latency = adapter.latency_samples
    output = adapter.process(signal)
    np.testing.assert_allclose(output[0, latency + 2400 :], signal[0, 2400:-latency], atol=0.004)


def test_gains(delay_engine):
    signal = speechlike(16_000, 0.3)
    louder = HostAdapter(delay_engine(), 16_000, 1, settled(input_gain_db=6.0, output_gain_db=-12.0)).process(signal)
    plain = HostAdapter(delay_engine(), 16_000).process(signal)
    np.testing.assert_allclose(louder, plain * 10 ** (-6 / 20), atol=1e-6)
    # The input gain is for the engine alone.
    dry = HostAdapter(delay_engine(), 16_000, 1, settled(mix=0.0, input_gain_db=6.0)).process(signal)
    np.testing.assert_array_equal(dry[:, 960:], signal[:, :-960])


def test_reset_repeats_bit_for_bit(delay_engine):
    adapter = HostAdapter(delay_engine(), 44_100, 2, settled(mix=0.8))
    signal = speechlike(44_100, 0.3, 2)
    first = run(adapter, signal, 512)
    adapter.reset()
    np.testing.assert_array_equal(run(adapter, signal, 441), first)


def test_an_empty_block_gives_an_empty_block(delay_engine):
    adapter = HostAdapter(delay_engine(), 44_100, 2)
    assert adapter.process(np.zeros((2, 0), dtype=np.float32)).shape == (2, 0)


def test_memory_does_not_grow_over_a_million_samples(delay_engine):
    adapter = HostAdapter(delay_engine(), 48_000)
    block = speechlike(48_000, 0.1)
    for _ in range(5):
        adapter.process(block)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(210):
            adapter.process(block)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 20_000


def test_samples_that_are_no_numbers_are_refused_with_their_time_and_leave_the_stream_as_it_was(delay_engine):
    adapter = HostAdapter(delay_engine(), 16_000)
    signal = speechlike(16_000, 0.4)
    first = adapter.process(signal[:, :1600])
    broken = signal[:, 1600:3200].copy()
    for value in (np.nan, np.inf, -np.inf):
        broken[0, 800] = value
        with pytest.raises(AudioError, match=r"0\.150 s"):
            adapter.process(broken)
    rest = adapter.process(signal[:, 1600:])
    adapter.reset()
    np.testing.assert_array_equal(adapter.process(signal), np.concatenate([first, rest], axis=1))


@pytest.mark.parametrize("rate", [0, -1, 7_999, 192_001, 44_100.5, float("nan"), float("inf")])
def test_unsupported_rates_are_refused(delay_engine, rate):
    with pytest.raises(AudioError, match="8000 to 192000"):
        HostAdapter(delay_engine(), rate)


@pytest.mark.parametrize("channels", [0, 9])
def test_unsupported_channel_counts_are_refused(delay_engine, channels):
    with pytest.raises(AudioError, match="1 to 8"):
        HostAdapter(delay_engine(), 48_000, channels)


@pytest.mark.parametrize(
    "block",
    [
        np.zeros((2, 100), dtype=np.float32),
        np.zeros(100, dtype=np.float32),
        np.zeros((1, 100), dtype=np.int16),
        np.zeros((1, 100), dtype=np.float64),
    ],
)
def test_other_layouts_and_types_are_refused(delay_engine, block):
    with pytest.raises(AudioError, match="must"):
        HostAdapter(delay_engine(), 48_000, 1).process(block)
