"""The default runtime: one ONNX graph of the whole step, on one thread, without torch.

A step is a plain `run` with new arrays: binding inputs and outputs to buffers of our own was measured and is not faster
(docs/performance.md), and a state that is handed out must stay as it is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from streamvc.config import FRAME, LOOK_AHEAD_FRAMES
from streamvc.errors import CheckpointError, RuntimeUnavailableError
from streamvc.runtimes.base import GRAPH_SCHEMA, Array, RuntimeState


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
        try:
            import onnxruntime
        except ImportError:
            raise RuntimeUnavailableError(
                "The onnx backend needs ONNX Runtime; run `pip install onnxruntime` or choose --backend torch."
            ) from None
        if not graph.is_file():
            raise CheckpointError(
                f"There is no ONNX graph at {graph}; export it with `python -m streamvc.runtimes.export`."
            )
        options = onnxruntime.SessionOptions()
        # One core is what is promised; spinning would burn the others between two frames.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own exceptions share no public base class
            if not type(error).__module__.startswith("onnxruntime"):
                raise
            reason = str(error).splitlines()[0]
            raise CheckpointError(f"{graph} cannot be loaded ({reason}); export it again.") from error
        try:
            meta = json.loads(self._session.get_modelmeta().custom_metadata_map["streamvc"])
        except (KeyError, ValueError) as error:
            raise CheckpointError(f"{graph} is not a StreamVC graph; export it again.") from error
        if meta.get("schema") != GRAPH_SCHEMA:
            raise CheckpointError(f"{graph} was written by another version of streamvc; export it again.")
        self.fingerprint = str(meta["fingerprint"])
        self.latent_dim = int(meta["latent_dim"])
        self.supports_formant, self.batched = bool(meta["supports_formant"]), bool(meta["batched"])
        self.precision = str(meta["precision"])
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
        voices = np.ascontiguousarray(latents, np.float32), np.ascontiguousarray(controls, np.float32)
        outputs = []
        for start in range(0, samples.shape[1], FRAME):
            frame = np.ascontiguousarray(samples[:, start : start + FRAME])
            audio, *after = self._session.run(
                self._outputs, dict(zip(self._inputs, (frame, *voices, *state), strict=True))
            )
            outputs.append(audio)
            state = tuple(after)
        return (outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=1)), state


def _initial(state: dict[str, Any]) -> np.ndarray:
    flat = np.zeros(int(np.prod(state["shape"])), state["dtype"])
    flat[state["places"]] = state["values"]
    return flat.reshape(state["shape"])
