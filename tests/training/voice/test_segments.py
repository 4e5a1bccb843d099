"""What is used of recordings, what is not, and what is said about it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.signal
import soxr

from streamvc.engine import Engine
from streamvc.errors import AudioError
from streamvc.presets.store import resolve
from streamvc.runtimes import default_weights, load_runtime
from streamvc.training.voice import segments as chosen
from streamvc.training.voice.faults import fault_of
from streamvc.training.voice.files import recordings_in
from streamvc.training.voice.person import Ear, strangers
from streamvc.training.voice.segments import Segment, select, split

RATE = 16_000
DEAF = Ear(lambda speech: np.ones(4, np.float32))
"""Hears one person only."""


def noise(count, seed=0):
    return np.random.default_rng(seed).standard_normal(count).astype(np.float32)


def clipped(x):
    return np.clip(x * (6 / np.abs(x).max()), -1, 1)


def noisy(x):
    return x + noise(len(x)) * np.sqrt(np.mean(x**2)) * 0.3


def telephone(x):
    return scipy.signal.sosfilt(scipy.signal.butter(12, 3400, fs=RATE, output="sos"), x).astype(np.float32)


def held_chord(x):
    time = np.arange(len(x)) / RATE
    return (0.05 * sum(np.sin(2 * np.pi * hz * k * time) / k for hz in (220, 277, 330) for k in (1, 2, 3))).astype("f4")


def whispered(x):
    """Noise with the loudness of the speech."""
    envelope = scipy.signal.filtfilt(*scipy.signal.butter(2, 20, fs=RATE), np.abs(x))
    return (noise(len(x)) * np.maximum(envelope, 0)).astype(np.float32)


FAULTS = {
    "clipped": clipped, "too noisy": noisy, "narrow band": telephone, "steady sound": held_chord,
    "hardly voiced": whispered,
}


@pytest.mark.parametrize("reason", FAULTS)
def test_every_fault_is_found_by_its_name(spoken, reason):
    part = spoken[RATE : 5 * RATE]
    assert fault_of(part) is None
    assert fault_of(FAULTS[reason](part)) == reason


@pytest.mark.parametrize("gain", [0.02, 0.3])
def test_a_quiet_recording_is_none_the_worse(spoken, gain):
    assert fault_of(spoken[RATE : 5 * RATE] * np.float32(gain)) is None


def test_a_syllable_is_too_short(spoken):
    assert fault_of(spoken[2 * RATE : 2 * RATE + 8_000]) == "too short"


def test_good_stretches_are_used_and_the_others_named(spoken, write):
    clean = [write(f"clean{i}.wav", spoken) for i in range(4)]
    pause = np.zeros(2 * RATE, np.float32)
    mixed = write("mixed.wav", np.concatenate((spoken, pause, clipped(spoken), pause, noisy(spoken))))
    told = []
    found = select([*clean, mixed], DEAF, lambda: told.append(1))
    assert len(told) == 5
    reasons = {(one.file.name, one.reason) for one in found.dropped if one.reason not in ("silence", "too short")}
    assert reasons == {("mixed.wav", "clipped"), ("mixed.wav", "too noisy")}
    for one in found.dropped:
        if one.reason in ("clipped", "too noisy"):
            begin = {"clipped": 10.0, "too noisy": 20.0}[one.reason]
            assert begin - 0.3 <= one.start <= begin + 8.3
            assert one.seconds > 0.5
    used = sum(segment.seconds for segment in found.segments if segment.file == mixed)
    assert 4 < used <= 8.3
    # Every second is accounted for.
    total = found.seconds + sum(one.seconds for one in found.dropped)
    assert total == pytest.approx(4 * len(spoken) / RATE + (3 * len(spoken) + 2 * len(pause)) / RATE, abs=0.3)
    lost = found.lost()
    assert list(lost.values()) == sorted(lost.values(), reverse=True)


def test_any_rate_and_channels_will_do(spoken, write):
    stereo = soxr.resample(np.stack([spoken, spoken], axis=1), RATE, 44_100)
    files = [write(f"{i}.flac", stereo, 44_100, format="FLAC") for i in range(5)]
    found = select(files, DEAF)
    assert found.seconds > 30
    assert all(segment.recorded.ndim == 1 for segment in found.segments)


def test_too_little_is_refused_with_the_reasons(spoken, write):
    files = [write("good.wav", spoken), write("bad.wav", clipped(spoken)), write("worse.wav", noisy(spoken))]
    with pytest.raises(AudioError) as caught:
        select(files, DEAF)
    message = str(caught.value)
    assert message.startswith("The recordings hold 8 s of clean speech, and a fitted voice needs 30 s; ")
    assert "s clipped (record at a lower gain)" in message
    assert "s too noisy (record in a quieter place, nearer to the microphone)" in message
    assert message.endswith("give more, or `svc preset create` a voice from less.")


def test_no_more_than_ten_minutes_are_used_and_they_come_from_everywhere(spoken, write, monkeypatch):
    """With 35 s for ten minutes."""
    monkeypatch.setattr(chosen, "MOST_SECONDS", 35.0)
    files = [write(f"{i}.wav", np.tile(spoken, 4)) for i in range(2)]
    found = select(files, DEAF)
    assert 35 - 16 < found.seconds <= 35
    assert found.lost()["too much"] == pytest.approx(64 - found.seconds, abs=1)
    halves = [sum(s.seconds for s in found.segments if s.file == file) for file in files]
    assert halves[0] == pytest.approx(halves[1], abs=9)


def test_another_register_is_another_speaker(spoken, write):
    fast = soxr.resample(spoken, 1.75 * RATE, RATE).astype(np.float32)
    found = select([*[write(f"{i}.wav", spoken) for i in range(5)], write("child.wav", fast)], DEAF)
    assert {one.file.name for one in found.dropped if one.reason == "another speaker"} == {"child.wav"}
    assert not any(segment.file.name == "child.wav" for segment in found.segments)


@pytest.fixture(scope="module")
def two_voices(spoken):
    """The example in two voices of one register: what differs is who speaks."""
    runtime = load_runtime("onnx")
    alice, victor = (resolve(name).voice() for name in ("alice", "victor"))
    whole = spoken[: len(spoken) // 320 * 320]
    victor = replace(victor, log_f0_mean=alice.log_f0_mean, log_f0_std=alice.log_f0_std)
    return [np.clip(Engine(runtime, voice).process(whole)[640:], -1, 1) for voice in (alice, victor)]


def test_the_shipped_speech_encoder_hears_a_stranger(two_voices):
    from streamvc.checkpoint import load_model
    from streamvc.training.voice.likeness import ear

    alice, victor = two_voices
    third = len(alice) // 3
    pieces = [alice[i * third // 2 : i * third // 2 + third] for i in range(5)]
    found = strangers([*pieces, victor[:third]], ear(load_model(default_weights()), None))
    assert 5 in found
    # Of five overlapping pieces the median distance is a rough measure, so one of the person's own may go as well.
    assert len(found) <= 2


def test_resemblyzer_hears_a_stranger(two_voices, verifier):
    from streamvc.checkpoint import load_model
    from streamvc.training.voice.likeness import ear

    alice, victor = two_voices
    third = len(alice) // 3
    pieces = [alice[i * third // 2 : i * third // 2 + third] for i in range(5)]
    assert strangers([*pieces, victor[:third]], ear(load_model(default_weights()), verifier)) == {5}


# The held-out part


def segments(*seconds):
    return [Segment(None, 0.0, np.zeros(round(s * RATE), np.float32)) for s in seconds]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("lengths", [(5,) * 8, (2, 8, 3, 4, 8, 8, 1.5, 6), (6,) * 80])
def test_the_held_out_part_is_one_stretch_of_a_fifth_and_eight_seconds(lengths, seed):
    parts = segments(*lengths)
    learn, held = split(parts, seed)
    assert sorted([*learn, *held]) == list(range(len(parts)))
    assert held == list(range(held[0], held[-1] + 1))
    seconds = sum(parts[i].seconds for i in held)
    wanted = max(8.0, 0.2 * sum(lengths))
    assert wanted - 1e-6 <= seconds < wanted + max(lengths)
    assert learn
    assert split(parts, seed) == (learn, held)


# Files


def test_folders_are_searched_and_named_files_taken_as_they_are(tmp_path):
    for name in ("a.wav", "sub/b.FLAC", "sub/notes.txt", ".hidden.wav", "c.weird"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert [p.name for p in recordings_in([tmp_path])] == ["a.wav", "b.FLAC"]
    assert [p.name for p in recordings_in([tmp_path / "c.weird", tmp_path, tmp_path / "a.wav"])] == [
        "c.weird", "a.wav", "b.FLAC"
    ]
    with pytest.raises(AudioError, match=r"does not exist|There is no file"):
        recordings_in([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(AudioError, match="holds no recordings"):
        recordings_in([tmp_path / "empty"])
