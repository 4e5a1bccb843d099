"""Recipes that are small enough to be trained in every test."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from streamvc.training.trainer.recipe import Recipe, parse_recipe

LIVE = {
    "name": "live", "encoder_width": 16, "encoder_blocks": 2, "speech_width": 16, "speech_blocks": 1,
    "decoder_width": 16, "decoder_blocks": 1, "fine_width": 16, "fine_blocks": 1,
}  # fmt: skip
PAPER = {"name": "paper", "content_channels": 2, "speech_channels": 2, "decoder_channels": 2}
QUICK = {"steps": 6, "log_every": 1, "evaluate_every": 3, "show_every": 0}
STAGES: dict[str, dict[str, Any]] = {
    "content": {"kind": "content", "units": ["loudness"], "batch": 4, "frames": 32, **QUICK},
    "decoder": {"kind": "decoder", "batch": 4, "frames": 20, "held_out": 2, **QUICK},
    "duel": {
        "kind": "decoder", "batch": 4, "frames": 24, "held_out": 2, "critics": ["envelope"], "critic_width": 0.1,
        "critic_samples": 6_000, "weights": {"fooling": 0.6, "features": 6.0, "swap": 0.5, "words": 0.5, "buzz": 1.0},
        **QUICK,
    },
    "paper": {
        "kind": "paper", "units": "loudness", "batch": 4, "frames": 32, "reference_frames": 40, "held_out": 2,
        "critic_width": 0.1, "critic_samples": 6_000, **QUICK,
    },
}  # fmt: skip
"""One stage of each sort, of a few steps."""


@pytest.fixture
def make_recipe(corpus_folder: Path) -> Callable[..., Recipe]:
    """`make_recipe("content", "decoder", rate=...)`: these stages of `STAGES`, with other values for keys of all."""

    def make(
        *stages: str, model: dict[str, Any] | None = None, top: dict[str, Any] | None = None, **keys: Any
    ) -> Recipe:
        return parse_recipe({
            "name": "tiny", "corpus": str(corpus_folder), "device": "cpu", "tensorboard": False, **(top or {}),
            "model": model or (PAPER if "paper" in stages else LIVE),
            "stages": {name: {**STAGES[name], **keys} for name in stages},
        })  # fmt: skip

    return make


def curve(folder: Path) -> list[dict[str, float]]:
    """The log of a stage without what depends on the clock."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("minutes", "speed")} for line in lines]


def learnt(folder: Path) -> dict[str, Any]:
    """Everything in the state of a stage but the clock."""
    state = torch.load(folder / "state.pt", weights_only=True)
    return {k: v for k, v in state.items() if k != "minutes"}


def same(a: Any, b: Any) -> bool:
    """Whether two states are equal, bit for bit."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


@pytest.fixture
def read_curve() -> Callable[[Path], list[dict[str, float]]]:
    """See :func:`curve`."""
    return curve


@pytest.fixture
def assert_same_state() -> Callable[[Path, Path], None]:
    """Two stages learnt the same, bit for bit: parameters, moments of optimisers, averages, means."""

    def check(a: Path, b: Path) -> None:
        first, second = learnt(a), learnt(b)
        for name in first:
            assert same(first[name], second[name]), name

    return check
