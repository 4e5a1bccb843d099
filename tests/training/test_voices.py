"""Voices of a pool: who is drawn, what is mixed, and what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from streamvc.config import FRAME
from streamvc.errors import CorpusError
from streamvc.training.speaker import Pool
from streamvc.training.speaker_pool import CLIP_FRAMES
from streamvc.training.verifier import EMBEDDING
from streamvc.training.voices import BAND_SPEED, BANDS, Voices

REGISTERS = torch.tensor([[5.0, 0.2], [5.4, 0.1]])


def make_pool(folder: Path, names: list[str]) -> Pool:
    folder.mkdir()
    np.zeros((len(names), CLIP_FRAMES * FRAME), "<i2").tofile(folder / "clips.i16")
    random = np.random.default_rng(0)
    embeddings = random.random((len(names), EMBEDDING)).astype(np.float32)
    np.save(folder / "embeddings.npy", embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True))
    (folder / "speakers.json").write_text(json.dumps(names))
    return Pool(folder)


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    """Ann at all speeds, four clips each; Bob as he is and faster."""
    names = [f"ann/{band}" for band in range(BANDS)] * 4 + ["bob/1", "bob/2"] * 4
    return make_pool(tmp_path / "pool", names)


@pytest.fixture
def voices(pool: Pool) -> Voices:
    return Voices(pool, {"ann": 0, "bob": 1}, REGISTERS)


def test_a_voice_is_heard_from_its_own_clips(pool: Pool, voices: Voices) -> None:
    random = np.random.default_rng(1)
    own = pool.embeddings[[1, 4, 7, 10]]
    mean = F.normalize(own.mean(dim=0), dim=0)
    draws = [voices.of(1, random) for _ in range(60)]
    for heard, wanted in draws:
        assert torch.allclose(wanted, mean)
        assert float(heard.norm()) == pytest.approx(1, abs=1e-5)
        # In the span of the clips: least squares leaves nothing.
        weights = torch.linalg.lstsq(own.T, heard[:, None]).solution
        assert (own.T @ weights - heard[:, None]).abs().max() < 1e-4
        assert weights.min() > -1e-4
    single = {int(row) for heard, _ in draws for row in range(4) if torch.allclose(heard, own[row], atol=1e-6)}
    assert single == {0, 1, 2, 3}  # some are heard from one clip, and every clip is


def test_a_speed_that_the_pool_lacks_is_another_of_the_same_speaker(pool: Pool, voices: Voices) -> None:
    bob = F.normalize(pool.embeddings[[12, 14, 16, 18]].mean(dim=0), dim=0)
    assert torch.allclose(voices.of(3, np.random.default_rng(0))[1], bob)


def test_registers_move_with_the_speed(voices: Voices) -> None:
    random = np.random.default_rng(2)
    found = {tuple(round(float(x), 4) for x in voices.any(random).register) for _ in range(200)}
    expected = {(round(m + float(np.log(speed)), 4), s) for (m, s) in ((5.0, 0.2), (5.4, 0.1)) for speed in BAND_SPEED}
    assert found == expected


def test_mixtures_lie_between_two_voices(voices: Voices) -> None:
    random = np.random.default_rng(3)
    between = 0
    for _ in range(50):
        voice = voices.any(random, mixed=1.0)
        assert float(voice.heard.norm()) == pytest.approx(1, abs=1e-5)
        cosines = voices.means @ voice.wanted
        assert cosines.max() > 0.8
        between += int(cosines.max() < 0.9999)
        assert 5.0 + np.log(BAND_SPEED[0]) - 1e-4 <= float(voice.register[0]) <= 5.4 + np.log(BAND_SPEED[2]) + 1e-4
    assert between > 25  # five in six draw two identities that differ


def test_a_speaker_without_clips_is_named(pool: Pool) -> None:
    with pytest.raises(CorpusError, match=r"no clip of cleo: write it again from this corpus, with more --clips"):
        Voices(pool, {"ann": 0, "cleo": 1}, REGISTERS)
