from __future__ import annotations

import json

import numpy as np
import pytest
from pedalboard.io import AudioFile


@pytest.fixture
def recordings(folder, write_speech):
    write_speech(folder / "source.wav", 1.0)
    write_speech(folder / "low.wav", 5.0)
    write_speech(folder / "more.flac", 3.0, 44_100, 2)
    return folder


def test_a_source_takes_the_voice_of_a_target(svc, model, recordings):
    result = svc("convert", "-s", "source.wav", "-t", "low.wav", "-o", "out.wav", "--weights", model.weights)
    assert result.code == 0, result.err
    with AudioFile("out.wav") as file:
        assert (file.frames, file.samplerate) == (16_000, 16_000)
        assert np.abs(file.read(16_000)).max() > 1e-3
    # Five seconds make a rough voice, and that is said.
    assert result.err.startswith("Warning: ")


def test_several_targets_and_json(svc, model, recordings):
    weights = ["--weights", model.weights, "--json"]
    result = svc("convert", "-s", "source.wav", "-t", "low.wav", "more.flac", "-o", "out.wav", *weights)
    assert result.code == 0, result.err
    report = json.loads(result.out)
    assert (report["ok"], report["output"], report["seconds"]) == (True, "out.wav", 1.0)


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [("none.wav", "low.wav", "no file none.wav"), ("source.wav", "none.wav", "no file none.wav")],
)
def test_missing_files(svc, model, recordings, source, target, words):
    result = svc("convert", "-s", source, "-t", target, "-o", "out.wav", "--weights", model.weights)
    assert result.code == 4
    assert words in result.err
    assert not (recordings / "out.wav").exists()


def test_a_target_that_is_too_short(svc, model, recordings):
    result = svc("convert", "-s", "low.wav", "-t", "source.wav", "-o", "out.wav", "--weights", model.weights)
    assert result.code == 4
    assert "at least 3 s" in result.err
    assert result.err.count("\n") == 1
