"""A number, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamvc.errors import EvaluationError

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A value with its bootstrap confidence interval, from `count` pairs."""

    value: float
    low: float
    high: float
    count: int


def bootstrap_ratio(
    numerators: Sequence[float],
    denominators: Sequence[float] | None = None,
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> Estimate | None:
    """Estimate sum(numerators) / sum(denominators) over pairs, with a percentile bootstrap interval.

    Pairs are drawn with replacement, numerator and denominator together (Efron, 1979). With errors over words this is
    the pooled word error rate; without denominators it is the mean. Pairs that share a speaker are not independent,
    so the interval speaks about these voices, not about all voices.

    Args:
        numerators: one finite number per pair.
        denominators: one number of at least 0 per pair; None stands for ones.
        resamples: how many bootstrap samples to draw.
        level: coverage of the interval, between 0 and 1.
        seed: of the draws; the same seed gives the same interval.

    Returns:
        None when there is no pair, or when the denominators add up to 0.

    Raises:
        EvaluationError: the lengths differ, or a number is not finite.
    """
    top = np.asarray(numerators, dtype=np.float64)
    bottom = np.ones_like(top) if denominators is None else np.asarray(denominators, dtype=np.float64)
    if top.shape != bottom.shape:
        raise EvaluationError(f"A ratio needs as many denominators as numerators, not {bottom.size} and {top.size}.")
    if not (np.isfinite(top).all() and np.isfinite(bottom).all()):
        raise EvaluationError("A score is not a finite number, so that no interval can be given: leave that pair out.")
    if bottom.sum() <= 0:
        return None
    draws = np.random.default_rng(seed).integers(0, top.size, size=(resamples, top.size))
    drawn_bottom = bottom[draws].sum(axis=1)
    # A draw can consist of pairs without words only; it says nothing about the rate.
    usable = drawn_bottom > 0
    ratios = top[draws].sum(axis=1)[usable] / drawn_bottom[usable]
    low, high = np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(top.sum() / bottom.sum()), float(low), float(high), int(top.size))
