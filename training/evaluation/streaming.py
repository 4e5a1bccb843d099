"""The conversion that users hear: the streaming engine, one frame at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streamvc.checkpoint import load_model
from streamvc.config import FRAME
from streamvc.engine import Engine
from streamvc.runtimes import Runtime, default_weights, load_runtime
from streamvc.training.evaluation.convert import padded_to_frames, voice_of
from streamvc.training.evaluation.pairs import Wave


class EngineConverter:
    """Convert as users do: the streaming engine, 20 ms at a time, its delay removed afterwards.

    The voice of a recording comes from the same weights' speech encoder.

    Args:
        weights: a .safetensors file; None for the shipped ones.
        backend: "onnx" (a graph of the same name, `.onnx`, lies beside the weights), "torch", or "auto".

    Raises:
        CheckpointError: the weights cannot be used.
        RuntimeUnavailableError: the backend is not installed.
    """

    def __init__(self, weights: Path | None = None, backend: str = "auto") -> None:
        self.runtime: Runtime = load_runtime(backend, weights)
        self._model = load_model(weights if weights is not None else default_weights())

    def __call__(self, source: Wave, target: Wave | str, /) -> Wave:
        """Convert `source` [samples] to the voice of a recording [samples] or a preset; raises as `voice_of`."""
        voice, controls = voice_of(self._model, target, self.runtime.fingerprint)
        engine = Engine(self.runtime, voice, controls)
        start = engine.latency.look_ahead
        padded = padded_to_frames(source, start)
        frames = [engine.process(padded[at : at + FRAME]) for at in range(0, padded.size, FRAME)]
        return np.concatenate(frames)[start : start + source.size]
