"""Processors and plugins in one list: how it behaves as a list, and that everything stays in time."""

from __future__ import annotations

import threading

import numpy as np
import pedalboard
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamvc.errors import AudioError, ConfigError
from streamvc.plugin import EffectChain

RATE = 48_000


def joined(outputs):
    return np.concatenate(outputs, axis=-1)


def click(samples, position):
    audio = np.zeros((1, samples), dtype=np.float32)
    audio[0, position] = 0.5
    return audio


# A list


def test_it_is_a_list(late):
    gate, voice, reverb, gain = pedalboard.NoiseGate(), late(), pedalboard.Reverb(), pedalboard.Gain()
    chain = EffectChain([gate, voice])
    chain.append(reverb)
    chain.insert(0, gain)
    assert list(chain) == [gain, gate, voice, reverb]
    assert len(chain) == 4
    assert chain[-1] is reverb
    assert chain.index(voice) == 2
    assert voice in chain
    assert chain.pop(0) is gain
    assert gain not in chain
    chain.remove(gate)
    assert list(chain) == [voice, reverb]
    chain[0] = gain
    chain[1:1] = [voice, gate]
    assert list(chain) == [gain, voice, gate, reverb]
    chain.reverse()
    assert list(chain) == [reverb, gate, voice, gain]
    del chain[1:3]
    chain += [voice]
    chain.extend([gate])
    assert list(chain) == [reverb, gain, voice, gate]
    chain.clear()
    assert not chain
    assert list(EffectChain()) == []


def test_a_slice_is_a_chain_of_the_same_elements(late):
    elements = [pedalboard.Gain(), late(), pedalboard.Reverb()]
    part = EffectChain(elements)[1:]
    assert isinstance(part, EffectChain)
    assert [own is given for own, given in zip(part, elements[1:], strict=True)] == [True, True]


def test_what_is_not_there_is_no_secret():
    chain = EffectChain([pedalboard.Gain()])
    with pytest.raises(IndexError):
        chain[1]
    with pytest.raises(ValueError, match="not in the chain"):
        chain.remove(pedalboard.Gain())
    with pytest.raises(ValueError, match="not in the chain"):
        chain.index(chain[0], 1)


def test_it_says_what_it_holds(late):
    assert repr(EffectChain()) == "<EffectChain with 0 elements: []>"
    text = repr(EffectChain([pedalboard.Gain()]))
    assert text.startswith("<EffectChain with 1 element: [<pedalboard.Gain")


@pytest.mark.parametrize(
    ("element", "message"),
    [
        (pedalboard.Reverb, r"Reverb is a class where an object is needed: write Reverb\(\.\.\.\)"),
        ("Reverb", "'Reverb' cannot stand in a chain because it has no process and no reset and no latency_samples"),
        (None, "None cannot stand in a chain"),
        (pedalboard.PitchShift(2), "PitchShift cannot stand in a chain"),
        (pedalboard.Pedalboard([pedalboard.GSMFullRateCompressor()]), "GSMFullRateCompressor cannot stand in a chain"),
    ],
)
def test_what_cannot_stand_in_a_chain_is_refused_and_changes_nothing(element, message):
    gain = pedalboard.Gain()
    chain = EffectChain([gain])
    for edit in (
        lambda: chain.append(element),
        lambda: chain.insert(0, element),
        lambda: chain.extend([pedalboard.Reverb(), element]),
        lambda: chain.__setitem__(0, element),
        lambda: chain.__setitem__(slice(None), [element]),
        lambda: EffectChain([element]),
    ):
        with pytest.raises(ConfigError, match=message):
            edit()
        assert list(chain) == [gain]


def test_half_a_processor_is_told_what_it_lacks():
    class Half:
        def process(self, input_array, sample_rate, buffer_size=8192, reset=True):
            return input_array

        def __repr__(self):
            return "Half()"

    with pytest.raises(ConfigError, match=r"Half\(\) cannot stand .* no reset and no latency_samples: use a plugin"):
        EffectChain([Half()])


def test_a_chain_inside_itself_is_refused():
    outer, inner = EffectChain(), EffectChain()
    outer.append(inner)
    for edit in (lambda: inner.append(outer), lambda: inner.append(inner)):
        with pytest.raises(ConfigError, match="inside itself"):
            edit()
    assert len(inner) == 0


