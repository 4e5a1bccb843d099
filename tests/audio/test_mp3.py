"""MP3 files by what is in them."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from streamvc.audio.mp3 import parse_header, walk
from streamvc.errors import AudioError
from tests.audio.conftest import read_all

SECONDS = 2.0


def tone(rate, hz=440.0, seconds=SECONDS):
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def encode(path, samples, rate):
    soundfile.write(path, samples, rate, format="MP3")
    return path.read_bytes()


@pytest.fixture
def mp3(tmp_path):
    """`mp3(rate=44100, channels=1) -> bytes`: two seconds of a tone, with an index that is true."""

    def make(rate=44_100, channels=1, hz=440.0):
        return encode(tmp_path / "made.mp3", np.stack([tone(rate, hz)] * channels, axis=1), rate)

    return make


def index_of(data):
    """Where the words that begin an index stand."""
    return next(place for word in (b"Info", b"Xing") if (place := data.find(word)) >= 0)


def with_claim(data, frames):
    place = index_of(data)
    return data[: place + 8] + frames.to_bytes(4, "big") + data[place + 12 :]


def without_index(data):
    start = next(place for place in range(len(data)) if parse_header(data[place : place + 4]))
    return data[:start] + data[start + parse_header(data[start : start + 4]).length :]


def correlation(heard, expected):
    count = min(len(heard), len(expected))
    middle = slice(count // 4, 3 * count // 4)
    spectrum = np.abs(np.fft.rfft(heard[middle] * np.hanning(len(heard[middle]))))
    return np.argmax(spectrum) / len(heard[middle])


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_true_index_gives_the_length_to_the_sample_and_the_place(save, mp3, rate, channels):
    heard, reader = read_all(save(mp3(rate, channels), "a.mp3"))
    assert (reader.rate, reader.channels, reader.sample_type) == (rate, channels, "float32")
    assert heard.shape == (channels, round(SECONDS * rate)) == (channels, reader.frames)
    inner = slice(rate // 4, -rate // 4)
    np.testing.assert_allclose(heard[0, inner], tone(rate)[inner], atol=0.1)
    assert reader.notes == []


@pytest.mark.parametrize("claim", [1, 60, 0x680D, 0xFFFF_FFFF])
def test_a_false_index_changes_nothing_and_is_told(save, mp3, claim):
    heard, reader = read_all(save(with_claim(mp3(), claim), "a.mp3"))
    assert heard.shape[1] / 44_100 == pytest.approx(SECONDS, abs=0.08)
    assert "header claims" in reader.notes[0]
    assert correlation(heard[0], tone(44_100)) * 44_100 == pytest.approx(440, abs=2)


def test_without_an_index_the_frames_are_counted(save, mp3):
    heard, reader = read_all(save(without_index(mp3()), "a.mp3"))
    assert heard.shape[1] / 44_100 == pytest.approx(SECONDS, abs=0.08)
    assert heard.shape[1] == reader.frames
    assert reader.notes == []


@pytest.mark.parametrize("count", [2, 3])
def test_joined_files_are_read_to_the_last(save, mp3, count):
    heard, reader = read_all(save(b"".join(mp3(hz=440.0 * (n + 1)) for n in range(count)), "a.mp3"))
    assert heard.shape[1] == count * round(SECONDS * 44_100) == reader.frames
    for number, part in enumerate(np.split(heard[0], count)):
        assert correlation(part, part) * 44_100 == pytest.approx(440.0 * (number + 1), abs=2)


def test_joined_files_of_other_rates_and_channels_come_at_the_first_rate(save, mp3):
    data = mp3(44_100, 1) + mp3(22_050, 2, 880.0)
    heard, reader = read_all(save(data, "a.mp3"))
    assert (reader.rate, reader.channels) == (44_100, 2)
    assert heard.shape[1] / 44_100 == pytest.approx(2 * SECONDS, abs=0.1)
    assert correlation(heard[1, -80_000:], heard[1, -80_000:]) * 44_100 == pytest.approx(880, abs=3)
    assert any("changes its rate" in note for note in reader.notes)


@pytest.mark.parametrize("junk", [b"\0" * 5000, b"GET / HTTP/1.1\r\n" * 40, b"\xff\xfb" * 300, b"\xff" * 77])
def test_junk_before_the_first_frame_is_passed_over(save, mp3, junk):
    heard, _ = read_all(save(junk + mp3(), "a.mp3"))
    assert heard.shape[1] == round(SECONDS * 44_100)


def test_junk_in_the_middle_costs_what_it_hits(save, mp3):
    data = bytearray(without_index(mp3()))
    middle = len(data) // 2
    data[middle : middle + 2000] = b"\x55" * 2000
    heard, reader = read_all(save(bytes(data), "a.mp3"))
    assert SECONDS - 0.5 < heard.shape[1] / 44_100 < SECONDS + 0.08
    assert any("are no MP3 and were left out" in note for note in reader.notes)


APE = b"APETAGEX" + b"".join(number.to_bytes(4, "little") for number in (2000, 64, 0, 0xA000_0000)) + bytes(8 + 64)


@pytest.mark.parametrize("tag", [b"TAG" + bytes(125), APE])
def test_tags_behind_the_audio_are_no_junk(save, mp3, tag):
    heard, reader = read_all(save(mp3() + tag, "a.mp3"))
    assert heard.shape[1] == round(SECONDS * 44_100)
    assert not any("no MP3" in note for note in reader.notes)


def test_a_picture_in_front_is_no_audio(save, mp3):
    picture = b"\xff\xfb\x90\x00" * 5000
    length = len(picture)
    size = bytes(length >> shift & 0x7F for shift in (21, 14, 7, 0))
    heard, _ = read_all(save(b"ID3\x04\0\0" + size + picture + mp3(), "a.mp3"))
    assert heard.shape[1] == round(SECONDS * 44_100)


@pytest.mark.parametrize("data", [b"\xff\xfb\x90\x00", b"\xff\xfb\x90\x00" * 500, b"\xff" * 5000, b"ID3\4\0\0\0\0\0\0"])
def test_what_only_looks_like_mp3_is_refused(save, data):
    with pytest.raises(AudioError):
        read_all(save(data, "a.mp3"))


def test_headers():
    frame = parse_header(bytes([0xFF, 0xFB, 0x90, 0x00]))
    assert frame is not None
    assert (frame.rate, frame.channels, frame.length, frame.samples) == (44_100, 2, 417, 1152)
    for header in (b"", b"\xff\xfb", b"\xff\xeb\x90\0", b"\xff\xfb\0\0", b"\xff\xfb\xf0\0", b"\xff\xfb\x9c\0"):
        assert parse_header(header) is None


def test_a_walk_ends_whatever_it_walks_over():
    random = np.random.default_rng(0)
    for _ in range(50):
        data = random.choice([0, 0xFF, 0xFB, 0x90, 0x49, 0x44, 0x33], 3000).astype(np.uint8).tobytes()
        found = walk(data)
        assert found.seconds >= 0.0
        assert all(run.count > 0 for run in found.runs)
