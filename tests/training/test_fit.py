"""Fitting moves latents alone, and nearer to what the verifier wants."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from streamvc.config import LiveConfig
from streamvc.model.live import LiveModel
from streamvc.training.data import PackedCorpus
from streamvc.training.decoder import in_register
from streamvc.training.registers import speaker_registers

needs_resemblyzer = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("resemblyzer", "librosa", "webrtcvad")),
    reason="needs resemblyzer, librosa and webrtcvad of the eval extra (docs/evaluation.md)",
)


@needs_resemblyzer
def test_fitting_brings_voices_nearer_and_leaves_the_model(corpus_folder: Path, tmp_path: Path) -> None:
    from streamvc.training.fit import embedding_of, fit_latents
    from streamvc.training.verifier import Verifier

    torch.manual_seed(0)
    model = LiveModel(LiveConfig())
    # FiLM starts at zero, where no latent could make a difference.
    for block in (*model.decoder.blocks, *model.decoder.fine_blocks):
        torch.nn.init.normal_(block.film.project.weight, std=0.2)
    torch.nn.init.normal_(model.decoder.head.weight, std=0.1)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    corpus = PackedCorpus(corpus_folder)
    train = corpus.select(lambda u: u.split == "train")
    verifier = Verifier()
    speech = np.concatenate([corpus.samples(u) for u in train if u.speaker == "high"])
    wanted = embedding_of(verifier, speech)
    assert float(wanted.norm()) == pytest.approx(1.0, abs=1e-4)
    apart: list[float] = []
    latents = fit_latents(
        model, torch.nn.functional.layer_norm(torch.randn(1, 64), (64,)), torch.tensor([[5.4, 0.1]]), wanted[None],
        corpus, speaker_registers(corpus, train, tmp_path / "registers.json"), steps=24, batch=2, words=0.0,
        progress=lambda _, distance, __: apart.append(distance),
    )
    assert latents.shape == (1, 64)
    assert np.mean(apart[-6:]) < np.mean(apart[:6])
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
