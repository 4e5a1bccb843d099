"""A converter behaves as a native plugin does wherever both can: layouts, types, lengths, and what `reset` means.

Where they differ on purpose: an array of at most 8 by 8 is taken as channels by samples (a native plugin takes the
longer axis for time, so it misreads short blocks of many channels); a stream returns as many samples as it was given
(a native plugin with latency returns fewer at first); types and shapes are refused with a sentence.
"""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
from pedalboard import Gain
from pedalboard_native._internal import AddLatency

from streamvc.errors import AudioError
from streamvc.plugin import VoiceConverter
from streamvc.presets.format import Preset

LATENCY = 960


class Echo:
    """A model that changes nothing and waits for nothing; the framing stays."""

    name = "echo"
    frame = 320
    look_ahead = 640
    fingerprint = "00000000000000aa"
    latent_dim = 64
    supports_formant = True
    lowest_hz = None  # what it is given is not speech

    def initial_state(self):
        return (np.zeros(640, np.float32),)

    def step(self, samples, latent, controls, state):
        joined = np.concatenate([state[0], samples])
        return joined[: len(samples)], (joined[len(samples) :],)


@pytest.fixture
def converter():
    preset = Preset("someone", np.zeros(64, np.float32), 5.0, 0.2, model=Echo.fingerprint)
    return VoiceConverter(preset, runtime=Echo())


@pytest.fixture
def native():
    """A native plugin with the same latency at 16 kHz."""
    return AddLatency(LATENCY)


def noise(shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, shape).astype(dtype)


def test_the_parameters_of_process_have_the_same_names_order_and_defaults():
    parameters = inspect.signature(VoiceConverter.process).parameters
    assert list(parameters)[1:] == ["input_array", "sample_rate", "buffer_size", "reset"]
    assert "input_array: numpy.ndarray, sample_rate: " in Gain.process.__doc__
    for name in ("buffer_size", "reset"):
        assert f"{name}: {type(parameters[name].default).__name__} = {parameters[name].default}" in Gain.process.__doc__
    assert VoiceConverter.__call__ is VoiceConverter.process


