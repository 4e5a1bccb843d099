"""The decoder's stage with voices of a pool: what it draws, says, and refuses."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamvc.config import FRAME
from streamvc.errors import ConfigError
from streamvc.model.live import LiveModel
from streamvc.training.losses.weights import LossWeights
from streamvc.training.speaker_pool import CLIP_FRAMES
from streamvc.training.stages import decoder as decoder_stage
from streamvc.training.stages.base import Setup
from streamvc.training.stages.decoder import DecoderSettings, DecoderStage
from streamvc.training.trainer.batches import draw_rows
from streamvc.training.verifier import EMBEDDING
from tests.training.stages.conftest import CRITICS, LIVE


class Ear(nn.Module):
    """Stands in for the verifier, with embeddings of its size."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(129, EMBEDDING).requires_grad_(False)
        self.network = nn.Module()

    def forward(self, speech: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(speech.unfold(1, 256, 128) * torch.hann_window(256)).abs()
        return F.normalize(self.layer(torch.log(spectrum + 1e-3).mean(dim=1)), dim=-1)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips of each speaker of the corpus at each speed; silent, for only their embeddings are asked for."""
    folder = tmp_path_factory.mktemp("pool")
    names = [f"{name}/{band}" for name in ("low", "high") for band in range(3) for _ in range(3)]
    np.zeros((len(names), CLIP_FRAMES * FRAME), "<i2").tofile(folder / "clips.i16")
    embeddings = np.random.default_rng(0).random((len(names), EMBEDDING)).astype(np.float32)
    np.save(folder / "embeddings.npy", embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True))
    (folder / "speakers.json").write_text(json.dumps(names))
    return folder


@pytest.fixture
def make(
    corpus_folder: Path, pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., DecoderStage]:
    def stage(speech: str = "verification", **keys: object) -> DecoderStage:
        torch.manual_seed(0)
        monkeypatch.setattr(decoder_stage, "Verifier", Ear)
        weights = LossWeights(reconstruction=2, fooling=0.6, features=6, verified=6, nearer=6, words=2, buzz=1)
        options = {"voices": "pool", "pool": str(pool), "keep_speakers": True, "held_out": 2, **CRITICS, **keys}
        settings = DecoderSettings(corpus=str(corpus_folder), weights=weights, **options)  # type: ignore[arg-type]
        model = LiveModel(dataclasses.replace(LIVE, speech=speech))
        return DecoderStage(settings, model, Setup(0, False, torch.device("cpu")), tmp_path / "registers.json")

    return stage


def test_rows_bring_embeddings_and_no_references(make: Callable[..., DecoderStage]) -> None:
    stage = make(mixed=0.5)
    batch = draw_rows(stage.rows, 0, 3, 6)
    assert "references" not in batch
    for name in ("voice", "embedding", "other_voice", "other_embedding"):
        assert batch[name].shape == (6, EMBEDDING)
        assert batch[name].norm(dim=1).tolist() == pytest.approx([1] * 6, abs=1e-5)
    assert batch["other_register"].shape == (6, 2)
    again = draw_rows(stage.rows, 0, 3, 6)
    assert all(torch.equal(batch[name], again[name]) for name in batch)


def test_it_speaks_with_them_and_is_held_against_them(make: Callable[..., DecoderStage]) -> None:
    stage = make()
    batch = draw_rows(stage.rows, 0, 1, 4)
    spoken = stage.learner(batch)
    speech = stage.learner.model.speech_encoder
    assert torch.equal(spoken.lesson.latent, speech.latent(batch["voice"]))
    assert torch.equal(spoken.embeddings[0], batch["other_embedding"][::2])
    assert torch.equal(spoken.embeddings[1], batch["embedding"][::2])
    losses = stage.losses(spoken, batch, 1)
    assert {"spectral", "verified", "nearer", "words", "buzz"} == set(losses)
    heard = stage.verifier(spoken.converted)
    expected = 1 - (heard * batch["other_embedding"][::2]).sum(dim=1).mean()
    assert losses["verified"].value.item() == pytest.approx(float(expected.detach()), abs=0.02)  # but for padding
    (losses["verified"].value + losses["nearer"].value).backward()
    assert all(p.grad is None for p in speech.parameters())
    assert max(float(p.grad.abs().max()) for p in stage.learner.model.decoder.parameters() if p.grad is not None) > 0


def test_another_voice_gives_other_speech(make: Callable[..., DecoderStage]) -> None:
    stage = make()
    for block in stage.learner.model.decoder.blocks:
        nn.init.normal_(block.film.project.weight, std=0.5)
        nn.init.ones_(block.scale)
    nn.init.normal_(stage.learner.model.decoder.head.weight, std=0.3)
    batch = draw_rows(stage.rows, 0, 1, 2)
    first = stage.learner(batch).converted
    batch["other_voice"] = batch["other_voice"].flip(1)
    assert (stage.learner(batch).converted - first).abs().max() > 1e-3


def test_held_out_people_are_heard_themselves(make: Callable[..., DecoderStage]) -> None:
    found = make().evaluate()
    assert {"valid_verified", "valid_nearer", "valid_spectral", "valid_loss"} <= set(found)
    assert all(np.isfinite(value) for value in found.values())


def test_the_verifiers_network_is_taken(
    make: Callable[..., DecoderStage], monkeypatch: pytest.MonkeyPatch, pool: Path
) -> None:
    taken = []
    monkeypatch.setattr(decoder_stage, "take_verifier", lambda *given: taken.append(given))
    stage = make(take_verifier=True)
    ((encoder, verifier, voices),) = taken
    assert encoder is stage.learner.model.speech_encoder
    assert verifier is stage.verifier
    assert voices.folder == pool


def test_what_does_not_fit_is_refused(make: Callable[..., DecoderStage]) -> None:
    with pytest.raises(ConfigError, match="set speech to verification under"):
        make("convnext")
    with pytest.raises(ConfigError, match="take_verifier needs the voices of a pool"):
        make(voices="batch", take_verifier=True)


def test_without_keep_speakers_only_the_last_layer_of_the_verifier_learns(make: Callable[..., DecoderStage]) -> None:
    speech = make(keep_speakers=False).learner.model.speech_encoder
    assert {name for name, p in speech.named_parameters() if p.requires_grad} == {"project.weight", "project.bias"}
