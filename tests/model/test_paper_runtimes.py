"""The `paper` configuration sounds the same in both runtimes, through its own files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from streamvc.checkpoint import save_model
from streamvc.config import FRAME, PaperConfig
from streamvc.model import build_model
from streamvc.runtimes.export import export_onnx
from streamvc.runtimes.onnx import OnnxRuntime
from streamvc.runtimes.pytorch import TorchRuntime

CONTROLS = np.array([5.3, 0.2, 2.0, 0.0, 1.2, 0.0], np.float32)


@pytest.fixture(scope="module")
def runtimes(tmp_path_factory) -> tuple[TorchRuntime, OnnxRuntime]:
    folder: Path = tmp_path_factory.mktemp("paper")
    torch.manual_seed(0)
    model = build_model(PaperConfig(content_channels=4, speech_channels=4, decoder_channels=4))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 3:
                parameter.mul_(1.7)  # signal has to come through an untrained stack
    save_model(model, folder / "m.safetensors")
    export_onnx(folder / "m.safetensors", folder / "m.onnx")
    return TorchRuntime(folder / "m.safetensors"), OnnxRuntime(folder / "m.onnx")


def run(runtime, samples, sizes):
    state, pieces, start, turn = runtime.initial_state(), [], 0, 0
    latent = np.random.default_rng(3).standard_normal(64).astype(np.float32)
    while start < len(samples):
        stop = start + sizes[turn % len(sizes)] * FRAME
        y, state = runtime.step(samples[start:stop], latent, CONTROLS, state)
        pieces.append(y)
        start, turn = stop, turn + 1
    return np.concatenate(pieces)


def test_the_graph_says_what_the_weights_say(runtimes):
    reference, graph = runtimes
    assert reference.fingerprint == graph.fingerprint
    assert reference.supports_formant == graph.supports_formant
    assert reference.latent_dim == graph.latent_dim == 64
    assert (reference.frame, reference.look_ahead) == (graph.frame, graph.look_ahead) == (FRAME, 2 * FRAME)


def test_both_runtimes_say_the_same(runtimes, voice):
    samples = voice(40 * FRAME, dtype=torch.float32).numpy()
    expected, actual = (run(runtime, samples, [1, 3]) for runtime in runtimes)
    assert np.abs(expected).max() > 0.01
    assert np.abs(actual - expected).max() <= 1e-4 * np.abs(expected).max()


def test_a_graph_streams(runtimes, voice):
    samples = voice(20 * FRAME, dtype=torch.float32).numpy()
    graph = runtimes[1]
    assert np.array_equal(run(graph, samples, [20]), run(graph, samples, [1, 4, 2]))
