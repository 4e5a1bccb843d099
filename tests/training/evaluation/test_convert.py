"""Conversions that are judged: aligned, as long as the source, and the same however they are cut."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from streamvc.checkpoint import fingerprint, save_model
from streamvc.config import get_config
from streamvc.controls import Controls, pack
from streamvc.errors import CheckpointError, PresetError
from streamvc.model import Model, build_model
from streamvc.presets.format import Preset
from streamvc.training.evaluation.convert import model_converter, padded_to_frames, voice_of_recording
from streamvc.training.evaluation.pairs import Pair, Wave
from streamvc.training.evaluation.streaming import EngineConverter


@pytest.fixture
def model() -> Model:
    return build_model(get_config("live")).eval()


@pytest.mark.parametrize("samples", [1, 319, 320, 321, 16_000, 16_123])
def test_the_output_is_as_long_as_the_source(model: Model, pair: Pair, samples: int) -> None:
    converted = model_converter(model)(pair.source[:samples], pair.reference)
    assert converted.shape == (samples,)
    assert converted.dtype == np.float32
    assert np.isfinite(converted).all()


def test_the_delay_is_removed(model: Model, pair: Pair, make_buzz: Callable[[np.ndarray], Wave]) -> None:
    # An untrained decoder already follows the source's loudness: sound must begin and end where the source does.
    f0 = np.zeros(24_000)
    f0[8_000:16_000] = 140
    converted = model_converter(model)(make_buzz(f0), pair.reference)
    power = np.square(converted.astype(np.float64)).reshape(-1, 320).mean(axis=1)
    loud = np.flatnonzero(power > 0.1 * power.max())
    assert abs(loud[0] - 25) <= 1
    assert abs(loud[-1] - 49) <= 1


def test_it_is_what_streaming_gives(model: Model, pair: Pair) -> None:
    voice = voice_of_recording(model, pair.reference)
    source = pair.source[:9_600]
    padded = torch.from_numpy(padded_to_frames(source, 640))[None]
    latent, controls = torch.from_numpy(voice.latent.copy())[None], torch.from_numpy(pack(voice, Controls()))[None]
    state, pieces = None, []
    with torch.inference_mode():
        for start in range(0, padded.shape[1], 960):
            audio, state = model.step(padded[:, start : start + 960], latent, controls, state)
            pieces.append(audio)
    streamed = torch.cat(pieces, dim=1)[0, 640 : 640 + source.size].numpy()
    converted = model_converter(model)(source, pair.reference)
    assert np.abs(converted).max() > 0.01
    # Single precision, and the phases of high harmonics add up differently (tests/model proves it in double).
    assert np.abs(streamed - converted).max() <= 2e-3 * np.abs(converted).max()


def test_the_streaming_engine_gives_the_same(model: Model, pair: Pair, tmp_path: Path) -> None:
    save_model(model, tmp_path / "w.safetensors", dtype=torch.float32)
    source = pair.source[:9_600]
    streamed = EngineConverter(tmp_path / "w.safetensors", "torch")(source, pair.reference)
    converted = model_converter(model)(source, pair.reference)
    assert streamed.shape == converted.shape
    # The engine decides on pitch in double precision: where speech has just begun, the first pulses may stand a little
    # elsewhere than in single precision.
    apart, scale = np.abs(streamed - converted), np.abs(converted).max()
    assert apart[960:].max() <= 2e-3 * scale
    assert apart.max() <= 0.05 * scale


def test_a_preset_speaks_and_one_of_other_weights_is_refused(
    model: Model, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SVC_PRESETS", str(tmp_path))
    weights = tmp_path / "w.safetensors"
    save_model(model, weights, dtype=torch.float32)
    voice = voice_of_recording(model, pair.reference)
    for name, made_with in (("own", fingerprint(weights)), ("foreign", "0" * 16)):
        preset = Preset(name, voice.latent, voice.log_f0_mean, voice.log_f0_std, made_with)
        preset.save(tmp_path / f"{name}.npz")
    convert, source = EngineConverter(weights, "torch"), pair.source[:6_400]
    spoken = convert(source, "own")
    assert spoken.shape == source.shape
    assert np.array_equal(spoken, convert(source, pair.reference))
    with pytest.raises(PresetError, match="made for another model"):
        convert(source, "foreign")


def test_weights_that_are_not_there_are_said(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        EngineConverter(tmp_path / "none.safetensors", "torch")


def test_the_voice_of_a_recording_has_its_pitch(model: Model, make_buzz: Callable[[np.ndarray], Wave]) -> None:
    voice = voice_of_recording(model, make_buzz(np.full(32_000, 210.0)))
    assert np.exp(voice.log_f0_mean) == pytest.approx(210.0, rel=0.01)
    assert voice.latent.shape == (64,)


def test_an_unknown_preset_is_said(model: Model, pair: Pair) -> None:
    with pytest.raises(PresetError):
        model_converter(model)(pair.source, "nobody-of-this-name")


def test_padding_makes_whole_frames() -> None:
    for samples in (1, 320, 500, 16_000):
        padded = padded_to_frames(np.ones(samples, np.float32), 640)
        assert padded.size % 320 == 0
        assert 640 <= padded.size - samples < 960
        assert padded[:samples].min() == 1
        assert not padded[samples:].any()
