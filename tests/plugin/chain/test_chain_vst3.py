"""A plugin of another maker in a chain: a real VST3, loaded by pedalboard."""

from __future__ import annotations

import numpy as np
import pedalboard
import pytest

from streamvc.errors import AudioError, ConfigError
from streamvc.plugin import EffectChain

RATE = 48_000


def joined(outputs):
    return np.concatenate(outputs, axis=-1)


@pytest.fixture
def load(build_vst3):
    """`load(latency, gain=1)`: the plugin, loaded anew."""

    def load(latency, gain=1.0):
        plugin = pedalboard.load_plugin(str(build_vst3(latency)))
        plugin.gain = gain
        return plugin

    return load


@pytest.mark.parametrize("latency", [0, 100])
@pytest.mark.parametrize("sizes", [[64], [480], [480, 1, 100], [4096]])
def test_it_stays_in_time(load, late, noise, stream, latency, sizes):
    chain = EffectChain([pedalboard.Gain(0), load(latency, 0.5), late(7)])
    assert chain.latency_samples(RATE) == latency + 7
    audio = noise(9600, 2)
    output = joined(stream(chain, audio, sizes))
    assert output.shape == audio.shape
    np.testing.assert_allclose(output[:, latency + 7 :], 0.5 * audio[:, : -latency - 7], atol=1e-6)
    assert chain.latency_samples(RATE) == latency + 7
    np.testing.assert_allclose(chain(audio, RATE), 0.5 * audio, atol=1e-6)


@pytest.mark.parametrize("latency", [0, 100])
def test_it_gives_what_it_gives_in_a_board(load, noise, stream, latency):
    audio = noise(9600, 2)
    board = pedalboard.Pedalboard([pedalboard.Compressor(-20, 3), load(latency, 0.5), pedalboard.Reverb()])
    chain = EffectChain([pedalboard.Compressor(-20, 3), load(latency, 0.5), pedalboard.Reverb()])
    np.testing.assert_array_equal(chain(audio, RATE), board(audio, RATE))
    board.reset()
    chain.reset()
    returned = joined(stream(board, audio, [480]))
    output = joined(stream(chain, audio, [480]))
    np.testing.assert_array_equal(output[:, latency:], returned)


def test_it_may_join_a_stream(load, noise, stream):
    audio = noise(9600, 2)
    chain = EffectChain([pedalboard.Gain(0)])
    before = stream(chain, audio, [480])
    chain.append(load(100, 0.5))
    after = joined(stream(chain, audio, [480]))
    np.testing.assert_allclose(joined(before), audio, atol=1e-6)
    np.testing.assert_allclose(after[:, 600:], 0.5 * audio[:, 500:-100], atol=1e-6)


def test_channels_that_it_does_not_take_are_named(load, noise):
    chain = EffectChain([load(100)])
    for reset in (True, False):
        with pytest.raises(AudioError, match=r"Late Gain cannot process 1 channel at 48000 Hz: .*1-channel"):
            chain(noise(480), RATE, reset=reset)


def test_inside_a_mix_it_must_not_be_late(load):
    EffectChain([pedalboard.Mix([pedalboard.Gain(), load(0)])])
    with pytest.raises(ConfigError, match="Late Gain cannot stand inside a Mix in a stream"):
        EffectChain([pedalboard.Mix([pedalboard.Gain(), load(100)])])


def test_an_instrument_is_refused(build_vst3):
    with pytest.raises(ConfigError, match="Late Gain is an instrument and takes no audio: a chain needs effects"):
        EffectChain([pedalboard.load_plugin(str(build_vst3(0, instrument=True)))])
