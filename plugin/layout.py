"""Arrays as callers have them, and as the adapter wants them: [channels, samples]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamvc.errors import AudioError
from streamvc.plugin.adapter import MAX_CHANNELS
from streamvc.plugin.fifo import Samples


@dataclass(frozen=True)
class Layout:
    """How one array lies in memory.

    Args:
        channels: 1 to 8.
        by_samples: whether it is [samples, channels].
    """

    channels: int
    by_samples: bool = False


def as_planar(array: npt.ArrayLike, known: Layout | None = None) -> tuple[Samples, Layout]:
    """Audio as float32 [channels, samples], and the layout it came in.

    Args:
        array: float32 or float64: [samples], [channels, samples] with up to 8 channels, or [samples, channels] with up
            to 8 channels and more samples than that. An array of up to 8 by up to 8 is one of channels by samples,
            unless only the other reading agrees with `known`.
        known: layout of the stream so far.

    Raises:
        AudioError: it has another type or shape.
    """
    audio = np.asarray(array)
    if audio.dtype not in (np.float32, np.float64):
        raise AudioError(
            f"Audio must be float32 or float64 with full scale at 1, not {audio.dtype}: "
            "convert it first (16-bit integers: divide by 32768)."
        )
    if audio.ndim not in (1, 2):
        raise AudioError(f"Audio must be [samples] or [channels, samples], not {list(audio.shape)}.")
    if audio.ndim == 1:
        layout = Layout(1)
        planar = audio.reshape(1, -1)
    else:
        layout = _layout(audio.shape[0], audio.shape[1], known)
        planar = audio.T if layout.by_samples else audio
    return np.ascontiguousarray(planar, dtype=np.float32), layout


def _layout(rows: int, columns: int, known: Layout | None) -> Layout:
    if rows > MAX_CHANNELS >= columns:
        return Layout(columns, by_samples=True)
    # A stream that came as [samples, channels] may end in a block of few samples.
    if known is not None and known.by_samples and columns == known.channels and rows <= MAX_CHANNELS:
        return known
    return Layout(rows)


def as_given(planar: Samples, layout: Layout, shape: tuple[int, ...]) -> Samples:
    """The inverse: audio [channels, samples] in the layout and shape of the array that it came from."""
    return planar.T if layout.by_samples else planar.reshape(shape)
