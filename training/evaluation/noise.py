"""The same pairs with noise in what is heard."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np

from streamvc.errors import EvaluationError
from streamvc.training.evaluation.conditions import NOISE_DB, pink_noise
from streamvc.training.evaluation.pairs import Pair

LEAST_DB: Final = -20.0
MOST_DB: Final = 60.0


def noisy(pairs: Iterable[Pair], ratio_db: float = NOISE_DB, seed: int = 0) -> list[Pair]:
    """Pairs whose conversions hear the source with pink noise, `ratio_db` below its speech.

    The noise of a source depends on its name, the ratio's seed and nothing else, so that every model hears the same.

    Raises:
        EvaluationError: the ratio is not from -20 to 60 dB.
    """
    if not (math.isfinite(ratio_db) and LEAST_DB <= ratio_db <= MOST_DB):
        raise EvaluationError(f"The noise must be {LEAST_DB:g} to {MOST_DB:g} dB below the speech, not {ratio_db:g}.")
    return [replace(pair, heard=pink_noise(pair.source, _random(pair, seed), ratio_db)) for pair in pairs]


def _random(pair: Pair, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, *pair.source_id.encode()])
