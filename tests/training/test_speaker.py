"""The speech encoder learns embeddings of a pool, and keeps everything else of the weights that it started from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from streamvc.checkpoint import load_model, save_model
from streamvc.config import FRAME, config_from_dict
from streamvc.errors import CorpusError
from streamvc.model.live import LiveModel
from streamvc.training import speaker
from streamvc.training.speaker_pool import CLIP_FRAMES
from streamvc.training.stages.base import Setup
from streamvc.training.stages.speaker import SpeakerSettings, SpeakerStage
from streamvc.training.trainer.launch import train
from streamvc.training.trainer.recipe import parse_recipe
from streamvc.training.verifier import EMBEDDING

VOICES = {"low": 110.0, "high": 220.0, "mid": 160.0}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory, make_speech: Callable[[float, float, int], np.ndarray]) -> Path:
    """Four clips of each of three voices; a voice's embedding is a random direction of its own."""
    folder = tmp_path_factory.mktemp("pool")
    random = np.random.default_rng(3)
    clips, embeddings, names = [], [], []
    for name, f0 in VOICES.items():
        direction = random.random(EMBEDDING).astype(np.float32)
        for i in range(4):
            clips.append(make_speech(f0, CLIP_FRAMES * FRAME / 16_000, i)[: CLIP_FRAMES * FRAME])
            embeddings.append(direction / np.linalg.norm(direction))
            names.append(f"{name}/1")
    (np.stack(clips) * 32_767).round().astype("<i2").tofile(folder / "clips.i16")
    np.save(folder / "embeddings.npy", np.stack(embeddings))
    (folder / "speakers.json").write_text(json.dumps(names))
    return folder


def test_it_learns_the_embeddings_and_resumes(pool: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    start = tmp_path / "start.safetensors"
    config = {"name": "live", "speech_width": 64, "speech_blocks": 2, "encoder_width": 16, "encoder_blocks": 1}
    config |= {"decoder_width": 16, "decoder_blocks": 1, "fine_width": 16, "fine_blocks": 1}
    save_model(LiveModel(config_from_dict(config)), start, dtype=torch.float32)  # type: ignore[arg-type]
    recipe = parse_recipe({
        "name": "speaker", "pool": str(pool), "device": "cpu", "tensorboard": False, "model": config,
        "stages": {"speaker": {
            "kind": "speaker", "judged": False, "start": str(start), "batch": 6, "rate": 2e-3, "schedule": "constant",
            "warm_up": 0.0, "steps": 400, "log_every": 200,
        }},
    })  # fmt: skip
    train(recipe, tmp_path / "run", until=250)
    train(recipe, tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run/speaker/metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [200, 400]
    assert lines[1]["alike"] > lines[0]["alike"]
    assert lines[1]["alike"] > 0.6
    before, after = load_model(start), load_model(tmp_path / "run/speaker/best.safetensors")
    for part in ("content_encoder", "decoder"):
        for key, value in getattr(before, part).state_dict().items():
            assert torch.equal(getattr(after, part).state_dict()[key], value), key
    weight = "project.weight"
    assert not torch.equal(after.speech_encoder.state_dict()[weight], before.speech_encoder.state_dict()[weight])


def test_a_whitened_encoder_starts_with_embeddings_that_agree(pool: Path) -> None:
    torch.manual_seed(0)
    config = {"name": "live", "speech_width": 64, "speech_blocks": 2, "encoder_width": 16, "encoder_blocks": 1}
    config |= {"decoder_width": 16, "decoder_blocks": 1, "fine_width": 16, "fine_blocks": 1}
    clips, wanted = speaker.Pool(pool).batch(np.arange(12))
    agree = {}
    for count in (0, 12):
        model = LiveModel(config_from_dict(config))  # type: ignore[arg-type]
        settings = SpeakerSettings(pool=str(pool), judged=False, whiten=count)
        stage = SpeakerStage(settings, model, Setup(seed=0, bf16=False, device=torch.device("cpu")))
        _, predicted = stage.learner({"mel": model.content_features(clips)[0]})
        agree[count] = speaker.agreement(predicted, wanted, stage.centre).mean().item()
    assert agree[12] > 0.8 > agree[0] + 0.5


def test_agreement_ignores_what_all_voices_share() -> None:
    torch.manual_seed(1)
    centre = torch.rand(EMBEDDING) * 10
    own, other = torch.randn(1, EMBEDDING), torch.randn(1, EMBEDDING)
    assert F.cosine_similarity(centre + own, centre + other).item() > 0.9
    assert abs(speaker.agreement(centre + own, centre + other, centre).item()) < 0.3
    assert speaker.agreement(centre + 2 * own, centre + own, centre).item() == pytest.approx(1.0, abs=1e-4)


def test_separation_of_voices_that_are_apart_and_of_noise() -> None:
    torch.manual_seed(2)
    names = [name for name in "abcdef" for _ in range(5)]
    voices = torch.randn(6, 64).repeat_interleave(5, dim=0)
    clear = speaker.separation(voices + 0.1 * torch.randn(30, 64), names)
    assert clear["equal_error"] < 0.01
    assert clear["same"] > 0.9
    noise = speaker.separation(torch.randn(30, 64), names)
    assert 0.3 < noise["equal_error"] < 0.7


def test_a_pool_that_is_none_says_how_to_make_one(pool: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="speaker_pool"):
        speaker.Pool(tmp_path)
    for name in ("embeddings.npy", "speakers.json"):
        (tmp_path / name).write_bytes((pool / name).read_bytes())
    (tmp_path / "clips.i16").write_bytes(b"\0" * 1_000)
    with pytest.raises(CorpusError, match="write it again"):
        speaker.Pool(tmp_path)
