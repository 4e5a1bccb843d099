from __future__ import annotations

import numpy as np
import pytest
from pedalboard.io import AudioFile

from streamvc.audio.completeness import is_cut_off

FORMATS = ["aiff", "flac", "ogg", "mp3"]


def write(path, samples, rate=16_000):
    with AudioFile(str(path), "w", samplerate=rate, num_channels=samples.shape[0]) as file:
        file.write(samples)
    return path


@pytest.fixture(scope="module")
def noise():
    rng = np.random.default_rng(0)
    fade = np.linspace(1, 0, 48_000)
    return (0.5 * fade * rng.uniform(-1, 1, (2, 48_000))).astype(np.float32)


@pytest.mark.parametrize("extension", FORMATS)
def test_whole_files_are_whole(tmp_path, noise, extension):
    for number, samples in enumerate([noise, noise[:, :5000], np.zeros_like(noise), noise[:, :1], noise[:1]]):
        assert not is_cut_off(write(tmp_path / f"{number}.{extension}", samples))


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("kept", [0.999, 0.9, 0.5, 0.3])
def test_cut_files_are_cut_off(tmp_path, noise, extension, kept):
    path = write(tmp_path / f"whole.{extension}", noise)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    assert is_cut_off(path)


@pytest.mark.parametrize("extension", FORMATS)
def test_one_missing_byte_is_seen(tmp_path, noise, extension):
    path = write(tmp_path / f"whole.{extension}", noise)
    path.write_bytes(path.read_bytes()[:-1])
    assert is_cut_off(path)


def test_a_flac_file_cut_between_two_frames(tmp_path, noise):
    path = write(tmp_path / "whole.flac", noise)
    data = path.read_bytes()
    # Every frame of this file begins with the same four bytes.
    start = data.index(b"\xff\xf8")
    mark = data[start : start + 4]
    frames = [i for i in range(start, len(data)) if data[i : i + 4] == mark]
    assert len(frames) > 5
    path.write_bytes(data[: frames[-1]])
    assert is_cut_off(path)


def test_an_ogg_file_cut_between_two_pages(tmp_path, noise):
    path = write(tmp_path / "whole.ogg", np.tile(noise, 4))
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"OggS")])
    assert is_cut_off(path)


def test_what_follows_the_audio_does_not_matter(tmp_path, noise):
    for name in ("a.flac", "a.mp3"):
        tagged = write(tmp_path / name, noise)
        tagged.write_bytes(tagged.read_bytes() + b"TAG" + bytes(125))
        assert not is_cut_off(tagged)


def test_a_tag_in_front_does_not_matter(tmp_path, noise):
    tag = b"ID3\x04\0\0" + bytes([0, 0, 2, 0]) + bytes(256)
    for name in ("a.mp3", "a.flac"):
        path = write(tmp_path / name, noise)
        path.write_bytes(tag + path.read_bytes())
        assert not is_cut_off(path)
        path.write_bytes(path.read_bytes()[:-3000])
        assert is_cut_off(path)


@pytest.mark.parametrize("content", [b"", b"R", b"hello world, this is text", b"ID3", b"\xff"])
def test_what_is_no_audio_is_left_to_the_reader(tmp_path, content):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    assert not is_cut_off(path)