def test_an_element_that_stands_twice_is_refused_when_it_would_run(late, noise):
    voice, gain = late(), pedalboard.Gain()
    for chain in (
        EffectChain([voice, EffectChain([voice])]),
        EffectChain([gain, late(), pedalboard.Mix([gain, pedalboard.Invert()])]),
    ):
        for call in (
            lambda chain=chain: chain(noise(100), RATE),
            lambda chain=chain: chain(noise(100), RATE, reset=False),
            lambda chain=chain: chain.latency_samples(RATE),
        ):
            with pytest.raises(ConfigError, match="stands twice in the chain: make a second one"):
                call()


# In time


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("sizes", [[1], [7], [64], [441], [480], [512], [1024], [4096], [480, 1, 100, 700]])
def test_a_click_comes_out_where_the_latency_says(late, stream, rate, sizes):
    limiter = pedalboard.BrickwallLimiter(ceiling_db=0, lookahead_ms=3)
    chain = EffectChain([pedalboard.Gain(0), late(50), limiter, EffectChain([late(7), pedalboard.Invert()])])
    latency = chain.latency_samples(rate)
    assert latency == 57 + int(rate * 0.003)
    output = joined(stream(chain, click(1500, 321), sizes, rate))
    assert np.flatnonzero(np.abs(output[0]) > 0.4).tolist() == [321 + latency]


@pytest.mark.parametrize("name", ["MP3Compressor", "Resample", "BrickwallLimiter"])
def test_a_stream_is_the_recording_later(make_plugin, late, noise, stream, name):
    audio = noise(30_000, 2)

    def chain():
        # Nothing late stands before a codec or a resampler: these do not do the same to every shift of a sound.
        return EffectChain([pedalboard.NoiseGate(-50), make_plugin(name), late(99), pedalboard.Compressor(-20, 3)])

    latency = chain().latency_samples(RATE)
    outputs = stream(chain(), audio, [480, 31, 32, 33, 1])
    recording = chain()(audio, RATE)
    assert recording.shape == audio.shape
    assert np.abs(recording).max() > 0.1
    np.testing.assert_allclose(joined(outputs)[:, latency:], recording[:, :-latency], atol=1e-6)


@given(sizes=st.lists(st.integers(0, 900), min_size=1, max_size=6).filter(any))
def test_the_blocks_do_not_show(make_plugin, late, noise, stream, sizes):
    def chain():
        return EffectChain([pedalboard.HighpassFilter(200), late(11), make_plugin("Resample"), pedalboard.Reverb()])

    audio = noise(3000, 2)
    outputs = stream(chain(), audio, sizes)
    assert [output.shape[1] for output in outputs[: len(sizes)]][:1] == [min(sizes[0], 3000)]
    np.testing.assert_array_equal(joined(outputs), joined(stream(chain(), audio, [480])))


def test_a_recording_is_aligned_and_of_equal_length(make_plugin, late, noise):
    chain = EffectChain([late(1000), make_plugin("MP3Compressor"), pedalboard.Gain(0)])
    audio = noise(20_000)
    expected = pedalboard.Pedalboard([make_plugin("MP3Compressor"), pedalboard.Gain(0)])(audio, RATE)
    for _ in range(2):
        np.testing.assert_array_equal(chain(audio, RATE), expected)


def test_latency_counts_what_is_held_back_and_nothing_else(make_plugin, late):
    chain = EffectChain([pedalboard.Delay(0.5), late(100)])
    assert chain.latency_samples(RATE) == 100
    chain.append(make_plugin("MP3Compressor"))
    assert 100 + 3609 <= chain.latency_samples(RATE) <= 100 + 3609 + 40
    assert EffectChain().latency_samples(RATE) == 0


def test_latency_of_a_running_stream_is_its_own(make_plugin, noise):
    chain = EffectChain([pedalboard.BrickwallLimiter(lookahead_ms=5)])
    chain(noise(480), RATE, reset=False)
    assert [chain.latency_samples(rate) for rate in (RATE, 16_000)] == [240, 80]


