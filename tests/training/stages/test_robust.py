"""Hearing in damaged speech what was heard in clean speech."""

from __future__ import annotations

from collections.abc import Callable

import torch

from streamvc.training.perturbation import PerturbationConfig
from streamvc.training.stages.base import Stage
from streamvc.training.stages.robust import RobustLearner
from streamvc.training.trainer.batches import draw_rows


def test_it_learns_to_hear_through_noise_and_leaves_teacher_and_decoder_alone(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage("robust", perturbation=PerturbationConfig(noise=1.0, noise_decibels=(5.0, 5.0)), strength=0.0)
    learner = stage.learner
    assert isinstance(learner, RobustLearner)
    others = {k: v.clone() for k, v in learner.state_dict().items() if "content_encoder" not in k}
    before = stage.evaluate()
    assert before["valid_clean"] < 1e-6 < 0.05 < before["valid_distance"]
    optimiser = torch.optim.Adam(stage.parameters(), 3e-3)
    for step in range(40):
        batch = draw_rows(stage.rows, 0, step * 6, 6)
        loss = stage.losses(learner(batch), batch, step)["distance"].value
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    after = stage.evaluate()
    assert after["valid_distance"] < 0.8 * before["valid_distance"]
    assert all(torch.equal(learner.state_dict()[k], v) for k, v in others.items())
