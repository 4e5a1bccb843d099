"""Which pairs to listen to first: the worst ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from streamvc.training.evaluation.runner import Judged
from streamvc.training.evaluation.summary import MEASURES, Measure

KEYS: Final = ("wer", "secs_target", "f0_pcc", "mos")
"""The measures that count: one each for words, speaker, intonation and naturalness."""


def value_of(measure: Measure, one: Judged) -> float | None:
    """A measure of the conversion of one pair (WER: its own errors over its own words); None where it has none."""
    parts = measure.parts(one.converted)
    return None if parts is None or parts[1] == 0 else parts[0] / parts[1]


def badness(judged: Sequence[Judged]) -> list[float]:
    """Mean rank of each pair over `KEYS` among all pairs, 0 (best of all in everything) to 1 (worst of all)."""
    ranks: list[list[float]] = [[] for _ in judged]
    for measure in (one for one in MEASURES if one.key in KEYS):
        values = [value_of(measure, one) for one in judged]
        known = [number for number, value in enumerate(values) if value is not None]
        sign = -1.0 if measure.better == "higher" else 1.0
        order = _ranks(np.array([sign * (values[number] or 0.0) for number in known]))
        for number, rank in zip(known, order, strict=True):
            ranks[number].append(float(rank))
    return [float(np.mean(own)) if own else 0.0 for own in ranks]


def weak(judged: Sequence[Judged]) -> list[set[str]]:
    """For each pair the keys of the measures in which it belongs to the worst quarter, ties left out."""
    found: list[set[str]] = [set() for _ in judged]
    for measure in (one for one in MEASURES if one.better):
        values = [value_of(measure, one) for one in judged]
        sign = -1.0 if measure.better == "higher" else 1.0
        known = np.array([sign * value for value in values if value is not None])
        if known.size < 4:
            continue
        limit = float(np.quantile(known, 0.75))
        for number, value in enumerate(values):
            if value is not None and sign * value > limit:
                found[number].add(measure.key)
    return found


def _ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Ranks from 0 to 1, equal values sharing the mean of theirs."""
    if values.size < 2:
        return np.zeros(values.size)
    below = (values[None, :] < values[:, None]).sum(axis=1)
    equal = (values[None, :] == values[:, None]).sum(axis=1)
    return np.asarray((below + (equal - 1) / 2) / (values.size - 1), dtype=np.float64)
