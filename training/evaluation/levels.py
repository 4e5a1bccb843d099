"""Is it a usable signal at all? Peak, level, clipping, silence, numbers that are no numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from streamvc.training.evaluation.pairs import Wave

CLIPPED_FROM: Final = 0.999
"""Magnitude from which a sample counts as clipped (full scale is 1)."""

SILENT_BELOW_DB: Final = -60.0
"""RMS level in dB of full scale below which a whole utterance counts as silent."""

_FLOOR_DB: Final = -120.0


@dataclass(frozen=True)
class Levels:
    """Level of one wave.

    Args:
        peak_db: largest magnitude, dB of full scale, not below -120.
        rms_db: root mean square, dB of full scale, not below -120.
        clipped: share of samples, 0 to 1, at or beyond full scale.
        finite: no sample is NaN or infinite. The other numbers then ignore those that are.
        silent: the RMS level is below -60 dB.
    """

    peak_db: float
    rms_db: float
    clipped: float
    finite: bool
    silent: bool

    @property
    def usable(self) -> bool:
        """It can be listened to: finite and not silent."""
        return self.finite and not self.silent


def measure_levels(wave: Wave) -> Levels:
    """Measure the levels of `wave` [samples], full scale at 1."""
    valid = wave[np.isfinite(wave)].astype(np.float64)
    finite = valid.size == wave.size
    if valid.size == 0:
        return Levels(_FLOOR_DB, _FLOOR_DB, 0.0, finite, True)
    rms_db = _decibels(float(np.sqrt((valid * valid).mean())))
    return Levels(
        peak_db=_decibels(float(np.abs(valid).max())),
        rms_db=rms_db,
        clipped=float((np.abs(valid) >= CLIPPED_FROM).mean()),
        finite=finite,
        silent=rms_db < SILENT_BELOW_DB,
    )


def _decibels(amplitude: float) -> float:
    return max(_FLOOR_DB, 20.0 * float(np.log10(max(amplitude, 1e-12))))
