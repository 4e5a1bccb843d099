"""Recordings of any kind become levelled 16 kHz speech."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamvc.errors import AudioError
from streamvc.presets.recordings import (
    PEAK,
    active_seconds,
    activity,
    levels,
    prepare_speech,
    read_recording,
    remove_rumble,
)

Say = Callable[..., np.ndarray]


def noise(seconds: float, level_db: float, seed: int = 0) -> np.ndarray:
    return 10 ** (level_db / 20) * np.random.default_rng(seed).standard_normal(round(seconds * 16_000))


def chord(rate: int) -> np.ndarray:
    """One second of tones from 110 to 3300 Hz, whose samples are known at any rate."""
    time = np.arange(rate) / rate
    return sum(0.1 * np.sin(2 * np.pi * hz * time + hz) for hz in (110.0, 523.0, 1760.0, 3300.0))


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 48_000, 192_000])
@pytest.mark.parametrize("channels", [1, 8])
def test_any_rate_and_channel_count_gives_the_same_samples(tmp_path: Path, rate: int, channels: int) -> None:
    soundfile.write(tmp_path / "a.wav", np.tile(chord(rate)[:, None], channels), rate, subtype="FLOAT")
    samples = read_recording(tmp_path / "a.wav")
    assert samples.dtype == np.float32
    assert samples.shape == (16_000,)
    assert samples[800:-800] == pytest.approx(chord(16_000)[800:-800], abs=1e-3)


@pytest.mark.parametrize(
    ("name", "subtype", "error"),
    [
        ("a.wav", "PCM_16", 1e-4),
        ("a.wav", "PCM_24", 1e-5),
        ("a.wav", "DOUBLE", 1e-5),
        ("a.wav", "PCM_U8", 1e-2),
        ("a.flac", "PCM_16", 1e-4),
        ("a.ogg", "VORBIS", 0.1),
        ("a.mp3", "MPEG_LAYER_III", 0.1),
        ("a.aiff", "PCM_16", 1e-4),
    ],
)
def test_formats_are_read(tmp_path: Path, say: Say, name: str, subtype: str, error: float) -> None:
    sound = say(1.0)
    soundfile.write(tmp_path / name, sound, 16_000, subtype=subtype)
    samples = read_recording(tmp_path / name)[: sound.size]
    assert samples.size == sound.size
    assert samples == pytest.approx(sound, abs=error)


def test_channels_are_averaged(tmp_path: Path, say: Say) -> None:
    sound = say(0.5)
    soundfile.write(tmp_path / "a.wav", np.stack((sound, np.zeros_like(sound)), 1), 16_000, subtype="FLOAT")
    assert read_recording(tmp_path / "a.wav") == pytest.approx(0.5 * sound, abs=1e-6)


def test_only_so_much_is_read(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(25, -20), 16_000)
    assert read_recording(tmp_path / "a.wav", 12.5).size == 200_000
    assert read_recording(tmp_path / "a.wav").size == 400_000


def test_blocks_leave_no_seam(tmp_path: Path) -> None:
    time = np.arange(21 * 44_100) / 44_100
    soundfile.write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 440 * time), 44_100, subtype="FLOAT")
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(21 * 16_000) / 16_000)
    samples = read_recording(tmp_path / "a.wav")
    assert samples.size == expected.size
    assert np.abs(samples - expected)[500:-500].max() < 1e-4


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.wav", b""), ("a.wav", b"RIFF"), ("a.mp3", b"not audio at all"), ("a.raw", bytes(1000)), ("a.txt", b"hello")],
)
def test_what_is_no_audio_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AudioError, match=r"is not audio in a format|cut off|0 bytes"):
        read_recording(tmp_path / name)


def test_a_truncated_header_is_refused(tmp_path: Path, say: Say) -> None:
    soundfile.write(tmp_path / "a.flac", say(1.0), 16_000)
    (tmp_path / "b.flac").write_bytes((tmp_path / "a.flac").read_bytes()[:30])
    with pytest.raises(AudioError, match=r"is not audio in a format|cut off|0 bytes"):
        read_recording(tmp_path / "b.flac")


def test_missing_empty_and_broken_samples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="There is no file"):
        read_recording(tmp_path / "gone.wav")
    with pytest.raises(AudioError, match="cannot be opened"):
        read_recording(tmp_path / ("x" * 300))
    with pytest.raises(AudioError, match="is a folder"):
        read_recording(tmp_path)
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 16_000)
    with pytest.raises(AudioError, match="holds no samples"):
        read_recording(tmp_path / "empty.wav")
    for value in (np.nan, np.inf):
        soundfile.write(tmp_path / "bad.wav", np.full(4000, value), 44_100, subtype="FLOAT")
        with pytest.raises(AudioError, match="NaN or infinite"):
            read_recording(tmp_path / "bad.wav")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.wav")
        with pytest.raises(AudioError, match="no regular file"):
            read_recording(tmp_path / "pipe.wav")


@pytest.mark.parametrize("gain", [0.02, 0.3, 1.9])
def test_speech_comes_out_at_one_level(say: Say, gain: float) -> None:
    speech = prepare_speech((gain * say(4.0)).astype(np.float32))
    rms = 10 * np.log10(np.mean(np.square(speech[800:-800], dtype=float)))
    assert rms == pytest.approx(-26.0, abs=0.3)


def test_a_peak_keeps_speech_from_clipping(say: Say) -> None:
    sound = 0.01 * say(4.0)
    sound[10_000] = 1.0
    assert np.abs(prepare_speech(sound.astype(np.float32))).max() <= PEAK + 1e-6


def test_pauses_are_cut_down_and_words_kept(say: Say) -> None:
    words = [say(1.0, seed=1), say(0.6, seed=2)]
    quiet = [noise(2.0, -70, seed) for seed in range(3)]
    recording = np.concatenate((quiet[0], words[0], quiet[1], words[1], quiet[2])).astype(np.float32)
    speech = prepare_speech(recording)
    assert active_seconds(recording) == pytest.approx(1.6, abs=0.1)
    assert speech.size / 16_000 == pytest.approx(1.6 + 4 * 0.1, abs=0.15)
    # the first word is in there as it was, up to its level and the high-pass
    start = 1600 + 800
    piece = speech[start : start + 12_800]
    offsets = range(32_000 + 800 - 400, 32_000 + 800 + 400)
    best = max(np.corrcoef(piece, recording[o : o + piece.size])[0, 1] for o in offsets)
    assert best > 0.99


def test_a_short_pause_stays(say: Say) -> None:
    recording = np.concatenate((say(1.0), noise(0.15, -70), say(1.0))).astype(np.float32)
    assert prepare_speech(recording).size == pytest.approx(recording.size, abs=800)


def test_speech_over_noise_is_found(say: Say) -> None:
    recording = noise(6.0, -40)
    recording[32_000:64_000] += say(2.0)
    assert active_seconds(recording.astype(np.float32)) == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize("samples", [np.zeros(16_000), np.zeros(0), np.zeros(100), noise(1, -90)])
def test_silence_holds_no_speech(samples: np.ndarray) -> None:
    silence = samples.astype(np.float32)
    assert active_seconds(silence) == 0.0
    if silence.size:
        assert prepare_speech(silence).size == 0
    assert activity(silence).shape == levels(silence).shape


def test_rumble_goes_and_speech_stays(say: Say) -> None:
    time = np.arange(32_000) / 16_000
    speech = say(2.0)
    rumble = 0.5 + 0.5 * np.sin(2 * np.pi * 12 * time)
    clean = remove_rumble((speech + rumble).astype(np.float32))
    assert clean[1600:-1600] == pytest.approx(speech[1600:-1600], abs=0.03)


def test_levels_are_in_decibels_of_full_scale() -> None:
    tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000)
    assert levels(tone.astype(np.float32)) == pytest.approx(np.full(99, -23.01), abs=0.01)
