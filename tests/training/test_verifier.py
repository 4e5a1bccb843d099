"""The differentiable verifier hears what the package hears, and says in which direction a voice should change."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from streamvc.config import FRAME, LiveConfig
from streamvc.model.live import LiveModel
from streamvc.model.verification import VerificationEncoder
from streamvc.training import speaker_pool
from streamvc.training.losses.verified import voice_losses
from streamvc.training.speaker import Pool
from streamvc.training.verifier import EMBEDDING, OwnVerifier, Verifier, embedding_of
from streamvc.training.voice import likeness

Speak = Callable[[float, float, int], np.ndarray]

def test_it_agrees_with_the_package(verifier: Verifier, make_speech: Speak) -> None:
    from streamvc.training.evaluation.speaker import cosine

    for f0 in (110.0, 220.0):
        speech = make_speech(f0, 4.0, 1)
        package = np.asarray(verifier.network.embed_utterance(speech), np.float32)
        assert cosine(package, verifier(torch.from_numpy(speech)[None])[0].numpy()) > 0.98


def test_its_gradient_brings_a_voice_nearer(verifier: Verifier, make_speech: Speak) -> None:
    target = torch.from_numpy(make_speech(220.0, 1.6, 2))[None]
    speech = torch.from_numpy(make_speech(110.0, 1.6, 1))[None].requires_grad_()
    wanted = verifier(target)
    before, _ = voice_losses(verifier, speech, wanted, wanted)
    (slope,) = torch.autograd.grad(before, speech)
    with torch.no_grad():
        after, _ = voice_losses(verifier, speech - 0.01 * slope / slope.abs().max(), wanted, wanted)
    assert after < before - 1e-3
    assert not any(p.requires_grad for p in verifier.parameters())


def test_a_pool_holds_clips_and_their_embeddings(verifier: Verifier, corpus_folder: Path, tmp_path: Path) -> None:
    speaker_pool.main(["--corpus", str(corpus_folder), "--out", str(tmp_path / "pool"), "--clips", "40"])
    pool = Pool(tmp_path / "pool")
    speech, embedding = pool.batch(np.arange(40))
    assert speech.shape == (40, speaker_pool.CLIP_FRAMES * FRAME)
    assert embedding.shape == (40, EMBEDDING)
    assert torch.allclose(embedding.norm(dim=1), torch.ones(40), atol=1e-4)
    assert speech.std(dim=1).min() > 0.005
    names = {name.partition("/")[0] for name in json.loads((tmp_path / "pool" / "speakers.json").read_text())}
    assert names == {"low", "high"}  # "mid" is held out


def test_the_embedding_of_a_person_is_that_of_their_speech(verifier: Verifier, make_speech: Speak) -> None:
    low, again, high = (
        embedding_of(verifier, make_speech(f0, 4.0, seed)) for f0, seed in ((110, 1), (112, 2), (240, 3))
    )
    assert float(low.norm()) == pytest.approx(1.0, abs=1e-4)
    assert low @ again > low @ high


def test_a_models_own_says_the_same(verifier: Verifier, make_speech: Speak) -> None:
    encoder = VerificationEncoder(64)
    encoder.lstm.load_state_dict(verifier.network.lstm.state_dict())
    encoder.linear.load_state_dict(verifier.network.linear.state_dict())
    own = OwnVerifier(encoder)
    for seconds in (1.6, 4.0):  # the package does not repeat what is shorter than a window
        speech = torch.from_numpy(make_speech(140.0, seconds, 3))[None]
        with torch.no_grad():
            assert float((own(speech) * verifier(speech)).sum()) > 0.97
    assert embedding_of(own, make_speech(140.0, 4.0, 3)).shape == (EMBEDDING,)


def test_fits_of_voices_ask_the_models_own_before_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likeness, "_installed", lambda *modules: False)
    sizes = {"encoder_width": 16, "encoder_blocks": 1, "decoder_width": 16, "decoder_blocks": 1}
    model = LiveModel(LiveConfig(speech="verification", **sizes))  # type: ignore[arg-type]
    own = likeness.verifier_or_none(model)
    assert isinstance(own, OwnVerifier)
    assert own.encoder is model.speech_encoder
    assert likeness.verifier_or_none(LiveModel(LiveConfig(**sizes))) is None  # type: ignore[arg-type]
    speech = np.random.default_rng(0).standard_normal(48_000).astype(np.float32) * 0.05
    converted = torch.from_numpy(speech[None]).requires_grad_()
    distance = likeness.verified(own, speech)(converted)
    assert distance.item() < 0.05
    distance.backward()
    assert converted.grad is not None
    assert likeness.ear(model, own).limit == likeness.STRANGER
