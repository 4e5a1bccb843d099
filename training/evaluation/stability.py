"""Does the output stay within bounds, whatever goes in? Nothing explodes, and silence stays silent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from streamvc.config import SAMPLE_RATE
from streamvc.training.evaluation.pairs import Wave

PEAK_DB: Final = 12.0
"""Peak of an output, dB of full scale, above which it counts as exploded. Speech that is as loud as a clipped source,
but not clipped itself, reaches some dB above full scale."""
EXCESS_DB: Final = 12.0
"""By how much the loudest 100 ms of an output may exceed the loudest 100 ms of its source."""
SILENCE_DB: Final = -60.0
"""Level of the loudest 100 ms, dB of full scale, up to which an output counts as silent."""
TAIL_SECONDS: Final = 1.0
"""What a conversion may take to become silent once the speech has ended."""

_FLOOR_DB: Final = -120.0
_WINDOW: Final = SAMPLE_RATE // 10


@dataclass(frozen=True)
class Stability:
    """Level of an output beside that of its source: peak, and loudest 100 ms of both, dB of full scale from -120 up.

    `finite` tells whether no sample is NaN or infinite; the levels ignore those that are.
    """

    peak_db: float
    loudest_db: float
    source_loudest_db: float
    finite: bool

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, in words; empty when nothing is."""
        found = []
        if not self.finite:
            found.append("samples that are not finite")
        if self.peak_db > PEAK_DB:
            found.append(f"a peak of {self.peak_db:.1f} dB")
        # Below the level that counts as silence, a ratio of levels says nothing.
        if self.loudest_db > max(self.source_loudest_db + EXCESS_DB, SILENCE_DB):
            found.append(f"{self.loudest_db - self.source_loudest_db:.1f} dB more than the source")
        return tuple(found)


def measure_stability(source: Wave, output: Wave) -> Stability:
    """Compare the levels of an output [samples] and of its source [samples]."""
    valid = np.nan_to_num(output, nan=0.0, posinf=0.0, neginf=0.0)
    peak = float(np.abs(valid).max(initial=0.0))
    return Stability(
        peak_db=max(_FLOOR_DB, 20.0 * float(np.log10(max(peak, 1e-12)))),
        loudest_db=loudest_db(valid),
        source_loudest_db=loudest_db(source),
        finite=bool(np.isfinite(output).all()),
    )


def loudest_db(wave: Wave) -> float:
    """Root mean square of the loudest 100 ms of `wave` [samples], dB of full scale, not below -120."""
    padded = np.pad(wave.astype(np.float64), (0, -wave.size % _WINDOW))
    if padded.size == 0:
        return _FLOOR_DB
    power = float(np.square(padded).reshape(-1, _WINDOW).mean(axis=1).max())
    return max(_FLOOR_DB, 10.0 * float(np.log10(max(power, 1e-24))))
