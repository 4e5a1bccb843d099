"""What every built-in plugin of the installed pedalboard does in a stream: it is measured here, and must be what
`streamvc.plugin.chain_natives` says. A version of pedalboard that adds a plugin or changes one fails here.
"""

from __future__ import annotations

import numpy as np
import pedalboard
import pytest

from streamvc.errors import AudioError, ConfigError
from streamvc.plugin.chain_natives import CANNOT_STREAM, DELAYED, check_native, required_block, stream_delay

RATE = 48_000

FORGETFUL = {
    "BrickwallLimiter", "Chain", "Chorus", "Compressor", "Convolution", "Delay", "HighpassFilter", "LadderFilter",
    "Limiter", "LowpassFilter", "MP3Compressor", "Mix", "NoiseGate", "Pedalboard", "Phaser", "Resample", "Reverb",
}


def held_back(audio, outputs, size):
    """The most samples by which a stream of blocks of one size was ever behind."""
    given = np.minimum(np.arange(1, len(outputs) + 1) * size, audio.shape[1])
    returned = np.cumsum([output.shape[1] for output in outputs])
    return int((given - returned).max())


@pytest.mark.parametrize("size", [64, 480])
def test_every_plugin_does_what_the_tables_say(make_plugin, builtin, noise, stream, size):
    audio = noise(2 * RATE)
    recording = make_plugin(builtin).process(audio, RATE, reset=True)
    assert np.abs(recording).max() > 0.05, "silence proves nothing"
    outputs = stream(make_plugin(builtin), audio, [size])
    held = held_back(audio, outputs, size)
    returned = np.concatenate(outputs, axis=1)
    if builtin in CANNOT_STREAM:
        assert held > 0
        assert np.abs(returned).max(initial=0.0) < 0.01
        return
    assert 0 < held < RATE / 4 if builtin in DELAYED else held == 0
    np.testing.assert_allclose(returned, recording[:, : returned.shape[1]], atol=1e-6)


def test_the_tables_name_plugins_that_exist():
    known = {*CANNOT_STREAM, *DELAYED}
    newer = {"BrickwallLimiter"}  # not in the oldest pedalboard that is supported
    assert all(hasattr(pedalboard, name) for name in known - newer)


def test_plugins_forget_when_blocks_grow(make_plugin, streaming, noise, stream):
    """Why a chain cuts its blocks to the length of the first one: these lose their state without."""
    audio = noise(RATE // 2)
    steady = np.concatenate(stream(make_plugin(streaming), audio, [480]), axis=1)
    grown = np.concatenate(stream(make_plugin(streaming), audio, [64, 480, 7, 480]), axis=1)
    count = min(steady.shape[1], grown.shape[1])
    forgets = not np.allclose(steady[:, :count], grown[:, :count], atol=1e-5)
    assert forgets == (streaming in FORGETFUL)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize(
    "make",
    [
        lambda: pedalboard.Resample(8_000),
        lambda: pedalboard.Resample(4_000, pedalboard.Resample.Quality.WindowedSinc256),
        lambda: pedalboard.Resample(44_100, pedalboard.Resample.Quality.ZeroOrderHold),
        lambda: pedalboard.BrickwallLimiter(lookahead_ms=5),
        lambda: pedalboard.BrickwallLimiter(lookahead_ms=40, true_peak=True),
    ],
    ids=["8000", "4000 long", "44100 short", "lookahead", "true peak"],
)
def test_the_measured_delay_is_enough_for_long(make, rate, stream):
    plugin = make()
    delay, block = stream_delay(plugin, rate), required_block(plugin)
    size = max(32, block)
    audio = np.zeros((1, 200_000 // size * size), dtype=np.float32)
    held = held_back(audio, stream(plugin, audio, [size], rate), size)
    assert held + block - 1 <= delay <= held + block - 1 + 8


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [32_000, 44_100, 48_000])
def test_the_delay_of_mp3_is_the_same_for_all_content(rate, channels, noise, stream):
    plugin = pedalboard.MP3Compressor(5.0)
    audio = noise(2 * rate // 32 * 32, channels)
    audio[:, : rate // 2] = 0.0
    held = held_back(audio, stream(plugin, audio, [32], rate), 32)
    assert held + 31 <= stream_delay(plugin, rate) <= held + 39


def test_measuring_a_delay_leaves_the_plugin_alone(noise, stream):
    audio = noise(RATE // 2)
    plugin = pedalboard.Resample(11_025)
    halves = np.split(audio, 2, axis=1)
    first = stream(plugin, halves[0], [480])
    stream_delay(plugin, RATE)
    outputs = np.concatenate([*first, *stream(plugin, halves[1], [480])], axis=1)
    np.testing.assert_array_equal(outputs, np.concatenate(stream(pedalboard.Resample(11_025), audio, [480]), axis=1))


def test_a_rate_that_a_plugin_refuses_is_named():
    with pytest.raises(AudioError, match=r"MP3Compressor cannot process 1 channel at 96000 Hz: MP3 only supports"):
        stream_delay(pedalboard.MP3Compressor(), 96_000)


def test_settings_that_hold_back_seconds_are_refused():
    with pytest.raises(AudioError, match="Resample holds back more than 2 seconds at 48000 Hz: change"):
        stream_delay(pedalboard.Resample(20), RATE)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pedalboard.PitchShift(2), "PitchShift cannot stand in a chain: .*VoiceConverter's pitch_semitones"),
        (lambda: pedalboard.GSMFullRateCompressor(), "GSMFullRateCompressor cannot stand in a chain: .*Resample"),
        (lambda: pedalboard.Pedalboard([pedalboard.Gain(), pedalboard.PitchShift(2)]), "PitchShift cannot stand"),
        (lambda: pedalboard.Mix([pedalboard.Gain(), pedalboard.Chain([pedalboard.PitchShift(2)])]), "PitchShift"),
        (lambda: pedalboard.Mix([pedalboard.Gain(), pedalboard.Resample(8_000)]), "Resample .* inside a Mix .* before"),
    ],
)
def test_what_cannot_stream_is_refused_with_the_reason(make, message):
    with pytest.raises(ConfigError, match=message):
        check_native(make())


def test_mix_does_lose_the_alignment_of_what_it_holds(noise, stream):
    """The reason for refusing it; if this fails, pedalboard has learnt it."""
    audio = noise(RATE // 4)
    mix = pedalboard.Mix([pedalboard.Gain(0), pedalboard.BrickwallLimiter(ceiling_db=20)])
    returned = np.concatenate(stream(mix, audio, [480]), axis=1)
    assert not np.allclose(returned, 2 * audio[:, : returned.shape[1]], atol=1e-3)


def test_python_code_that_pedalboard_would_ignore_is_refused():
    class Louder(pedalboard.Gain):
        def process(self, input_array, sample_rate, buffer_size=8192, reset=True):
            return 2 * input_array

    class Softer(pedalboard.Gain):
        def __init__(self):
            super().__init__(-6)

    with pytest.raises(ConfigError, match="Louder overrides process, which pedalboard would never call"):
        check_native(Louder())
    check_native(Softer())