def test_a_setting_that_makes_a_plugin_slower_lets_the_stream_go_on(noise, stream):
    """The reported latency is right again after a reset."""
    limiter = pedalboard.BrickwallLimiter(ceiling_db=0, lookahead_ms=5)
    chain = EffectChain([limiter])
    stream(chain, noise(4800), [480])
    limiter.lookahead_ms = 20
    assert [output.shape[1] for output in stream(chain, noise(4800), [480])] == [480] * 10
    chain.reset()
    assert chain.latency_samples(RATE) == 960
    assert np.flatnonzero(joined(stream(chain, click(4800, 100), [480]))[0] > 0.4).tolist() == [1060]


def test_reset_repeats_bit_for_bit(make_plugin, late, noise, stream):
    chain = EffectChain([make_plugin("Delay"), late(33), make_plugin("Resample"), make_plugin("Reverb")])
    audio = noise(5000)
    first = joined(stream(chain, audio, [480]))
    chain.reset()
    np.testing.assert_array_equal(joined(stream(chain, audio, [480])), first)
    assert not np.array_equal(joined(stream(chain, audio, [480])), first)


def test_a_change_of_rate_or_channels_begins_a_new_stream(make_plugin, late, noise, stream):
    def chain():
        return EffectChain([make_plugin("Delay"), late(33), make_plugin("Resample")])

    used = chain()
    stream(used, noise(5000), [480])
    for rate, channels in ((16_000, 1), (16_000, 2), (RATE, 1)):
        audio = noise(5000, channels)
        fresh = joined(stream(chain(), audio, [480], rate))
        np.testing.assert_array_equal(joined(stream(used, audio, [480], rate)), fresh)


def test_after_a_recording_a_chain_with_processors_is_silent(make_plugin, late, noise):
    """... and one of natives alone goes on as a `Pedalboard` does (test_chain_equality.py)."""
    chain = EffectChain([make_plugin("Reverb"), late(10)])
    chain(noise(5000), RATE)
    assert not chain(np.zeros((1, 5000), np.float32), RATE, reset=False).any()


