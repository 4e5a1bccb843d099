"""What a source says about itself is said by the output as well."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from streamvc.plugin.render import RenderOptions, render_file

RATE = 44_100
TONE = (0.4 * np.sin(2 * np.pi * 330 * np.arange(RATE) / RATE)).astype(np.float32)
WORDS = {"title": "Ein Titel", "artist": "Zoë 漢字", "album": "An album", "comment": "Said so", "date": "2026-11-29"}


def tagged(path, **options):
    with soundfile.SoundFile(path, "w", RATE, 1, **options) as file:
        for name, word in WORDS.items():
            setattr(file, name, word)
        file.write(TONE)
    return path


def words_of(path):
    with soundfile.SoundFile(path) as file:
        return {name: getattr(file, name) for name in WORDS if getattr(file, name)}


@pytest.mark.parametrize("source", ["flac", "ogg", "wav"])
@pytest.mark.parametrize("target", ["wav", "flac", "ogg", "mp3"])
def test_words_go_from_every_format_into_every_other(delay_engine, tmp_path, source, target):
    path = tagged(tmp_path / f"in.{source}")
    render_file(path, tmp_path / f"plain.{target}", delay_engine())
    said = words_of(tmp_path / f"plain.{target}")
    assert said == {name: word for name, word in WORDS.items() if name in said}
    assert {"title", "artist", "album", "comment"} <= said.keys()


@pytest.mark.parametrize("target", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("length", [1, 3000])
def test_the_sound_is_the_same_with_and_without_them(delay_engine, tmp_path, target, length):
    soundfile.write(tmp_path / "bare.flac", TONE, RATE)
    with soundfile.SoundFile(tmp_path / "tagged.flac", "w", RATE, 1) as file:
        file.title = "x" * length
        file.write(TONE)
    heard = []
    for name in ("bare", "tagged"):
        render_file(tmp_path / f"{name}.flac", tmp_path / f"{name}-out.{target}", delay_engine())
        heard.append(soundfile.read(tmp_path / f"{name}-out.{target}")[0])
    np.testing.assert_array_equal(*heard)


def chunks(path):
    data, place, found = path.read_bytes(), 12, {}
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    while place < len(data):
        length = int.from_bytes(data[place + 4 : place + 8], "little")
        found[data[place : place + 4]] = data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2
    return found


@pytest.mark.parametrize("depth", [16, 24, 32])
def test_broadcast_time_stamps_stay_to_the_bit(delay_engine, tmp_path, depth):
    path = tmp_path / "in.wav"
    soundfile.write(path, TONE[: RATE - 1], RATE, subtype="PCM_24")
    bext = b"A description".ljust(256, b"\0") + b"Somebody".ljust(32, b"\0") + bytes(32) + b"2026-11-2912:34:56"
    bext = (bext + (123_456_789).to_bytes(8, "little")).ljust(602, b"\0")
    marks = (1).to_bytes(4, "little") + bytes(24)
    more = b"bext" + len(bext).to_bytes(4, "little") + bext + b"cue " + len(marks).to_bytes(4, "little") + marks
    data = path.read_bytes()
    data = data + bytes(len(data) % 2) + more
    path.write_bytes(data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:])
    render_file(path, tmp_path / "out.wav", delay_engine(), RenderOptions(bit_depth=depth))
    found = chunks(tmp_path / "out.wav")
    assert (found[b"bext"], found[b"cue "]) == (bext, marks)
    assert soundfile.info(tmp_path / "out.wav").frames == RATE - 1


def test_where_there_is_no_place_for_them_it_is_said(delay_engine, tmp_path):
    report = render_file(tagged(tmp_path / "in.flac"), tmp_path / "out.aiff", delay_engine())
    assert report.notes == ("its tags were left out, for want of a place for them in aiff",)
