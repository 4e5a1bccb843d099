"""Fitting moves latents alone, and nearer to what the verifier wants."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from streamvc.checkpoint import load_model
from streamvc.config import LiveConfig
from streamvc.model.live import LiveModel
from streamvc.runtimes import default_weights
from streamvc.training.data import PackedCorpus
from streamvc.training.decoder import in_register
from streamvc.training.registers import speaker_registers
from streamvc.training.verifier import Verifier


def test_fitting_brings_voices_nearer_and_leaves_the_model(
    verifier: Verifier, corpus_folder: Path, tmp_path: Path
) -> None:
    """The shipped model, whose latents matter, from a low voice towards a high one."""
    from streamvc.training.fit import embedding_of, fit_latents

    model = load_model(default_weights())
    assert isinstance(model, LiveModel)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    corpus = PackedCorpus(corpus_folder)
    train = corpus.select(lambda u: u.split == "train")
    low, high = (
        np.concatenate([corpus.samples(u) for u in train if u.speaker == name][:4]) for name in ("low", "high")
    )
    wanted = embedding_of(verifier, high)
    assert float(wanted.norm()) == pytest.approx(1.0, abs=1e-4)
    with torch.no_grad():
        start = model.embed(torch.from_numpy(low)[None])
    apart: list[float] = []
    latents = fit_latents(
        model, start, torch.tensor([[5.4, 0.1]]), wanted[None], corpus,
        speaker_registers(corpus, train, tmp_path / "registers.json"), steps=24, batch=2, words=0.0,
        progress=lambda _, distance, __: apart.append(distance),
    )
    assert latents.shape == (1, 64)
    assert np.mean(apart[-8:]) < np.mean(apart[:8])
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(p.requires_grad for p in model.parameters())


def test_a_register_is_moved_in_log_hertz(corpus_folder: Path) -> None:
    model = LiveModel(LiveConfig())
    corpus = PackedCorpus(corpus_folder)
    samples = torch.from_numpy(corpus.samples(corpus.utterances[0])[: 320 * 50])[None]
    controls = torch.zeros(1, 6)
    controls[:, 4] = 1
    source, target = torch.tensor([[4.7, 0.1]]), torch.tensor([[5.4, 0.2]])
    with torch.no_grad():
        prosody, _ = model.prosody(samples, controls, None, source)
    moved = in_register(prosody, source, target)
    expected = (torch.log(prosody.f0) - 4.7) * 2 + 5.4
    assert torch.allclose(torch.log(moved.f0), expected, atol=1e-4)
    assert torch.equal(moved.features, prosody.features)
