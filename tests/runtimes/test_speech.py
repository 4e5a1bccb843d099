"""The speech encoder: its graph says what the model says, and is taken only where it belongs."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from streamvc.checkpoint import load_model, save_model
from streamvc.config import FRAME, LiveConfig, PaperConfig
from streamvc.errors import CheckpointError, ConfigError, RuntimeUnavailableError
from streamvc.model import build_model
from streamvc.runtimes.cache import fingerprint
from streamvc.runtimes.export import export_speech
from streamvc.runtimes.onnx import OnnxRuntime
from streamvc.runtimes.speech import OnnxSpeechEncoder, TorchSpeechEncoder, load_speech_encoder, speech_graph


@pytest.fixture(scope="module")
def folder(small_live, tmp_path_factory):
    """Weights with the graph of their speech encoder."""
    place = tmp_path_factory.mktemp("speech")
    shutil.copy(small_live / "live.safetensors", place / "live.safetensors")
    export_speech(place / "live.safetensors", speech_graph(place / "live.onnx"))
    return place


@pytest.mark.parametrize("samples", [FRAME, 2 * FRAME + 7, 50 * FRAME, 199 * FRAME + 319])
def test_the_graph_says_what_the_model_says(folder, speech, samples):
    graph, model = OnnxSpeechEncoder(folder / "live-speech.onnx"), TorchSpeechEncoder(
        load_model(folder / "live.safetensors")
    )
    expected = model.embed(speech[:samples])
    assert np.abs(expected).max() > 0.5
    assert np.abs(graph.embed(speech[:samples]) - expected).max() < 1e-5


@pytest.fixture(scope="module")
def verification(tmp_path_factory):
    """The same of a model that listens with a verifier's network."""
    folder = tmp_path_factory.mktemp("verification")
    torch.manual_seed(2)
    small = LiveConfig(
        encoder_width=16, encoder_blocks=1, decoder_width=16, decoder_blocks=1, fine_width=16, fine_blocks=1,
        speech="verification",
    )  # fmt: skip
    save_model(build_model(small), folder / "live.safetensors")
    export_speech(folder / "live.safetensors", folder / "live-speech.onnx")
    return folder


@pytest.mark.parametrize("samples", [FRAME, 79 * FRAME + 7, 80 * FRAME, 199 * FRAME + 319])
def test_so_does_that_of_a_verifier(verification, speech, samples):
    expected = TorchSpeechEncoder(load_model(verification / "live.safetensors")).embed(speech[:samples])
    found = OnnxSpeechEncoder(verification / "live-speech.onnx").embed(speech[:samples])
    assert np.abs(expected).max() > 0.5
    assert np.abs(found - expected).max() < 1e-4


def test_the_graph_beside_the_weights_is_taken(folder):
    encoder = load_speech_encoder(folder / "live.safetensors")
    assert isinstance(encoder, OnnxSpeechEncoder)
    assert encoder.fingerprint == fingerprint(folder / "live.safetensors")
    assert isinstance(load_speech_encoder(str(folder / "live.onnx")), OnnxSpeechEncoder)


def test_a_graph_of_other_weights_is_not(folder, tmp_path, caplog):
    save_model(load_model(folder / "live.safetensors"), tmp_path / "live.safetensors", {"note": "trained further"})
    shutil.copy(folder / "live-speech.onnx", tmp_path)
    encoder = load_speech_encoder(tmp_path / "live.safetensors")
    assert isinstance(encoder, TorchSpeechEncoder)
    assert encoder.fingerprint == fingerprint(tmp_path / "live.safetensors")
    assert "other weights" in caplog.text


def test_without_graph_and_torch_it_says_what_to_do(folder, tmp_path, without):
    shutil.copy(folder / "live.safetensors", tmp_path)
    without("streamvc.checkpoint")
    with pytest.raises(RuntimeUnavailableError, match=r"needs PyTorch .*pip install 'streamvc\[torch\]'"):
        load_speech_encoder(tmp_path / "live.safetensors")


def test_no_weights_at_all(tmp_path):
    with pytest.raises(CheckpointError, match="no weights file"):
        load_speech_encoder(tmp_path / "none.safetensors")


def test_the_graphs_of_a_model_are_not_mistaken_for_each_other(folder, small_live):
    with pytest.raises(CheckpointError, match="graph of another part of the model"):
        OnnxRuntime(folder / "live-speech.onnx")
    with pytest.raises(CheckpointError, match="graph of another part of the model"):
        OnnxSpeechEncoder(small_live / "live.onnx")


def test_the_paper_model_has_no_such_graph(tmp_path):
    small = PaperConfig(content_channels=4, speech_channels=4, decoder_channels=4)
    save_model(build_model(small), tmp_path / "p.safetensors")
    with pytest.raises(ConfigError, match="Only the live model"):
        export_speech(tmp_path / "p.safetensors", tmp_path / "p-speech.onnx")
