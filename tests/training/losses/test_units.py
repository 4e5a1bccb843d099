"""The loss of stage 1 names the frame that the encoder describes, two frames late."""

from __future__ import annotations

import torch

from streamvc.config import LOOK_AHEAD_FRAMES
from streamvc.training.content import WARM_UP_FRAMES, accuracy, unit_loss
from streamvc.training.data import IGNORE


def test_it_lines_up_with_the_look_ahead() -> None:
    frames, units = 40, 7
    labels = torch.randint(0, units, (2, frames), generator=torch.Generator().manual_seed(0))
    logits = torch.zeros(2, frames, units)
    late = torch.nn.functional.one_hot(labels, units).float() * 20
    logits[:, LOOK_AHEAD_FRAMES:] = late[:, : frames - LOOK_AHEAD_FRAMES]
    assert unit_loss(logits, labels).item() < 1e-6
    hit, count = accuracy(logits, labels)
    assert hit == count == 2 * (frames - LOOK_AHEAD_FRAMES - WARM_UP_FRAMES)
    assert unit_loss(late, labels).item() > 1


def test_unlabelled_crops_give_zero_with_a_gradient() -> None:
    logits = torch.zeros(1, 30, 5, requires_grad=True)
    loss = unit_loss(logits, torch.full((1, 30), IGNORE))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None


def test_frames_without_a_label_have_no_gradient() -> None:
    logits = torch.randn(2, 40, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.ones(2, 40, dtype=torch.long)
    labels[0, 25:] = IGNORE
    unit_loss(logits, labels).backward()
    assert logits.grad is not None
    assert logits.grad[0, 25 + LOOK_AHEAD_FRAMES :].abs().sum() == 0
    assert (logits.grad[0, LOOK_AHEAD_FRAMES + WARM_UP_FRAMES : 25 + LOOK_AHEAD_FRAMES].abs().sum(dim=1) > 0).all()
