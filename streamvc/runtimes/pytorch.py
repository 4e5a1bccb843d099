"""The reference runtime: eager PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from streamvc.checkpoint import fingerprint, load_model
from streamvc.config import FRAME, LOOK_AHEAD_FRAMES
from streamvc.runtimes.base import Array, RuntimeState
from streamvc.state import flatten_state, unflatten_state


class TorchRuntime:
    """Steps a checkpoint in float32 on the CPU; any number of frames in one step.

    Raises:
        CheckpointError: the weights cannot be used (see :func:`streamvc.checkpoint.load_model`).
    """

    name = "torch"
    frame = FRAME
    look_ahead = FRAME * LOOK_AHEAD_FRAMES

    def __init__(self, weights: Path) -> None:
        self.model = load_model(weights)
        self.fingerprint = fingerprint(weights)
        self.latent_dim = self.model.config.latent_dim
        self.supports_formant = self.model.supports_formant
        self._silence = self.model.initial_state(1)

    def initial_state(self) -> RuntimeState:
        """The state before the first sample."""
        return tuple(flatten_state(self._silence))

    @torch.inference_mode()
    def step(
        self, samples: Array, latent: Array, controls: Array, state: RuntimeState
    ) -> tuple[Array, RuntimeState]:
        """See :class:`streamvc.runtimes.base.Runtime`."""
        rows = [torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)).unsqueeze(0) for x in (samples, latent, controls)]
        audio, after = self.model.step(rows[0], rows[1], rows[2], unflatten_state(self._silence, state))
        return audio[0].numpy(), tuple(flatten_state(after))
