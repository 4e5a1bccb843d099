"""Content units answer to the content loss alone, and nothing else answers to it (paper, section 2.1)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from streamvc.controls import N_CONTROLS
from streamvc.model import Model
from streamvc.training.content import UnitHeads, unit_loss
from streamvc.training.losses.spectral import PaperSpectralLoss, SpectralLoss
from streamvc.training.stages.base import Stage
from streamvc.training.stages.paper import PaperStage
from streamvc.training.trainer.batches import draw_rows

FRAMES = 40


def untouched(module: nn.Module) -> bool:
    return all(p.grad is None for p in module.parameters())


def moved(module: nn.Module) -> bool:
    """Whether every parameter has a finite gradient and most of them one that is not 0."""
    slopes = [p.grad for p in module.parameters()]
    given = [g for g in slopes if g is not None]
    return len(given) == len(slopes) and all(g.isfinite().all() for g in given) and (
        sum(bool(g.abs().max() > 0) for g in given) > len(given) / 2
    )


def speech(seed: int) -> Tensor:
    return 0.1 * torch.randn(2, FRAMES * 320, generator=torch.Generator().manual_seed(seed))


def test_what_the_decoder_is_blamed_for_does_not_reach_the_content_encoder(model: Model) -> None:
    """Every parameter of the model is trained, through its own `embed` and `step`."""
    model.requires_grad_(True)
    source, controls = speech(1), torch.zeros(2, N_CONTROLS)
    controls[:, 0], controls[:, 1], controls[:, 4] = 5.0, 0.2, 1.0
    output, _ = model.step(source, model.embed(speech(2)), controls)
    (SpectralLoss()(output, source) + PaperSpectralLoss()(output, source)).backward()
    assert untouched(model.content_encoder)
    assert moved(model.decoder)


def test_the_content_loss_reaches_the_content_encoder_alone(model: Model) -> None:
    model.requires_grad_(True)
    heads = UnitHeads(model.config.content_dim, {"units": 5})
    features, _ = model.content_features(speech(1))
    content, _ = model.content_encoder(features)
    labels = torch.arange(2 * FRAMES).reshape(2, FRAMES) % 5
    unit_loss(heads(content)["units"], labels).backward()
    assert moved(model.content_encoder)
    assert moved(heads)
    assert untouched(model.decoder)
    assert untouched(model.speech_encoder)


def paper_losses(stage: PaperStage, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The content loss, and all others."""
    heard = stage.learner(batch)
    losses = {name: loss.value for name, loss in stage.losses(heard, batch, 0).items()}
    units = losses.pop("units")
    duel = stage.duel(heard, 0)
    assert duel is not None
    losses |= {name: loss.value for name, loss in stage.play(duel).items()}
    assert set(losses) == {"spectral", "fooled", "alike"}
    return units, torch.stack(list(losses.values())).sum()


def test_in_the_stage_of_the_paper_both_hold(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage("paper", frames=FRAMES)
    assert isinstance(stage, PaperStage)
    model = stage.learner.model
    batch = draw_rows(stage.rows, 0, 0, 2)
    units, others = paper_losses(stage, batch)
    units.backward()
    assert moved(model.content_encoder)
    assert untouched(model.decoder)
    assert untouched(model.speech_encoder)
    stage.learner.zero_grad()
    units, others = paper_losses(stage, batch)
    others.backward()
    assert untouched(model.content_encoder)
    assert untouched(stage.learner.heads)
    assert moved(model.decoder)
    assert moved(model.speech_encoder)


def test_stage_1_of_live_moves_the_content_encoder_alone(
    make_stage: Callable[..., Stage], all_losses: Callable[..., dict[str, Tensor]]
) -> None:
    stage = make_stage("content", frames=FRAMES)
    torch.stack(list(all_losses(stage, draw_rows(stage.rows, 0, 0, 2)).values())).sum().backward()
    assert moved(stage.model.content_encoder)
    assert untouched(stage.model.decoder)
    assert untouched(stage.model.speech_encoder)
    mine = {id(p) for p in stage.parameters()}
    assert mine.isdisjoint(id(p) for p in (*stage.model.decoder.parameters(), *stage.model.speech_encoder.parameters()))


@pytest.mark.parametrize("keep_speakers", [False, True])
def test_stage_2_of_live_never_moves_the_content_encoder(
    make_stage: Callable[..., Stage], all_losses: Callable[..., dict[str, Tensor]], keep_speakers: bool
) -> None:
    """With every loss there is, also those that the content encoder judges and passes on to the speech."""
    stage = make_stage("decoder", frames=FRAMES, keep_speakers=keep_speakers)
    losses = all_losses(stage, draw_rows(stage.rows, 0, 0, 2))
    assert set(losses) == {
        "spectral", "named", "recognised", "buzz", "verified", "nearer", "words", "critic", "fooled", "alike",
    }
    torch.stack(list(losses.values())).sum().backward()
    assert untouched(stage.model.content_encoder)
    assert moved(stage.model.decoder)
    assert untouched(stage.model.speech_encoder) == keep_speakers
    mine = {id(p) for p in stage.parameters()}
    assert mine.isdisjoint(id(p) for p in stage.model.content_encoder.parameters())


def test_words_and_likeness_reach_the_decoder_through_their_judges(make_stage: Callable[..., Stage]) -> None:
    """A loss that stops at a frozen judge would teach nothing."""
    stage = make_stage("decoder", frames=FRAMES, critics=())
    batch = draw_rows(stage.rows, 0, 0, 2)
    for name in ("words", "verified", "recognised"):
        stage.learner.zero_grad()
        loss = stage.losses(stage.learner(batch), batch, 0)[name].value
        loss.backward()
        slopes = [p.grad for p in stage.model.decoder.parameters() if p.grad is not None]
        assert max(float(g.abs().max()) for g in slopes) > 0, name
        assert untouched(stage.model.content_encoder), name
