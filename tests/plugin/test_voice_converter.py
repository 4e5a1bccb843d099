from __future__ import annotations

import numpy as np
import pytest

from streamvc.errors import AudioError, ConfigError, PresetError
from streamvc.plugin import VoiceConverter
from streamvc.presets.format import Preset


class DelayRuntime:
    """A model that changes nothing, with its two frames of delay as its state."""

    name = "delay"
    frame = 320
    look_ahead = 640
    fingerprint = "00000000000000aa"
    latent_dim = 64
    supports_formant = True
    lowest_hz = None  # what it is given is not speech

    def initial_state(self):
        return (np.zeros(640, dtype=np.float32),)

    def step(self, samples, latent, controls, state):
        joined = np.concatenate([state[0], samples])
        return joined[: len(samples)], (joined[len(samples) :],)


@pytest.fixture
def preset():
    latent = np.random.default_rng(0).standard_normal(64).astype(np.float32)
    return Preset("someone", latent, 5.0, 0.2, model=DelayRuntime.fingerprint)


@pytest.fixture
def converter(preset):
    return VoiceConverter(preset, runtime=DelayRuntime())


def tones(rate, seconds=0.5):
    time = np.arange(round(rate * seconds)) / rate
    return (0.5 * np.sin(np.pi * time / seconds) ** 2 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_a_recording_comes_back_aligned_and_as_long(converter, rate):
    signal = tones(rate)
    output = converter.process(signal, rate)
    assert output.dtype == np.float32
    assert output.shape == signal.shape
    np.testing.assert_allclose(output, signal, atol=0.005)
    # Each recording is one of its own.
    np.testing.assert_array_equal(converter(signal, rate), output)


@pytest.mark.parametrize("rate", [16_000, 44_100, 192_000])
def test_a_stream_comes_back_later_by_the_latency(converter, rate):
    signal = tones(rate)
    latency = converter.latency_samples(rate)
    blocks = [converter.process(block, rate, reset=False) for block in np.array_split(signal, 37)]
    assert [len(block) for block in blocks] == [len(block) for block in np.array_split(signal, 37)]
    streamed = np.concatenate(blocks)
    np.testing.assert_array_equal(streamed[latency:], converter.process(signal, rate)[:-latency])


@pytest.mark.parametrize("shape", [(0,), (1,), (7, 4000), (8, 4000), (1, 4000), (2, 5), (8, 1), (2, 0)])
def test_the_shape_is_kept(converter, shape):
    signal = np.random.default_rng(0).uniform(-0.5, 0.5, shape).astype(np.float32)
    for reset in (True, False):
        assert converter.process(signal, 16_000, reset=reset).shape == shape


def test_interleaved_recordings_are_understood(converter):
    signal = np.stack([tones(16_000), 0.5 * tones(16_000)])
    planar = converter.process(signal, 16_000)
    interleaved = converter.process(signal.T, 16_000)
    assert interleaved.shape == signal.T.shape
    np.testing.assert_array_equal(interleaved.T, planar)


def test_float64_is_taken_as_float32(converter):
    signal = tones(16_000)
    np.testing.assert_array_equal(
        converter.process(signal.astype(np.float64), 16_000), converter.process(signal, 16_000)
    )


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint8, np.float16, np.complex64, bool])
def test_other_types_are_refused_with_a_way_out(converter, dtype):
    with pytest.raises(AudioError, match=r"float32 or float64 .* 32768"):
        converter.process(np.zeros(100, dtype=dtype), 16_000)


@pytest.mark.parametrize("shape", [(), (1, 2, 3), (9, 100), (100, 9)])
def test_other_shapes_are_refused(converter, shape):
    with pytest.raises(AudioError):
        converter.process(np.zeros(shape, dtype=np.float32), 16_000)


@pytest.mark.parametrize("rate", [0, 4_000, 400_000, 44_100.5])
def test_other_rates_are_refused(converter, rate):
    for call in (lambda: converter.process(np.zeros(8, np.float32), rate), lambda: converter.latency_samples(rate)):
        with pytest.raises(AudioError, match="8000 to 192000"):
            call()


def test_a_stream_survives_a_bad_block(converter):
    signal = tones(16_000)
    bad = signal[:100].copy()
    bad[50] = np.nan
    first = converter.process(signal[:3000], 16_000, reset=False)
    with pytest.raises(AudioError, match="NaN"):
        converter.process(bad, 16_000, reset=False)
    second = converter.process(signal[3000:], 16_000, reset=False)
    np.testing.assert_allclose(np.concatenate([first, second])[960:], signal[:-960], atol=1e-6)


def test_reset_begins_a_new_stream(converter):
    signal = tones(16_000)
    first = converter.process(signal, 16_000, reset=False)
    converter.reset()
    np.testing.assert_array_equal(converter.process(signal, 16_000, reset=False), first)


def test_a_change_of_rate_begins_a_new_stream(converter):
    converter.process(tones(48_000), 48_000, reset=False)
    output = converter.process(tones(16_000), 16_000, reset=False)
    np.testing.assert_allclose(output[960:], tones(16_000)[:-960], atol=1e-6)


def test_latency(converter):
    assert [converter.latency_samples(rate) for rate in (16_000, 44_100, 48_000)] == [960, 2887, 3136]
    assert converter.latency(48_000).look_ahead == 1920


def test_two_converters_on_one_runtime_do_not_meet(preset):
    runtime = DelayRuntime()
    one, other = (VoiceConverter(preset, runtime=runtime) for _ in range(2))
    signal = tones(16_000)
    alone = VoiceConverter(preset, runtime=runtime).process(signal, 16_000, reset=False)
    outputs = []
    for block in np.array_split(signal, 11):
        outputs.append(one.process(block, 16_000, reset=False))
        other.process(-block, 16_000, reset=False)
    np.testing.assert_array_equal(np.concatenate(outputs), alone)


def test_mix_and_gains(preset):
    signal = tones(16_000)
    dry = VoiceConverter(preset, runtime=DelayRuntime(), mix=0.0, output_gain_db=-6.0)
    np.testing.assert_allclose(dry.process(signal, 16_000), signal * 10 ** (-6 / 20), atol=1e-6)
    wet = VoiceConverter(preset, runtime=DelayRuntime(), input_gain_db=-6.0)
    np.testing.assert_allclose(wet.process(signal, 16_000), signal * 10 ** (-6 / 20), atol=1e-6)


@pytest.mark.parametrize(
    "settings",
    [{"mix": 2.0}, {"output_gain_db": 30.0}, {"pitch_semitones": 30.0}, {"intonation": -1.0}, {"source_pitch_hz": 5.0}],
)
def test_settings_out_of_range_are_refused_at_once(preset, settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        VoiceConverter(preset, runtime=DelayRuntime(), **settings)


def test_unusable_presets_are_refused(preset, tmp_path):
    with pytest.raises(PresetError, match="nobody"):
        VoiceConverter("nobody", runtime=DelayRuntime())
    other = DelayRuntime()
    other.fingerprint = "00000000000000bb"
    with pytest.raises(PresetError, match="another model"):
        VoiceConverter(preset, runtime=other)
    path = preset.save(tmp_path / "someone.npz")
    signal = tones(16_000)
    np.testing.assert_array_equal(
        VoiceConverter(path, runtime=DelayRuntime()).process(signal, 16_000),
        VoiceConverter(preset, runtime=DelayRuntime()).process(signal, 16_000),
    )
