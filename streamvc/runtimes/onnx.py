"""The default runtime: one ONNX graph of the whole step, on one thread, without torch.

A step is a plain `run` with new arrays: binding inputs and outputs to buffers of our own was measured and is not faster
(docs/performance.md), and a state that is handed out must stay as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from streamvc.config import FRAME, LOOK_AHEAD_FRAMES
from streamvc.runtimes.base import Array, RuntimeState, next_state
from streamvc.runtimes.session import open_session


class OnnxRuntime:
    """Steps a graph that :mod:`streamvc.runtimes.export` wrote, frame by frame.

    Raises:
        RuntimeUnavailableError: ONNX Runtime is not installed.
        CheckpointError: the file is missing or is not such a graph.
    """

    name = "onnx"
    frame = FRAME
    look_ahead = FRAME * LOOK_AHEAD_FRAMES

    def __init__(self, graph: Path) -> None:
        self._session, meta = open_session(graph, "step")
        self.fingerprint = str(meta["fingerprint"])
        self.latent_dim, self.adaptation_dim = int(meta["latent_dim"]), int(meta["adaptation_dim"])
        self.supports_formant, self.batched = bool(meta["supports_formant"]), bool(meta["batched"])
        self.precision, self._rings = str(meta["precision"]), int(meta["rings"])
        self._inputs = [i.name for i in self._session.get_inputs()]
        self._outputs = [o.name for o in self._session.get_outputs()]
        self._silence = tuple(_initial(state) for state in meta["state"])

    def initial_state(self) -> RuntimeState:
        """The state of one stream before the first sample."""
        return self._silence

    def step(
        self, samples: Array, latent: Array, controls: Array, state: RuntimeState
    ) -> tuple[Array, RuntimeState]:
        """See :class:`streamvc.runtimes.base.Runtime`."""
        audio, state = self.step_batch(samples[np.newaxis], latent[np.newaxis], controls[np.newaxis], state)
        return audio[0], state

    def step_batch(
        self, samples: Array, latents: Array, controls: Array, state: RuntimeState
    ) -> tuple[Array, RuntimeState]:
        """See :class:`streamvc.runtimes.base.Runtime`."""
        samples = np.asarray(samples, np.float32)
        if latents.shape[1] == self.latent_dim and self.adaptation_dim:
            latents = np.pad(latents, ((0, 0), (0, self.adaptation_dim)))
        voices = np.ascontiguousarray(latents, np.float32), np.ascontiguousarray(controls, np.float32)
        outputs = []
        for start in range(0, samples.shape[1], FRAME):
            frame = np.ascontiguousarray(samples[:, start : start + FRAME])
            audio, *after = self._session.run(
                self._outputs, dict(zip(self._inputs, (frame, *voices, *state), strict=True))
            )
            outputs.append(audio)
            state = next_state(state, after, self._rings)
        return (outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=1)), state


def _initial(state: dict[str, Any]) -> np.ndarray:
    flat = np.zeros(int(np.prod(state["shape"])), state["dtype"])
    flat[state["places"]] = state["values"]
    return flat.reshape(state["shape"])
