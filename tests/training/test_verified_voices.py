"""A model with a verifier for a speech encoder: components of the pool, and FiLM that does what it did."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from streamvc.checkpoint import load_model, save_model
from streamvc.config import LiveConfig
from streamvc.errors import ConfigError
from streamvc.layers.film import FiLM
from streamvc.model import build_model
from streamvc.model.live import LiveModel
from streamvc.model.verification import EMBEDDING, VerificationEncoder
from streamvc.training import speaker_pool, verified_voices
from streamvc.training.verified_voices import lead_over, set_components
from streamvc.training.verifier import Verifier

SMALL = LiveConfig(
    encoder_width=16, encoder_blocks=1, speech_width=16, speech_blocks=1, decoder_width=16, decoder_blocks=1,
    fine_width=16, fine_blocks=1,
)  # fmt: skip


def people(count: int, each: int) -> tuple[torch.Tensor, list[str]]:
    """Embeddings that differ by person in eight directions, much in the first, and within a person in all."""
    random = torch.Generator().manual_seed(0)
    directions = torch.linalg.qr(torch.randn(32, 32, generator=random)).Q
    between = torch.randn(count, 8, generator=random) * torch.linspace(2, 0.5, 8)
    within = torch.randn(count, each, 32, generator=random) * torch.linspace(0.05, 0.3, 32)
    found = torch.nn.functional.pad(between, (0, 24)).unsqueeze(1) + within
    return (found.flatten(0, 1) @ directions.T) + 0.4, [str(i) for i in range(count) for _ in range(each)]


def test_components_have_unit_spread_within_a_person() -> None:
    embeddings, names = people(60, 10)
    layer = nn.Linear(32, 8)
    set_components(layer, embeddings, names)
    latent = layer(embeddings).reshape(60, 10, 8)
    assert latent.mean(dim=(0, 1)).abs().max() < 1e-3
    within = (latent - latent.mean(dim=1, keepdim=True)).square().mean(dim=(0, 1)).sqrt()
    assert within.tolist() == pytest.approx([1.0] * 8, abs=0.02)
    between = latent.mean(dim=1).std(dim=0)
    assert between.min() > 2  # what is left are the directions in which people differ


def test_film_does_with_new_latents_what_it_did_with_old_ones() -> None:
    torch.manual_seed(0)
    module = nn.ModuleList([FiLM(6, 5), nn.Linear(3, 3), FiLM(6, 9)])
    for film in (module[0], module[2]):
        nn.init.normal_(film.project.weight)
        nn.init.normal_(film.project.bias)
    before = torch.randn(4_000, 6)
    turn = torch.linalg.qr(torch.randn(6, 6)).Q
    after = before @ turn * 3 + 1
    wanted = [film.project(before).detach() for film in (module[0], module[2])]
    assert lead_over(module, before, after) == pytest.approx(1, abs=1e-4)
    for film, values in zip((module[0], module[2]), wanted, strict=True):
        assert (film.project(after) - values).abs().max() < 0.02
    # Latents that say nothing of the old ones leave the mean.
    assert lead_over(module, after, torch.randn(4_000, 6)) < 0.02


def test_the_program_keeps_all_but_the_speech_encoder(verifier: Verifier, corpus_folder: Path, tmp_path: Path) -> None:
    speaker_pool.main(["--corpus", str(corpus_folder), "--out", str(tmp_path / "pool"), "--clips", "300"])
    torch.manual_seed(1)
    old = build_model(SMALL)
    save_model(old, tmp_path / "old.safetensors", {"note": "kept"})
    given = ["--weights", str(tmp_path / "old.safetensors"), "--pool", str(tmp_path / "pool")]
    verified_voices.main([*given, "--out", str(tmp_path / "new.safetensors")])
    new = load_model(tmp_path / "new.safetensors")
    assert isinstance(new, LiveModel)
    assert isinstance(new.speech_encoder, VerificationEncoder)
    stored = load_model(tmp_path / "old.safetensors").state_dict()
    for name, values in new.state_dict().items():
        if not name.startswith("speech_encoder.") and ".film." not in name:
            assert torch.equal(values, stored[name]), name
    speech = torch.randn(1, 48_000) * 0.02
    with torch.no_grad():
        package = verifier.network(verifier.mel(speech)[:, :160])
        ours = new.speech_encoder.embedding(new.speech_encoder.features(speech)[:, :160])
    assert ours.shape == (1, EMBEDDING)
    assert float((package * ours).sum()) > 0.999
    with pytest.raises(ConfigError, match="no live model with a speech encoder of its own"):
        verified_voices.main(
            ["--weights", str(tmp_path / "new.safetensors"), *given[2:], "--out", str(tmp_path / "again.safetensors")]
        )
