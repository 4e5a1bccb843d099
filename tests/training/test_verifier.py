"""The differentiable verifier hears what the package hears, and says in which direction a voice should change."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from streamvc.config import FRAME
from streamvc.training import speaker_pool
from streamvc.training.losses.verified import voice_losses
from streamvc.training.speaker import Pool
from streamvc.training.verifier import EMBEDDING, Verifier, embedding_of

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
