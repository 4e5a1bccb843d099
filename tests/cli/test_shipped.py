"""The first thing that a newcomer does, with the weights and voices that are shipped."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pedalboard.io import AudioFile


def read(path):
    with AudioFile(str(path)) as file:
        return file.read(file.frames)[0], int(file.samplerate)


def envelope(samples, rate):
    """Loudness in dB per 50 ms."""
    step = rate // 20
    power = np.square(samples[: len(samples) // step * step]).reshape(-1, step).mean(axis=1)
    return 10 * np.log10(power + 1e-8)


def test_a_real_sentence_in_a_shipped_voice(svc, folder, example_speech):
    result = svc("render", example_speech, "--preset", "alice", "-o", "alice.wav", "--json")
    assert result.code == 0, result.err
    report = json.loads(result.out)
    source, rate = read(example_speech)
    voice, voice_rate = read("alice.wav")
    assert (voice_rate, voice.shape) == (rate, source.shape)
    assert report["clipped_samples"] == 0
    assert 0.05 < np.abs(voice).max() <= 1.0
    # The voice speaks where the source speaks, and does so without the model's delay: a shift makes it match less.
    heard, said = envelope(source, rate), envelope(voice, rate)
    match = {shift: np.corrcoef(heard[5:-5], np.roll(said, -shift)[5:-5])[0, 1] for shift in range(-3, 4)}
    assert match[0] > 0.7
    assert max(match, key=match.get) in (-1, 0, 1)


@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_it_speaks_at_other_rates_and_in_stereo(svc, folder, example_speech, rate):
    with AudioFile(str(example_speech)).resampled_to(rate) as file:
        samples = file.read(4 * rate)
    with AudioFile("in.wav", "w", samplerate=rate, num_channels=2) as file:
        file.write(np.concatenate([samples, samples]))
    assert svc("render", "in.wav", "--preset", "alice", "-o", "out.wav").code == 0
    with AudioFile("out.wav") as file:
        assert (file.num_channels, file.frames, file.samplerate) == (2, 4 * rate, rate)
        voice = file.read(4 * rate)
    np.testing.assert_array_equal(voice[0], voice[1])
    assert np.corrcoef(envelope(samples[0], rate), envelope(voice[0], rate))[0, 1] > 0.7


def test_silence_stays_quiet(svc, folder):
    with AudioFile("in.wav", "w", samplerate=16_000, num_channels=1) as file:
        file.write(np.zeros((1, 80_000), dtype=np.float32))
    assert svc("render", "in.wav", "--preset", "alice", "-o", "out.wav", "--bit-depth", "32f").code == 0
    voice, _ = read("out.wav")
    assert np.abs(voice).max() < 0.01


def test_an_unknown_voice_suggests_a_shipped_one(svc, folder, example_speech):
    result = svc("render", example_speech, "--preset", "alcie")
    assert result.code == 5
    assert "alice" in result.err
    assert result.err.count("\n") == 1
