"""A chain of pedalboard's plugins alone gives what a `Pedalboard` gives, bit for bit."""

from __future__ import annotations

import numpy as np
import pedalboard
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamvc.plugin import EffectChain
from streamvc.plugin.chain_natives import DELAYED

RATE = 48_000

SEVERAL = ["NoiseGate", "HighpassFilter", "Chorus", "Convolution", "Mix", "Compressor", "Pedalboard", "Delay", "Phaser"]


def joined(outputs):
    return np.concatenate(outputs, axis=-1)


def board_of(plugins, channels):
    """A `Pedalboard` that knows already which side of a small block is the channels."""
    board = pedalboard.Pedalboard([])
    board.process(np.zeros((channels, 100), dtype=np.float32), RATE, reset=False)
    for plugin in plugins:
        board.append(plugin)
    return board


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("buffer_size", [8192, 1000])
def test_recordings_of_every_plugin(make_plugin, streaming, noise, channels, buffer_size):
    audio = noise(20_000, channels)
    chain = EffectChain([make_plugin(streaming)])
    board = pedalboard.Pedalboard([make_plugin(streaming)])
    for part in (audio, audio[:, :5000]):
        expected = board.process(part, RATE, buffer_size=buffer_size, reset=True)
        assert np.abs(expected).max() > 0.01
        np.testing.assert_array_equal(chain.process(part, RATE, buffer_size=buffer_size, reset=True), expected)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("size", [1, 7, 64, 441, 480, 4096, 10_000])
def test_streams_of_every_plugin(make_plugin, streaming, noise, stream, channels, size):
    audio = noise(2000 if size < 64 else 20_000, channels)
    chain = EffectChain([make_plugin(streaming)])
    latency = chain.latency_samples(RATE)
    outputs = stream(chain, audio, [size])
    expected = joined(stream(board_of([make_plugin(streaming)], channels), audio, [size]))
    assert [output.shape[1] for output in outputs] == [size] * (audio.shape[1] // size) + (
        [audio.shape[1] % size] if audio.shape[1] % size else []
    )
    assert (latency > 0) == (streaming in DELAYED)
    count = min(audio.shape[1] - latency, expected.shape[1])
    assert not joined(outputs)[:, :latency].any()
    if count > 0:
        np.testing.assert_array_equal(joined(outputs)[:, latency : latency + count], expected[:, :count])


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("reset", [True, False])
def test_several_plugins(make_plugin, noise, channels, reset):
    audio = noise(30_000, channels)
    chain = EffectChain(make_plugin(name) for name in SEVERAL)
    board = pedalboard.Pedalboard([make_plugin(name) for name in SEVERAL])
    for block in np.array_split(audio, 5, axis=1):
        np.testing.assert_array_equal(chain(block, RATE, reset=reset), board(block, RATE, reset=reset))


def test_recordings_through_plugins_that_hold_back(make_plugin, noise):
    names = ["Resample", "Reverb", "MP3Compressor", "Pedalboard", "BrickwallLimiter"]
    audio = noise(30_000, 2)
    chain = EffectChain(make_plugin(name) for name in names)
    board = pedalboard.Pedalboard([make_plugin(name) for name in names])
    np.testing.assert_array_equal(chain(audio, RATE), board(audio, RATE))


@given(
    sizes=st.lists(st.integers(1, 700), min_size=1, max_size=8), resets=st.lists(st.booleans(), min_size=8, max_size=8)
)
def test_any_blocks_and_resets(make_plugin, noise, sizes, resets):
    """With the largest block first, since a `Pedalboard` forgets when they grow; without `Convolution`, whose rounding
    depends on how its input is cut.
    """
    names = [name for name in SEVERAL if name != "Convolution"]
    chain = EffectChain(make_plugin(name) for name in names)
    board = pedalboard.Pedalboard([make_plugin(name) for name in names])
    audio = noise(700)
    for size, reset in zip([700, *sizes], [False, *resets], strict=False):
        block = audio[:, :size]
        np.testing.assert_array_equal(chain(block, RATE, reset=reset), board(block, RATE, reset=reset))


def test_nesting_changes_nothing(make_plugin, noise, stream):
    def plugins():
        return [make_plugin(name) for name in ("Compressor", "Chorus", "Resample", "Delay", "Reverb", "Phaser")]

    audio = noise(20_000, 2)
    one, two, three, four, five, six = plugins()
    nested = EffectChain([one, EffectChain([two, pedalboard.Pedalboard([three, pedalboard.Chain([four])])]), five])
    nested.append(EffectChain([EffectChain([six]), EffectChain()]))
    flat = EffectChain(plugins())
    assert nested.latency_samples(RATE) == flat.latency_samples(RATE) > 0
    np.testing.assert_array_equal(nested(audio, RATE), flat(audio, RATE))
    np.testing.assert_array_equal(joined(stream(nested, audio, [480])), joined(stream(flat, audio, [480])))


@pytest.mark.parametrize("sizes", [[64, 480, 7, 480], [1, 4096], [480, 481, 10_000]])
def test_blocks_may_grow(make_plugin, streaming, noise, stream, sizes):
    """Where a `Pedalboard` forgets, a chain goes on."""
    audio = noise(12_000)
    steady = joined(stream(EffectChain([make_plugin(streaming)]), audio, [480]))
    varied = joined(stream(EffectChain([make_plugin(streaming)]), audio, sizes))
    if streaming == "Convolution":
        # Its Fourier transforms are as long as the pieces, and round accordingly.
        np.testing.assert_allclose(varied, steady, atol=1e-6)
    else:
        np.testing.assert_array_equal(varied, steady)


@pytest.mark.parametrize("channels", [1, 2, 3, 8])
def test_blocks_may_have_fewer_samples_than_channels(noise, stream, channels):
    audio = noise(200, channels)
    chain = EffectChain([pedalboard.Gain(-6), pedalboard.LowpassFilter(3000)])
    expected = pedalboard.Pedalboard([pedalboard.Gain(-6), pedalboard.LowpassFilter(3000)])(audio, RATE)
    np.testing.assert_array_equal(joined(stream(chain, audio, [channels, 1, 2])), expected)
