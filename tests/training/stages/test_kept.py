"""A content encoder that learns on and stays near to what it was, for a decoder that knows it."""

from __future__ import annotations

from collections.abc import Callable

import torch

from streamvc.training.stages.base import Stage
from streamvc.training.trainer.batches import draw_rows


def test_it_is_held_against_the_encoder_of_the_start_in_clean_speech(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage("content", kept=2.0)
    batch = draw_rows(stage.rows, 0, 0, 4)
    damaged = stage.losses(stage.learner(batch), batch, 0)["kept"]
    assert damaged.weight == 2.0
    assert damaged.value.item() > 0.05
    batch["views"] = batch["clean"].unsqueeze(1).repeat(1, 2, 1, 1)
    before = stage.losses(stage.learner(batch), batch, 0)["kept"]
    assert before.value.item() < 1e-6  # the encoder is still what it was
    encoder = stage.learner.model.content_encoder
    assert not any(p.requires_grad for p in stage.learner.teacher.parameters())
    with torch.no_grad():
        encoder.project.weight.copy_(encoder.project.weight.flip(0))
    moved = stage.losses(stage.learner(batch), batch, 0)["kept"].value
    assert moved.item() > 0.05
    moved.backward()
    assert encoder.project.weight.grad is not None
    assert stage.learner.heads.heads["loudness"].weight.grad is None


def test_without_it_no_clean_view_is_drawn(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage("content")
    batch = draw_rows(stage.rows, 0, 0, 2)
    assert "clean" not in batch
    assert "kept" not in stage.losses(stage.learner(batch), batch, 0)
