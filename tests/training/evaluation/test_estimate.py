"""Ratios, means and their bootstrap intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamvc.errors import EvaluationError
from streamvc.training.evaluation.estimate import bootstrap_ratio


def test_a_ratio_is_pooled_and_not_a_mean_of_ratios() -> None:
    estimate = bootstrap_ratio([0, 9], [1, 9])
    assert estimate is not None
    assert estimate.value == pytest.approx(0.9)
    assert estimate.count == 2


def test_without_denominators_it_is_the_mean() -> None:
    estimate = bootstrap_ratio([1.0, 2.0, 6.0])
    assert estimate is not None
    assert estimate.value == pytest.approx(3.0)
    assert 1.0 <= estimate.low < 3.0 < estimate.high <= 6.0


def test_equal_scores_leave_no_doubt() -> None:
    estimate = bootstrap_ratio([0.5] * 7)
    assert estimate is not None
    assert (estimate.low, estimate.high) == (0.5, 0.5)


def test_the_interval_has_the_width_that_normal_theory_gives() -> None:
    scores = np.random.default_rng(1).normal(3.0, 2.0, size=400)
    estimate = bootstrap_ratio(list(scores))
    assert estimate is not None
    half = 1.96 * scores.std() / np.sqrt(scores.size)
    assert estimate.low == pytest.approx(scores.mean() - half, abs=0.03)
    assert estimate.high == pytest.approx(scores.mean() + half, abs=0.03)


def test_about_95_of_100_intervals_hold_the_true_value() -> None:
    rng = np.random.default_rng(2)
    hits = 0
    for trial in range(200):
        estimate = bootstrap_ratio(list(rng.normal(1.0, 1.0, size=40)), resamples=300, seed=trial)
        assert estimate is not None
        hits += estimate.low <= 1.0 <= estimate.high
    assert 176 <= hits <= 198


def test_the_same_seed_gives_the_same_interval() -> None:
    scores = [0.1, 0.7, 0.4, 0.9, 0.23, 0.31, 0.77]
    assert bootstrap_ratio(scores, seed=5) == bootstrap_ratio(scores, seed=5)
    assert bootstrap_ratio(scores, seed=5, resamples=50) != bootstrap_ratio(scores, seed=6, resamples=50)


def test_nothing_gives_nothing() -> None:
    assert bootstrap_ratio([]) is None
    assert bootstrap_ratio([1.0, 2.0], [0.0, 0.0]) is None


def test_draws_without_words_say_nothing_and_do_no_harm() -> None:
    estimate = bootstrap_ratio([0.0, 1.0], [0.0, 4.0])
    assert estimate is not None
    assert (estimate.value, estimate.low) == (0.25, 0.25)


@pytest.mark.parametrize(("top", "bottom"), [([1.0, float("nan")], None), ([1.0], [1.0, 2.0]), ([1.0], [float("inf")])])
def test_bad_numbers_are_refused(top: list[float], bottom: list[float] | None) -> None:
    with pytest.raises(EvaluationError):
        bootstrap_ratio(top, bottom)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 30)), min_size=1, max_size=20))
def test_the_interval_lies_within_the_range_of_the_single_ratios(counts: list[tuple[int, int]]) -> None:
    estimate = bootstrap_ratio([a for a, _ in counts], [b for _, b in counts], resamples=200)
    assert estimate is not None
    ratios = [a / b for a, b in counts]
    assert min(ratios) - 1e-9 <= estimate.low <= estimate.high <= max(ratios) + 1e-9
