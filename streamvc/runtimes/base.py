"""The protocol behind which a model runs: numpy in, numpy out, explicit state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

GRAPH_SCHEMA = 4
"""Of the ONNX graphs that this version writes and reads."""

Array: TypeAlias = NDArray[np.float32]
RuntimeState: TypeAlias = tuple[Any, ...]
"""Opaque and immutable: a step gives a new one and leaves the old one as it was. Streams are rows of its arrays."""


class Runtime(Protocol):
    """One set of weights, ready to step. Holds no stream: any number of engines may share it."""

    name: str
    """`torch` or `onnx`."""
    frame: int
    """Samples per frame at 16 kHz."""
    look_ahead: int
    """Samples by which the output of `step` lags its input, at 16 kHz."""
    fingerprint: str
    """Of the weights; presets carry the one they were made for."""
    latent_dim: int
    """Size of the speaker latent."""
    adaptation_dim: int
    """Size of the adaptation that a latent may be followed by; 0 where the model takes none."""
    supports_formant: bool
    """Whether the formant control has an effect."""
    batched: bool
    """Whether `step_batch` takes more than one stream."""

    def initial_state(self) -> RuntimeState:
        """The state of one stream before the first sample: silence."""
        ...

    def step(
        self, samples: Array, latent: Array, controls: Array, state: RuntimeState
    ) -> tuple[Array, RuntimeState]:
        """Samples `[n * frame]` in, as many out, with `controls [N_CONTROLS]` and `latent [64]`.

        A latent that is followed by an adaptation is `[64 + adaptation_dim]` (`Voice.conditioning`).
        """
        ...

    def step_batch(
        self, samples: Array, latents: Array, controls: Array, state: RuntimeState
    ) -> tuple[Array, RuntimeState]:
        """Several streams: samples `[b, n * frame]`, `latents [b, 64]`, `controls [b, N_CONTROLS]` -> `[b, n * frame]`.

        Latents may all be followed by adaptations, of zeros where a voice has none (:func:`stack_latents`).
        The state is that of :func:`stack`: row by row what each stream has alone.
        """
        ...


def next_state(state: Sequence[Any], after: Sequence[Any], rings: int) -> RuntimeState:
    """The state after a step, given the one before and the arrays that the step gave.

    The last `rings` arrays of a state are past frames, of which a step gives the newest only: they move on by one, the
    oldest is dropped, and the newest comes last (see frame.py).
    """
    kept = len(state) - rings
    return (*after[:kept], *state[kept + 1 :], *after[kept:])


def stack(states: Sequence[RuntimeState]) -> RuntimeState:
    """The state of several streams, given theirs."""
    return tuple(np.concatenate(leaves) for leaves in zip(*states, strict=True))


def stack_latents(latents: Sequence[Array]) -> Array:
    """Latents with and without adaptation as rows of one array; zeros change nothing, and stand where there is none."""
    width = max(map(len, latents))
    stacked = np.zeros((len(latents), width), np.float32)
    for row, latent in zip(stacked, latents, strict=True):
        row[: len(latent)] = latent
    return stacked


def rows(state: RuntimeState, which: Sequence[int]) -> RuntimeState:
    """The state of some of the streams, in that order; a copy."""
    return tuple(np.asarray(leaf)[list(which)] for leaf in state)