def test_two_chains_in_two_threads_do_not_meet(make_plugin, late, noise, stream):
    def chain():
        return EffectChain([make_plugin("Chorus"), late(10), make_plugin("Resample"), make_plugin("Reverb")])

    audio = [noise(40_000), -noise(40_000)[:, ::-1].copy()]
    alone = [joined(stream(chain(), part, [441])) for part in audio]
    together = [None, None]

    def work(number):
        together[number] = joined(stream(chain(), audio[number], [441]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one, other)


# Arrays


def test_an_empty_chain_gives_back_a_copy(noise):
    audio = noise(100)
    for reset in (True, False):
        output = EffectChain()(audio, RATE, reset=reset)
        np.testing.assert_array_equal(output, audio)
        assert not np.shares_memory(output, audio)


@pytest.mark.parametrize("shape", [(0,), (1,), (100,), (1, 0), (2, 1), (2, 2), (8, 4000), (4000, 2), (4000, 8)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_shape_is_kept(late, shape, dtype):
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, shape).astype(dtype)
    for reset in (True, False):
        output = EffectChain([pedalboard.Gain(0), late(), pedalboard.Invert()])(audio, RATE, reset=reset)
        assert output.dtype == np.float32
        np.testing.assert_allclose(output, -audio, atol=1e-6)


def test_an_interleaved_stream_may_end_in_a_short_block(late):
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, (1000, 2)).astype(np.float32)
    chain = EffectChain([pedalboard.Gain(0), late(5)])
    outputs = [chain(block, RATE, reset=False) for block in (audio[:996], audio[996:])]
    np.testing.assert_allclose(np.concatenate(outputs)[5:], audio[:-5], atol=1e-6)


def test_the_input_is_left_alone(late, noise):
    audio = noise(1000)
    before = audio.copy()
    chain = EffectChain([pedalboard.Distortion(), late(5), pedalboard.Gain(-6)])
    for reset in (True, False):
        chain(audio, RATE, reset=reset)
        np.testing.assert_array_equal(audio, before)


@pytest.mark.parametrize(
    ("audio", "rate", "message"),
    [
        (np.zeros(10, np.int16), RATE, "float32 or float64 .* 32768"),
        (np.zeros((1, 2, 3), np.float32), RATE, r"\[channels, samples\], not \[1, 2, 3\]"),
        (np.zeros((100, 9), np.float32), RATE, "100 channels are not supported: use 1 to 8"),
        (np.zeros((0, 5), np.float32), RATE, "0 channels are not supported"),
        (np.array([0.0, np.nan], np.float32), RATE, r"NaN or infinite samples, the first of them at 0\.021 s"),
        (np.array([0.0, np.inf], np.float32), RATE, r"NaN or infinite samples, the first of them at 0\.021 s"),
        (np.zeros(10, np.float32), 4_000, "4000 Hz is not supported"),
    ],
)
def test_audio_that_cannot_be_processed_leaves_a_stream_where_it_stood(late, noise, stream, audio, rate, message):
    chain = EffectChain([pedalboard.Delay(0.005), late(10)])
    parts = np.split(noise(2000), 2, axis=1)
    first = chain(parts[0], RATE, reset=False)
    with pytest.raises(AudioError, match=message):
        chain(audio, rate, reset=False)
    second = chain(parts[1], RATE, reset=False)
    expected = joined(stream(EffectChain([pedalboard.Delay(0.005), late(10)]), noise(2000), [1000]))
    np.testing.assert_array_equal(np.concatenate([first, second], axis=1), expected)


def test_other_arguments_are_checked(noise):
    chain = EffectChain([pedalboard.Gain()])
    with pytest.raises(ConfigError, match="buffer_size must be at least 1 sample, not 0"):
        chain(noise(10), RATE, buffer_size=0)
    with pytest.raises(AudioError, match="4000 Hz is not supported"):
        chain.latency_samples(4_000)


@pytest.mark.parametrize("reset", [True, False])
def test_an_element_that_refuses_the_audio_is_named_and_the_chain_begins_anew(late, noise, reset):
    voice = late(5)
    chain = EffectChain([pedalboard.Delay(0.005), voice, pedalboard.MP3Compressor()])
    chain(noise(1000, 2), RATE, reset=False)
    with pytest.raises(AudioError, match="MP3Compressor cannot process 3 channels at 48000 Hz"):
        chain(noise(1000, 3), RATE, reset=reset)
    assert np.abs(chain(np.zeros((2, 5000), np.float32), RATE, reset=False)).max() < 1e-4


@pytest.mark.parametrize("reset", [True, False])
def test_a_processor_that_breaks_its_promise_is_named(late, noise, reset):
    class Short(late):
        def process(self, *arguments):
            return super().process(*arguments)[:, 1:]

    with pytest.raises(AudioError, match=r"Short returned an array of the shape \[1, 99\] for one of \[1, 100\]"):
        EffectChain([Short()])(noise(100), RATE, reset=reset)


def test_a_board_that_gets_what_cannot_stream_is_found_out(noise):
    """A board in the chain can be changed behind the chain's back."""
    board = pedalboard.Pedalboard([pedalboard.Gain()])
    chain = EffectChain([board])
    chain(noise(480), RATE, reset=False)
    board.append(pedalboard.PitchShift(2))
    with pytest.raises(ConfigError, match=r"PitchShift cannot stand in a chain"):
        chain(noise(480), RATE, reset=False)
    with pytest.raises(ConfigError, match=r"PitchShift cannot stand in a chain"):
        chain(noise(480), RATE, reset=False)


def test_nothing_grows_over_a_million_samples(make_plugin, late, noise, stream):
    import tracemalloc

    chain = EffectChain([pedalboard.Gain(0), late(10), make_plugin("Resample"), make_plugin("BrickwallLimiter")])
    audio = noise(500_000)
    stream(chain, audio, [480])
    tracemalloc.start()
    for start in range(0, 500_000, 480):
        chain(audio[:, start : start + 480], RATE, reset=False)
    held = tracemalloc.get_traced_memory()[0]
    for start in range(0, 500_000, 480):
        chain(audio[:, start : start + 480], RATE, reset=False)
    grown = tracemalloc.get_traced_memory()[0] - held
    tracemalloc.stop()
    assert grown < 20_000
