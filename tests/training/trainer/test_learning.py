"""Every stage can learn: one batch by heart, and something that holds for others."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamvc.training.trainer.launch import train

LIVE = {"name": "live", "encoder_blocks": 2, "speech_width": 16, "speech_blocks": 1, "decoder_width": 16}


def test_stage_1_learns_one_batch_by_heart(make_recipe, read_curve, tmp_path: Path) -> None:
    recipe = make_recipe(
        "content", one_batch=True, steps=100, log_every=10, evaluate_every=1_000, rate=0.01, dropout=0.0, batch=2,
        warm_up=0.0, agreement=0.0, schedule="constant", model={**LIVE, "encoder_width": 32},
    )
    train(recipe, tmp_path / "run")
    losses = [line["loudness"] for line in read_curve(tmp_path / "run/content") if "loudness" in line]
    assert losses[0] > 1.5
    assert losses[-1] < 0.2 * losses[0]


def test_stage_2_learns_one_batch_by_heart(make_recipe, read_curve, tmp_path: Path) -> None:
    recipe = make_recipe(
        "decoder", one_batch=True, steps=60, log_every=5, evaluate_every=1_000, rate=0.02, batch=2, warm_up=0.0,
    )
    train(recipe, tmp_path / "run")
    losses = [line["spectral"] for line in read_curve(tmp_path / "run/decoder") if "spectral" in line]
    assert losses[0] > 1.5
    assert losses[-1] < 0.45 * losses[0]


def test_the_paper_learns_one_batch_by_heart(make_recipe, read_curve, tmp_path: Path) -> None:
    recipe = make_recipe(
        "paper", one_batch=True, steps=40, log_every=10, evaluate_every=1_000, rate=1e-3, batch=2, critics=[],
        model={"name": "paper", "content_channels": 8, "speech_channels": 4, "decoder_channels": 4},
        top={"bf16": False},
    )
    train(recipe, tmp_path / "run")
    lines = [line for line in read_curve(tmp_path / "run/paper") if "loss" in line]
    assert lines[-1]["units"] < 0.3 * lines[0]["units"]
    assert lines[-1]["spectral"] < 0.7 * lines[0]["spectral"]


@pytest.mark.parametrize("stage", ["content", "duel", "paper"])
def test_pieces_of_a_batch_are_the_batch(make_recipe, read_curve, tmp_path: Path, stage: str) -> None:
    """Accumulated gradients are those of the whole batch, but for what each piece is divided by."""
    for pieces in (1, 2):
        train(make_recipe(stage, accumulate=pieces, steps=1), tmp_path / str(pieces))
    one, two = (next(x for x in read_curve(tmp_path / n / stage) if "loss" in x) for n in ("1", "2"))
    for name in ("loss", "gradient"):
        assert one[name] == pytest.approx(two[name], rel=0.1)
