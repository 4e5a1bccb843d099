from __future__ import annotations

import os

import numpy as np
import pytest
from mido import Message, MetaMessage, MidiFile, MidiTrack

from streamvc.errors import MidiError
from streamvc.plugin.midi.file import read_midi_file


def save(path, *tracks, kind=1, ticks=480):
    file = MidiFile(type=kind, ticks_per_beat=ticks)
    for track in tracks:
        file.tracks.append(MidiTrack(track))
    file.save(path)
    return path


def times(path):
    return [(round(timed.seconds, 9), timed.message.type) for timed in read_midi_file(path)]


def test_times_follow_the_tempo_map(tmp_path):
    """Half a second per beat unless told otherwise; the tempo of one track holds for all."""
    tempos = [
        MetaMessage("set_tempo", tempo=1_000_000, time=960),  # from 1 s on, a second per beat
        MetaMessage("set_tempo", tempo=250_000, time=480),  # from 2 s on, a quarter
    ]
    notes = [
        Message("program_change", program=1, time=480),
        Message("note_on", note=1, time=480 + 240),
        Message("control_change", control=1, value=1, time=240 + 480),
    ]
    assert times(save(tmp_path / "a.mid", tempos, notes)) == [
        (0.5, "program_change"),
        (1.5, "note_on"),
        (2.25, "control_change"),
    ]


def test_messages_of_one_time_keep_their_order(tmp_path):
    track = [Message("program_change", program=number, time=0) for number in (3, 1, 2)]
    path = save(tmp_path / "a.mid", track, kind=0)
    assert [timed.message.program for timed in read_midi_file(path)] == [3, 1, 2]


def test_what_is_no_control_is_left_out(tmp_path):
    track = [Message("sysex", data=[1, 2], time=1), MetaMessage("text", text="x", time=1), Message("note_on", time=478)]
    assert times(save(tmp_path / "a.mid", track)) == [(0.5, "note_on")]


def header(kind=1, tracks=0, division=480):
    return b"MThd" + b"".join(value.to_bytes(length, "big") for value, length in
                              ((6, 4), (kind, 2), (tracks, 2), (division, 2)))  # fmt: skip


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no MIDI file"),
        (b"RIFF" + bytes(100), "no MIDI file"),
        (header()[:10], "no MIDI file"),
        (header(tracks=3), "damaged"),
        (header(tracks=1) + b"MTrk" + bytes(2), "damaged"),
        (header(tracks=1) + b"MTrk" + bytes(4) + b"\xff" * (8 << 20), "damaged"),
        (header(kind=2), "type 2.*save it as type 0 or 1"),
        (header(division=0xE728), "film frames.*ticks per quarter note"),
        (header(division=0), "film frames"),
    ],
)
def test_unusable_files_are_refused_in_one_sentence(tmp_path, data, words):
    path = tmp_path / "a.mid"
    path.write_bytes(data)
    with pytest.raises(MidiError, match=words) as caught:
        read_midi_file(path)
    assert str(path) in str(caught.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(MidiError, match=r"cannot be read \(no such file"):
        read_midi_file(tmp_path / "missing.mid")
    with pytest.raises(MidiError, match="no regular file"):
        read_midi_file(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MidiError, match="no regular file"):
        read_midi_file(tmp_path / "pipe")
    (tmp_path / "huge.mid").write_bytes(header() + bytes(16 << 20))
    with pytest.raises(MidiError, match="larger than 16 MB"):
        read_midi_file(tmp_path / "huge.mid")


def test_damaged_files_are_read_or_refused(tmp_path):
    """Whatever is wrong with the bytes, no other exception comes out."""
    track = [Message("program_change", program=1, time=10), MetaMessage("text", text="voice", time=5)]
    track += [MetaMessage("key_signature", key="C"), MetaMessage("set_tempo", tempo=400_000)]
    track += [Message("sysex", data=[1, 2, 3]), Message("control_change", control=1, value=3, time=300)]
    data = save(tmp_path / "a.mid", track, track).read_bytes()
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(400):
        damaged = bytearray(data[: random.integers(14, len(data) + 1)])
        for _ in range(random.integers(1, 4)):
            damaged[random.integers(len(damaged))] = random.integers(256)
        path = tmp_path / "b.mid"
        path.write_bytes(damaged)
        try:
            messages = read_midi_file(path)
        except MidiError:
            refused += 1
        else:
            assert all(timed.seconds >= 0.0 for timed in messages)
    assert 0 < refused < 400


def problems(path):
    said = []
    messages = [(timed.seconds, str(timed.message)) for timed in read_midi_file(path, said.append)]
    return messages, said


def write(path, *events):
    body = b"".join(events) + b"\x00\xff\x2f\x00"
    path.write_bytes(header(kind=0, tracks=1) + b"MTrk" + len(body).to_bytes(4, "big") + body)
    return path


PROGRAM, LATER = b"\x00\xc0\x03", b"\x83\x60\xc0\x05"  # the later one half a second on


@pytest.mark.parametrize(
    "event",
    [
        b"\x00\x90\x3c\xc8",  # a velocity of 200
        b"\x00\x90\xbc\x40",
        b"\x00\xff\x51\x02\x07\xa1",  # a tempo of two bytes
        b"\x00\xff\x51\x03\x00\x00\x00",  # endless speed
    ],
)
def test_one_bad_byte_costs_one_message_and_is_told(tmp_path, event):
    path = write(tmp_path / "a.mid", PROGRAM, event, LATER)
    messages, said = problems(path)
    assert [(seconds, text.split()[2]) for seconds, text in messages] == [(0.0, "program=3"), (0.5, "program=5")]
    assert len(said) == 1
    assert said[0].startswith(f"{path}: track 1: 1 messages")


@pytest.mark.parametrize(
    "event",
    [
        b"\x00\xff\x59\x02\x7f\x05",  # a key that is none
        b"\x00\xff\x59\x01\x00",
        b"\x00\xff\x58\x02\x04\x02",  # a time signature that is too short
        b"\x00\xff\x20\x01\xff",
        b"\x00\xff\x01\x02\xff\xfe",  # words in no encoding
        b"\x00\xff\x7e\x00",
    ],
)
def test_meta_events_that_say_nothing_useful_do_no_harm(tmp_path, event):
    messages, said = problems(write(tmp_path / "a.mid", PROGRAM, event, LATER))
    assert [seconds for seconds, _ in messages] == [0.0, 0.5]
    assert said == []


def test_a_track_that_breaks_off_is_played_up_to_there(tmp_path):
    whole = write(tmp_path / "a.mid", PROGRAM, LATER).read_bytes()
    path = tmp_path / "cut.mid"
    path.write_bytes(whole[:-6])
    messages, said = problems(path)
    assert [seconds for seconds, _ in messages] == [0.0]
    assert "played as far as it goes" in said[0]


def test_the_case_of_the_issue(tmp_path):
    path = tmp_path / "velocity-200.mid"
    path.write_bytes(bytes.fromhex("4d546864000000060000000101e04d54726b0000000f00c00300903cc88740c00500ff2f00"))
    messages, said = problems(path)
    programs = [(round(seconds, 6), text.split()[2]) for seconds, text in messages]
    assert programs == [(0.0, "program=3"), (1.0, "program=5")]
    assert len(said) == 1
