"""Editing a chain while a stream runs: what stays goes on, what comes and goes makes no click."""

from __future__ import annotations

import threading

import numpy as np
import pedalboard
import pytest

from streamvc.errors import AudioError
from streamvc.plugin import EffectChain

RATE = 48_000
FADE = 480


def tone(samples, hz=220.0):
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(samples) / RATE)).astype(np.float32)[np.newaxis]


def play(chain, audio, size, edits):
    """Stream in blocks of one size; `edits` maps block numbers to what is done before that block."""
    outputs = []
    for number in range(audio.shape[1] // size):
        if number in edits:
            edits[number](chain)
        outputs.append(chain(audio[:, number * size : (number + 1) * size], RATE, reset=False))
    return np.concatenate(outputs, axis=1)


def largest_step(audio):
    return float(np.abs(np.diff(audio)).max())


SMOOTH = 1.001 * (largest_step(tone(RATE)) + 1.0 / FADE)
"""The largest step of the tone, and what a fade of 10 ms between its two extremes adds to it."""


EDITS = {
    "append": (lambda late: [late(40)], lambda chain, late: chain.append(pedalboard.Gain(-12))),
    "append a late one": (lambda late: [], lambda chain, late: chain.append(late(3000))),
    "insert a late one": (lambda late: [late(5), pedalboard.Gain(0)], lambda chain, late: chain.insert(1, late(1000))),
    "insert one that holds back": (
        lambda late: [pedalboard.Gain(0), pedalboard.Gain(-1)],
        lambda chain, late: chain.insert(1, pedalboard.BrickwallLimiter(ceiling_db=0, lookahead_ms=50)),
    ),
    "remove": (
        lambda late: [pedalboard.Gain(-12), late(9), pedalboard.Gain(-6)],
        lambda chain, late: chain.__delitem__(0),
    ),
    "remove a late one": (lambda late: [late(9), late(1111)], lambda chain, late: chain.pop()),
    "remove one that holds back": (lambda late: [pedalboard.Resample(8000)], lambda chain, late: chain.clear()),
    "replace": (lambda late: [late(100, 0.3)], lambda chain, late: chain.__setitem__(0, late(700, -0.6))),
    "replace all": (
        lambda late: [pedalboard.Gain(-6), late(100)],
        lambda chain, late: chain.__setitem__(slice(None), [late(700, -0.6), pedalboard.Invert()]),
    ),
    "turn round": (lambda late: [pedalboard.Gain(-6), late(100), late(77)], lambda chain, late: chain.reverse()),
    "move and add": (
        lambda late: [pedalboard.Gain(-6), late(100)],
        lambda chain, late: chain.__setitem__(slice(None), [chain[1], late(500, -1.0), chain[0]]),
    ),
    "inner chain": (lambda late: [EffectChain(), late(3)], lambda chain, late: chain[0].append(pedalboard.Invert())),
    "inner board": (
        lambda late: [late(3), pedalboard.Pedalboard([pedalboard.Gain(0)])],
        lambda chain, late: chain[1].append(pedalboard.Gain(-20)),
    ),
}


@pytest.mark.parametrize("size", [7, 64, 480, 4800])
@pytest.mark.parametrize("name", EDITS)
def test_no_edit_clicks(late, name, size):
    make, edit = EDITS[name]
    audio = tone(20_000 if size < 64 else 48_000)
    number = 12_000 // size
    chain = EffectChain(make(late))
    before = chain.latency_samples(RATE)
    output = play(chain, audio, size, {number: lambda chain: edit(chain, late)})
    unedited = play(EffectChain(make(late)), audio, size, {})
    # The beginning of the tone is a step of its own for some, long before the edit.
    settled = output[:, 8000:]
    assert largest_step(settled) <= SMOOTH
    assert np.abs(settled).max() > 0.1
    np.testing.assert_array_equal(output[:, : number * size], unedited[:, : number * size])
    # Afterwards it sounds as if it had been so from the start.
    after = max(before, chain.latency_samples(RATE))
    fresh = play(EffectChain(list(chain)), audio, size, {})
    start = number * size + after + 3 * FADE
    np.testing.assert_allclose(output[:, start:], fresh[:, start:], atol=1e-5)
    assert output[:, start:].size > 0


@pytest.mark.parametrize("size", [64, 480, 1000])
def test_the_sound_goes_on_until_the_new_element_has_some(late, size):
    """No gap where a late element joins: the old sound is heard until the new one has arrived."""
    audio = tone(20_000)
    number = -(-8000 // size)
    output = play(EffectChain(), audio, size, {number: lambda chain: chain.append(late(3000))})
    arrives = number * size + 3000
    np.testing.assert_array_equal(output[:, :arrives], audio[:, :arrives])
    np.testing.assert_array_equal(output[:, arrives + FADE :], audio[:, arrives + FADE - 3000 : output.shape[1] - 3000])


@pytest.mark.parametrize("plugin", ["Delay", "Reverb", "Resample"])
def test_what_stays_keeps_its_state(make_plugin, late, noise, plugin):
    """An edit beside it does not touch it, whatever holds the two."""
    audio = noise(20_000)
    chain = EffectChain([make_plugin(plugin), late(20)])
    edits = {
        5: lambda chain: chain.append(pedalboard.Gain(0)),
        15: lambda chain: chain.insert(0, pedalboard.Gain(0)),
        25: lambda chain: chain.insert(1, late(0)),
        35: lambda chain: chain.pop(0),
    }
    output = play(chain, audio, 400, edits)
    np.testing.assert_allclose(output, play(EffectChain([make_plugin(plugin), late(20)]), audio, 400, {}), atol=1e-5)


@pytest.mark.parametrize("plugin", ["Delay", "Chorus", "BrickwallLimiter"])
def test_what_joins_at_a_small_block_survives_the_next_large_one(make_plugin, noise, stream, plugin):
    audio = noise(30_000)
    chain = EffectChain([pedalboard.Gain(0)])
    stream(chain, audio[:, :9600], [480])
    chain.append(make_plugin(plugin))
    outputs = [*stream(chain, audio[:, 9600:9700], [100]), *stream(chain, audio[:, 9700:], [480])]
    fresh = np.concatenate(stream(EffectChain([make_plugin(plugin)]), audio[:, 9600:], [480]), axis=1)
    np.testing.assert_allclose(np.concatenate(outputs, axis=1)[:, 2000:], fresh[:, 2000:], atol=1e-5)


def test_what_comes_back_begins_from_silence(make_plugin, noise, stream):
    delay = pedalboard.Delay(0.02, 0.9, 1.0)
    chain = EffectChain([delay])
    silence = np.zeros((1, 9600), dtype=np.float32)
    stream(chain, noise(9600), [480])
    chain.clear()
    stream(chain, silence, [480])
    chain.append(delay)
    assert not np.concatenate(stream(chain, silence, [480]), axis=1).any()


def test_edits_in_every_block_wait_for_one_another(late):
    audio = tone(48_000)
    edits = {number: (lambda chain: chain.append(pedalboard.Gain(-1))) for number in range(50, 60)}
    edits |= {number: (lambda chain: chain.pop(0)) for number in range(60, 70)}
    chain = EffectChain([late(10)])
    output = play(chain, audio, 160, edits)
    assert largest_step(output[:, 1000:]) <= SMOOTH
    np.testing.assert_allclose(output[:, 20_000:], audio[:, 20_000:] * 10 ** (-1 / 20), atol=1e-5)
    assert len(chain) == 1


def test_an_edit_and_its_undoing_between_two_blocks_are_nothing(late):
    audio = tone(9600)

    def edit(chain):
        chain.append(pedalboard.Gain(-40))
        chain.pop()

    np.testing.assert_array_equal(
        play(EffectChain([late(4)]), audio, 480, {5: edit}), play(EffectChain([late(4)]), audio, 480, {})
    )


def test_latency_is_that_of_the_edited_chain_at_once(late):
    chain = EffectChain([late(4)])
    chain(tone(480), RATE, reset=False)
    chain.append(late(100))
    assert chain.latency_samples(RATE) == 104


def test_edits_from_another_thread(late):
    """A performer's hand while the audio runs."""
    audio = tone(48_000)
    chain = EffectChain([pedalboard.Gain(0), late(10)])
    outputs = []

    def edit():
        for _ in range(30):
            chain.append(pedalboard.Gain(-2))
            chain.insert(0, late(30))
            del chain[0]
            chain.pop()
            chain[:] = [chain[0], pedalboard.Gain(0), chain[-1]] if len(chain) == 2 else [chain[0], chain[-1]]

    hand = threading.Thread(target=edit)
    hand.start()
    while hand.is_alive() or not outputs:
        outputs.append(play(chain, audio, 240, {}))
    hand.join()
    assert largest_step(np.concatenate(outputs, axis=1)[:, 480:]) <= SMOOTH


def test_an_element_that_refuses_the_stream_can_be_taken_out_again(late):
    audio = np.repeat(tone(4800), 3, axis=0)
    chain = EffectChain([late(10)])
    chain(audio, RATE, reset=False)
    chain.append(pedalboard.MP3Compressor())
    for _ in range(2):
        with pytest.raises(AudioError, match="MP3Compressor cannot process 3 channels"):
            chain(audio, RATE, reset=False)
    chain.pop()
    np.testing.assert_array_equal(chain(audio, RATE, reset=False)[:, 10:], audio[:, :-10])
