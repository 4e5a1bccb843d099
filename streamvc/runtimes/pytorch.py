"""The reference runtime: eager PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from streamvc.checkpoint import fingerprint, load_model
from streamvc.config import FRAME, LOOK_AHEAD_FRAMES
from streamvc.model.live import LiveModel
from streamvc.runtimes.base import Array, RuntimeState
from streamvc.state import flatten_state, unflatten_state


class TorchRuntime:
    """Steps a checkpoint on the CPU, any number of frames in one step: the network in float32, pitch in float64.

    Raises:
        CheckpointError: the weights cannot be used (see :func:`streamvc.checkpoint.load_model`).
    """

    name = "torch"
    frame = FRAME
    look_ahead = FRAME * LOOK_AHEAD_FRAMES

    def __init__(self, weights: Path) -> None:
        self.model = load_model(weights)
        if isinstance(self.model, LiveModel):
            self.model.analyse_in_double()
        self.fingerprint = fingerprint(weights)
        self.latent_dim = self.model.config.latent_dim
        self.adaptation_dim = self.model.decoder.adaptation_dim if isinstance(self.model, LiveModel) else 0
        self.supports_formant = self.model.supports_formant
        self.batched = isinstance(self.model, LiveModel)  # the rows of a paper state are not streams alone
        self._silence = self.model.initial_state(1)

    def initial_state(self) -> RuntimeState:
        """The state of one stream before the first sample."""
        return tuple(flatten_state(self._silence))

    def step(
        self, samples: Array, latent: Array, controls: Array, state: RuntimeState
    ) -> tuple[Array, RuntimeState]:
        """See :class:`streamvc.runtimes.base.Runtime`."""
        audio, after = self.step_batch(samples[np.newaxis], latent[np.newaxis], controls[np.newaxis], state)
        return audio[0], after

    @torch.inference_mode()
    def step_batch(
        self, samples: Array, latents: Array, controls: Array, state: RuntimeState
    ) -> tuple[Array, RuntimeState]:
        """See :class:`streamvc.runtimes.base.Runtime`."""
        x, voices, how = (torch.from_numpy(np.array(array, dtype=np.float32)) for array in (samples, latents, controls))
        leaves = [torch.as_tensor(leaf) for leaf in state]
        audio, after = self.model.step(x, voices, how, unflatten_state(self._silence, leaves))
        return audio.numpy(), tuple(flatten_state(after))
