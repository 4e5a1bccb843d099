"""Learning rates over the course of a stage."""

from __future__ import annotations

import math


def learning_rate(progress: float, peak: float, schedule: str, warm_up: float, floor: float) -> float:
    """The learning rate at `progress` (0 to 1): a linear rise from a twentieth of the peak, then the schedule.

    Args:
        progress: share of the stage that is done.
        peak: highest rate.
        schedule: `cosine` (half a period), `linear`, `exponential` (the same factor in equal times) or `constant`.
        warm_up: share of the stage that the rise takes.
        floor: rate at the end, as a share of the peak.
    """
    if progress < warm_up:
        return peak * (0.05 + 0.95 * progress / warm_up)
    fall = min(1.0, (progress - warm_up) / (1 - warm_up))
    if schedule == "constant":
        return peak
    if schedule == "linear":
        return peak * (1 + (floor - 1) * fall)
    if schedule == "exponential":
        return float(peak * max(floor, 1e-6) ** fall)
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * fall)))