@pytest.mark.parametrize(
    "shape", [(1,), (0,), (1000,), (1, 1000), (2, 1000), (1000, 2), (8, 1000), (1000, 8), (1000, 1)]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_recordings_come_back_as_from_a_native_plugin(converter, native, shape, dtype):
    signal = noise(shape, dtype=dtype)
    if signal.ndim == 2:
        # The model hears the sum of all channels.
        signal = np.broadcast_to(signal[:1] if shape[0] <= 8 else signal[:, :1], shape).copy()
    for plugin in (converter.process, converter):
        ours, theirs = plugin(signal, 16_000), native.process(signal, 16_000)
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_recording_leaves_nothing_behind(converter, native):
    for plugin in (converter, native):
        first = plugin.process(noise(5000), 16_000)
        plugin.process(noise(5000, seed=1), 16_000)
        np.testing.assert_array_equal(plugin.process(noise(5000), 16_000), first)


def test_a_stream_goes_on_and_reset_ends_it(converter, native):
    """A native plugin holds back its latency; a converter gives silence for it. From then on both give the same."""
    signal = noise(8000)
    for turn in range(2):
        ours = np.concatenate([converter.process(part, 16_000, reset=False) for part in np.split(signal, 8)])
        theirs = np.concatenate([native.process(part, 16_000, reset=False) for part in np.split(signal, 8)])
        assert len(ours) == len(signal)
        np.testing.assert_array_equal(ours[:LATENCY], 0.0)
        np.testing.assert_allclose(ours[LATENCY:], theirs[-(8000 - LATENCY) :], atol=1e-6, err_msg=str(turn))
        converter.reset()
        native.reset()


def test_a_recording_ends_a_stream(converter, native):
    for plugin in (converter, native):
        plugin.process(noise(5000), 16_000, reset=False)
        np.testing.assert_allclose(plugin.process(noise(5000, seed=1), 16_000), noise(5000, seed=1), atol=1e-6)


@pytest.mark.parametrize("buffer_size", [1, 100, 8192, 10**6])
def test_the_buffer_size_changes_nothing(converter, native, buffer_size):
    signal = noise(3000)
    for plugin in (converter, native):
        np.testing.assert_array_equal(plugin.process(signal, 16_000, buffer_size), plugin.process(signal, 16_000))


def test_the_input_is_left_as_it_is(converter):
    for signal in (noise(3000), noise((2, 3000)), noise((3000, 2)), noise((2, 3000), dtype=np.float64)):
        given = signal.copy()
        signal.setflags(write=False)
        for reset in (True, False):
            output = converter.process(signal, 16_000, reset=reset)
            assert not np.shares_memory(output, signal)
            output[:] = 7.0
        np.testing.assert_array_equal(signal, given)


def test_arrays_that_are_not_contiguous_are_taken(converter):
    signal = noise((2, 6000))
    for view in (signal[:, ::2], signal[0, ::-1]):
        np.testing.assert_array_equal(converter.process(view, 16_000), converter.process(view.copy(), 16_000))


@pytest.mark.parametrize("channels", [1, 2, 5, 8])
@pytest.mark.parametrize("sizes", [[1000, 1, 7, 8, 3, 500, 2], [9, 1, 8, 8, 2, 2, 1, 30]])
@pytest.mark.parametrize("by_samples", [False, True])
def test_a_stream_keeps_its_layout_through_blocks_of_few_samples(converter, channels, sizes, by_samples):
    signal = noise((channels, sum(sizes)))
    converter.mix = 0.5
    expected = converter.process(signal, 16_000, reset=False)
    converter.reset()
    outputs = []
    for part in np.split(signal, np.cumsum(sizes)[:-1], axis=1):
        output = converter.process(part.T if by_samples else part, 16_000, reset=False)
        outputs.append(output.T if by_samples else output)
    np.testing.assert_array_equal(np.concatenate(outputs, axis=1), expected)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float16, np.complex64, bool])
def test_what_a_native_plugin_refuses_is_refused(converter, native, dtype):
    signal = np.zeros(100, dtype)
    with pytest.raises(TypeError):
        native.process(signal, 16_000)
    with pytest.raises(AudioError, match="float32 or float64"):
        converter.process(signal, 16_000)
    for shape in ((), (1, 2, 3)):
        with pytest.raises(RuntimeError):
            native.process(np.zeros(shape, np.float32), 16_000)
        with pytest.raises(AudioError, match="channels, samples"):
            converter.process(np.zeros(shape, np.float32), 16_000)


@pytest.mark.parametrize("rate", [None, "48000", True, math.nan, math.inf, -16_000, 16_000.5])
def test_a_rate_that_is_none_is_refused_in_a_sentence(converter, rate):
    with pytest.raises(AudioError, match=r"sample rate .*\.$"):
        converter.process(noise(100), rate)
    with pytest.raises(AudioError, match=r"sample rate .*\.$"):
        converter.latency_samples(rate)


@pytest.mark.parametrize("reset", [False, True])
def test_what_is_refused_does_not_end_the_stream(converter, reset):
    """Whatever is wrong with a call, the stream stands where it stood."""
    signal = noise(6000)
    expected = converter.process(signal, 16_000, reset=False)
    converter.reset()
    first = converter.process(signal[:3000], 16_000, reset=False)
    bad = np.full((2, 100), np.nan, np.float32)
    for array, rate in [
        (bad, 16_000), (bad[0], 16_000), (bad[0], 48_000), (noise(10), 1), (noise(10, dtype=np.float16), 16_000),
        (noise((9, 9)), 16_000),
    ]:
        with pytest.raises(AudioError):
            converter.process(array, rate, reset=reset)
    second = converter.process(signal[3000:], 16_000, reset=False)
    np.testing.assert_array_equal(np.concatenate([first, second]), expected)
