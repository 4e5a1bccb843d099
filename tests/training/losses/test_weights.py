"""Weights of the losses: the paper's, those behind the shipped model, and what is refused."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from streamvc.errors import ConfigError
from streamvc.training.losses.weights import LossWeights, loss_weights


def test_defaults_are_those_of_the_papers_and_of_the_shipped_model() -> None:
    paper = dataclasses.asdict(loss_weights("paper"))
    assert {k: v for k, v in paper.items() if v} == {"reconstruction": 1, "fooling": 1, "features": 100}
    live = dataclasses.asdict(loss_weights("live"))
    assert {k: v for k, v in live.items() if v} == {
        "reconstruction": 2, "fooling": 0.6, "features": 6, "verified": 6, "nearer": 4, "words": 9, "buzz": 1,
    }
    with pytest.raises(ConfigError, match="paper, live"):
        loss_weights("large")


def test_the_total_is_the_weighted_sum() -> None:
    weights = LossWeights(reconstruction=2, fooling=0.5)
    a, b = torch.tensor(3.0, requires_grad=True), torch.tensor(4.0, requires_grad=True)
    total = weights.total({"reconstruction": a, "fooling": b})
    total.backward()
    assert total.item() == 8
    assert a.grad is not None
    assert b.grad is not None
    assert (a.grad.item(), b.grad.item()) == (2, 0.5)
    with pytest.raises(KeyError, match="named"):
        weights.total({"reconstructed": a})
    with pytest.raises(KeyError):
        weights.total({})


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), "1", True, None])
def test_a_weight_that_is_none_is_named(value: object) -> None:
    with pytest.raises(ConfigError, match="features"):
        LossWeights(features=value)  # type: ignore[arg-type]
