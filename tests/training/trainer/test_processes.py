"""Two processes that share a batch train what one process trains with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from streamvc.training.trainer.launch import train


def train_in_two(recipe: object, folder: Path, *options: str) -> None:
    """By `torchrun`, over gloo, on this machine's CPU."""
    given = folder.with_suffix(".toml")
    recipe.save(given)  # type: ignore[attr-defined]
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d",
        "--rdzv-endpoint", "localhost:0", "-m", "streamvc.training", str(given), "--folder", str(folder), *options,
    ]  # fmt: skip
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert result.returncode == 0, result.stderr[-4_000:]


@pytest.mark.parametrize("stage", ["content", "duel", "paper"])
def test_two_processes_train_what_one_does(make_recipe, read_curve, tmp_path: Path, stage: str) -> None:
    # In float32, and with little learning: roundings differ, and a duel makes them grow.
    recipe = make_recipe(stage, rate=1e-4, schedule="constant", top={"bf16": False, "threads": 1})
    train(recipe, tmp_path / "one")
    if stage == "duel":
        # The second half is gone on with, by the state that the first process wrote for both.
        train_in_two(recipe, tmp_path / "two", "--until", "4")
        train_in_two(recipe, tmp_path / "two", "--resume")
    else:
        train_in_two(recipe, tmp_path / "two")
    one, two = (read_curve(tmp_path / name / stage) for name in ("one", "two"))
    assert [line["step"] for line in one] == [line["step"] for line in two]
    assert len(one) == 9
    for a, b in zip(one, two, strict=True):
        assert a.keys() == b.keys()
        for name, value in a.items():
            assert b[name] == pytest.approx(value, rel=3e-3, abs=1e-3), (name, a["step"])
    states = [torch.load(tmp_path / name / stage / "state.pt", weights_only=True) for name in ("one", "two")]
    assert states[0]["step"] == states[1]["step"] == 6
    moved = begun = 0.0
    for key, value in states[0]["learner"].items():
        if value.is_floating_point():
            moved += float((value - states[1]["learner"][key]).abs().sum())
            begun += float(value.abs().sum())
    assert moved < 1e-4 * begun
