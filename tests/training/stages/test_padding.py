"""Crops that are longer than their utterances: what is put into the padding changes no loss and no gradient."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from streamvc.config import LOOK_AHEAD_FRAMES
from streamvc.model import Model
from streamvc.model.live import POINTS
from streamvc.training.data import IGNORE
from streamvc.training.losses.masking import within
from streamvc.training.perturbation import EFFECTS, PerturbationConfig
from streamvc.training.stages.base import Stage
from streamvc.training.trainer.batches import Batch, draw_rows

FRAMES = {"content": 200, "decoder": 168, "paper": 200}
"""Of a crop: with the decoder's context all are 200, and utterances have 150 to 185."""
ROWS = 4


def lengths_in(batch: Batch) -> Tensor:
    """Frames of speech in each row."""
    return batch["valid"].sum(dim=1) if "valid" in batch else batch["length"] // 320


def with_noise_in_padding(batch: Batch, seed: int) -> Batch:
    """Loud noise in everything that a row holds of its padding."""
    random = torch.Generator().manual_seed(seed)
    frames = lengths_in(batch)
    changed = dict(batch)
    for name, values in batch.items():
        if name in ("samples", "heard"):
            speech = within(frames * 320, values.shape[-1])
        elif name in ("view", "views", "clean"):
            speech = within(frames * POINTS, values.shape[-1]).reshape(len(values), *[1] * (values.ndim - 2), -1)
        else:
            continue
        changed[name] = torch.where(speech, values, 3 * torch.randn(values.shape, generator=random))
    return changed


@pytest.mark.parametrize("kind", ["content", "decoder", "paper"])
def test_no_loss_and_no_gradient_of_a_stage_depends_on_the_padding(
    make_stage: Callable[..., Stage], all_losses: Callable[..., dict[str, Tensor]], kind: str
) -> None:
    stage = make_stage(kind, frames=FRAMES[kind])
    batch = draw_rows(stage.rows, 0, 0, ROWS)
    assert (lengths_in(batch) < 198).sum() >= 2
    results = []
    for seed in (1, 2):
        stage.learner.zero_grad()
        if stage.critics is not None:
            stage.critics.zero_grad()
        losses = all_losses(stage, with_noise_in_padding(batch, seed))
        assert all(torch.isfinite(x) for x in losses.values())
        torch.stack(list(losses.values())).sum().backward()
        modules = [stage.learner] if stage.critics is None else [stage.learner, stage.critics]
        slopes = {f"{i}.{n}": p.grad.clone() for i, m in enumerate(modules) for n, p in m.named_parameters()
                  if p.grad is not None}
        results.append(({k: v.detach() for k, v in losses.items()}, slopes))
    (first, slopes), (second, others) = results
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
    assert slopes.keys() == others.keys()
    for name, slope in slopes.items():
        assert torch.allclose(slope, others[name], rtol=1e-4, atol=1e-6 * float(slope.abs().max())), name
    # What is speech does count.
    louder = dict(batch)
    for name in ("samples", "view", "views", "heard"):
        if name in louder:
            louder[name] = louder[name] * 1.5
    changed = all_losses(stage, louder)
    assert any(not torch.equal(changed[name], value) for name, value in first.items())


@pytest.mark.parametrize("kind", ["content", "paper"])
def test_no_frame_is_named_for_which_padding_was_heard(make_stage: Callable[..., Stage], kind: str) -> None:
    stage = make_stage(kind, frames=FRAMES[kind])
    batch = draw_rows(stage.rows, 0, 0, 8)
    labels = next(values for name, values in batch.items() if name.startswith("label"))
    for row, length in zip(labels, lengths_in(batch).tolist(), strict=True):
        named = int((row != IGNORE).nonzero().max()) + 1
        assert named <= (length if length == row.shape[0] else length - LOOK_AHEAD_FRAMES)
        assert named > length - 10


def test_a_reference_may_be_padded_too(model: Model) -> None:
    """The mask of the speech encoder: the padding of a reference changes neither latent nor gradient."""
    speech = 0.1 * torch.randn(3, 50 * 320, generator=torch.Generator().manual_seed(0))
    mask = within(torch.tensor([50, 30, 8]), 50)
    results = []
    for value in (0.0, 0.8):
        model.zero_grad()
        reference = speech.masked_fill(~mask.repeat_interleave(320, dim=1), value).requires_grad_()
        latent = model.embed(reference, mask)
        (latent * torch.arange(64)).sum().backward()
        assert reference.grad is not None
        assert reference.grad[~mask.repeat_interleave(320, dim=1)].abs().sum() == 0
        results.append((latent.detach(), [p.grad.clone() for p in model.speech_encoder.parameters()]))  # type: ignore[union-attr]
    assert torch.equal(results[0][0], results[1][0])
    for a, b in zip(results[0][1], results[1][1], strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-6 * float(a.abs().max()))
    alone = model.embed(speech[2:, : 8 * 320])
    assert torch.allclose(alone[0], results[0][0][2], atol=1e-4)


@pytest.mark.parametrize("kind", ["content", "decoder", "paper"])
def test_perturbations_change_what_content_encoders_hear_and_nothing_else(
    make_stage: Callable[..., Stage], kind: str
) -> None:
    plain = make_stage(kind, frames=40)
    perturbed = make_stage(kind, frames=40, perturbation=PerturbationConfig(**dict.fromkeys(EFFECTS, 1.0)))
    before, after = (draw_rows(stage.rows, 0, 0, 3) for stage in (plain, perturbed))
    heard = {"content": "views", "decoder": "view", "paper": "heard"}[kind]
    assert not torch.equal(before[heard], after[heard])
    for name in before.keys() - {heard, "masks"}:
        assert torch.equal(before[name], after[name]), name
    # A row is the same in any batch.
    again = draw_rows(perturbed.rows, 0, 0, 2)
    assert all(torch.equal(again[name], after[name][:2]) for name in after)
