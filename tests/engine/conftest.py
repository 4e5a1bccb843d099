"""Engines over a small model, speech to feed them, and a model that buzzes plainly enough to be measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from streamvc.config import FRAME, LiveConfig
from streamvc.controls import Voice
from streamvc.engine import Engine
from streamvc.runtimes.base import Array, Runtime
from streamvc.runtimes.onnx import OnnxRuntime
from streamvc.runtimes.pytorch import TorchRuntime


@pytest.fixture(scope="session")
def runtime(small_live: Path) -> Runtime:
    return OnnxRuntime(small_live / "live.onnx")


@pytest.fixture(scope="session")
def voices() -> list[Voice]:
    latents = np.random.default_rng(3).standard_normal((3, 64))
    return [Voice(latents[0], 4.7, 0.2), Voice(latents[1], 5.3, 0.3), Voice(latents[2], 5.0, 0.1)]


@pytest.fixture
def engine(runtime: Runtime, voices: list[Voice]) -> Engine:
    return Engine(runtime, voices[0])


@pytest.fixture(scope="session")
def speech(example_speech: Path) -> Array:
    """Two seconds in the middle of the example, in whole frames."""
    samples, _ = soundfile.read(example_speech, dtype="float32")
    return samples[40 * FRAME : 140 * FRAME]


@pytest.fixture(scope="session")
def buzz(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    """A model that says only pulses through one resonance at 1 kHz: pitch and formant can be read from its output."""
    from streamvc.checkpoint import save_model
    from streamvc.model.live import LiveModel

    config = LiveConfig(
        encoder_width=16, encoder_blocks=1, speech_width=16, speech_blocks=1, decoder_width=16, decoder_blocks=1,
        fine_width=16, fine_blocks=1,
    )
    model = LiveModel(config)
    order = torch.arange(1, config.pulse_cepstrum)
    resonance = 2 * 0.97**order * torch.cos(2 * torch.pi * 1000 / 16_000 * order) / order
    cepstrum = torch.zeros(config.pulse_cepstrum + config.noise_cepstrum)
    cepstrum[1 : config.pulse_cepstrum] = resonance
    cepstrum[config.pulse_cepstrum] = -9.0  # hardly any noise
    with torch.no_grad():
        model.decoder.head.weight.zero_()
        model.decoder.head.bias.copy_(cepstrum / model.decoder.slope)
    path = tmp_path_factory.mktemp("buzz") / "buzz.safetensors"
    save_model(model, path)
    return TorchRuntime(path)


@pytest.fixture(scope="session")
def pieces() -> Callable[..., Array]:
    """`pieces(engine, samples, sizes)`: the output of processing so many frames at a time."""

    def go(engine: Engine, samples: Array, sizes: tuple[int, ...] = (1,)) -> Array:
        outputs, start, turn = [], 0, 0
        while start < len(samples):
            stop = start + sizes[turn % len(sizes)] * FRAME
            outputs.append(engine.process(samples[start:stop]))
            start, turn = stop, turn + 1
        return np.concatenate(outputs)

    return go
