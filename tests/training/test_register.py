"""Prosody in another person's register."""

from __future__ import annotations

from pathlib import Path

import torch

from streamvc.config import LiveConfig
from streamvc.model.live import LiveModel
from streamvc.training.data import PackedCorpus
from streamvc.training.decoder import in_register


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
