"""Stages of tiny models on crops that are longer than some utterances."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamvc.config import LiveConfig, PaperConfig
from streamvc.model import Model, build_model
from streamvc.training.losses.weights import LossWeights
from streamvc.training.stages import decoder as decoder_stage
from streamvc.training.stages.base import Setup, Stage
from streamvc.training.stages.content import ContentSettings, ContentStage
from streamvc.training.stages.decoder import DecoderSettings, DecoderStage
from streamvc.training.stages.paper import PaperSettings, PaperStage

LIVE = LiveConfig(
    encoder_width=16, encoder_blocks=2, speech_width=16, speech_blocks=1, decoder_width=16, decoder_blocks=1,
    fine_width=16, fine_blocks=1,
)  # fmt: skip
PAPER = PaperConfig(content_channels=2, speech_channels=2, decoder_channels=2)
CRITICS = {"critics": ("envelope",), "critic_width": 0.1, "critic_samples": 6_000}


class Ear(nn.Module):
    """Stands in for the verifier: a fixed layer on mean log spectra."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(129, 16).requires_grad_(False)

    def forward(self, speech: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(speech.unfold(1, 256, 128) * torch.hann_window(256)).abs()
        return F.normalize(self.layer(torch.log(spectrum + 1e-3).mean(dim=1)), dim=-1)


@pytest.fixture(params=["live", "paper"])
def model(request: pytest.FixtureRequest) -> Model:
    """A tiny model of either configuration."""
    torch.manual_seed(0)
    return build_model(LIVE if request.param == "live" else PAPER)


@pytest.fixture
def make_stage(
    corpus_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Stage]:
    """`make_stage(kind, key=value)` in float32, with every loss that the stage has."""

    def make(kind: str, **keys: Any) -> Stage:
        torch.manual_seed(0)
        setup = Setup(seed=0, bf16=False, device=torch.device("cpu"))
        corpus = str(corpus_folder)
        if kind == "content":
            model = build_model(LIVE)
            return ContentStage(ContentSettings(corpus=corpus, units=("loudness",), dropout=0.0, **keys), model, setup)
        if kind == "paper":
            settings = PaperSettings(
                corpus=corpus, units="loudness", reference_frames=40, held_out=2, **{**CRITICS, **keys}
            )
            return PaperStage(settings, build_model(PAPER), setup)
        monkeypatch.setattr(decoder_stage, "Verifier", Ear)
        weights = LossWeights(
            reconstruction=2, fooling=0.6, features=6, speaker=0.05, swap=0.5, verified=6, words=2, buzz=1
        )
        options = DecoderSettings(corpus=corpus, held_out=2, weights=weights, **{**CRITICS, **keys})
        return DecoderStage(options, build_model(LIVE), setup, tmp_path / "registers.json")

    return make


@pytest.fixture
def all_losses() -> Callable[..., dict[str, Tensor]]:
    """`all_losses(stage, batch)`: every loss of a stage, that of the critics and what they say included, unweighted."""

    def find(stage: Stage, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        heard = stage.learner(batch)
        found = {name: loss.value for name, loss in stage.losses(heard, batch, 0).items()}
        duel = stage.duel(heard, 0)
        if duel is not None:
            assert stage.critics is not None
            found["critic"] = stage.critics(duel)
            found |= {name: loss.value for name, loss in stage.play(duel).items()}
        return found

    return find
