"""Bytes of a wire by the rules of MIDI 1.0."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mido import Message

from streamvc.plugin.midi.stream import BoundedParser

CONTROL = [Message("control_change", control=1, value=value) for value in (3, 4, 5)]


def parse(data, sizes=(1000,)):
    parser, messages = BoundedParser(), []
    while data:
        for size in sizes:
            messages += parser.feed(data[:size])
            data = data[size:]
    return messages


def test_the_status_runs_on():
    assert parse(bytes([0xB0, 1, 3, 1, 4, 1, 5])) == CONTROL
    assert parse(bytes([0xC2, 5, 6])) == [Message("program_change", channel=2, program=number) for number in (5, 6)]


@pytest.mark.parametrize("place", range(1, 7))
@pytest.mark.parametrize("byte", [0xF8, 0xFA, 0xFB, 0xFC, 0xFE, 0xFF])
def test_real_time_bytes_stand_anywhere(byte, place):
    data = bytes([0xB0, 1, 3, 1, 4, 1, 5])
    messages = parse(data[:place] + bytes([byte]) + data[place:])
    assert [message for message in messages if message.type == "control_change"] == CONTROL
    assert [message.bytes() for message in messages if message.type != "control_change"] == [[byte]]


@pytest.mark.parametrize("byte", [0xF9, 0xFD])
def test_undefined_real_time_bytes_are_nothing(byte):
    assert parse(bytes([0xB0, 1, byte, 3, 1, 4, 1, 5])) == CONTROL


@pytest.mark.parametrize(
    "system", [b"\xf1\x02", b"\xf2\x01\x02", b"\xf3\x01", b"\xf4", b"\xf5", b"\xf6", b"\xf0\x01\xf7"]
)
def test_system_messages_end_the_running_status(system):
    heard = parse(bytes([0xB0, 1, 3]) + system + bytes([1, 4]) + bytes([0xB0, 1, 5]))
    assert [message for message in heard if message.type == "control_change"] == [CONTROL[0], CONTROL[2]]


def test_exclusive_messages_come_whole_with_clocks_inside():
    assert parse(b"\xf0\x01\xf8\x02\xf7") == [Message("clock"), Message("sysex", data=[1, 2])]


def test_a_message_that_another_breaks_off_is_forgotten():
    assert parse(bytes([0x90, 60, 0xB0, 1, 3])) == CONTROL[:1]
    assert parse(bytes([0xF0, 1, 2, 0xB0, 1, 3])) == CONTROL[:1]


@given(st.binary(max_size=60), st.lists(st.integers(1, 7), min_size=1, max_size=5))
def test_any_bytes_in_any_pieces_give_the_same_messages(data, sizes):
    assert parse(data, sizes) == parse(data)


@given(
    st.lists(st.tuples(st.integers(0, 15), st.integers(0, 127), st.integers(0, 127)), max_size=20),
    st.binary(max_size=9),
)
def test_messages_after_any_bytes_are_heard(notes, noise):
    messages = [Message("note_on", channel=channel, note=note, velocity=velocity) for channel, note, velocity in notes]
    heard = parse(noise + b"".join(message.bin() for message in messages))
    assert [message for message in heard if not message.is_realtime][-len(messages) or len(heard) :] == messages
