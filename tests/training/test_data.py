"""Crops: labels must stay on the sound they name, at any speed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from streamvc.errors import CorpusError
from streamvc.training.data import IGNORE, CropSampler, PackedCorpus


def sampler(folder: Path, **options: object) -> CropSampler:
    corpus = PackedCorpus(folder, ("loudness",))
    return CropSampler(corpus, corpus.select(lambda u: u.split == "train"), 100, seed=3, **options)  # type: ignore[arg-type]


def test_shapes_and_ranges(corpus_folder: Path) -> None:
    crops = sampler(corpus_folder, reference_frames=60).batch(5)
    assert crops.samples.shape == (5, 32_000)
    assert crops.samples.abs().max() > 0.01
    assert crops.units["loudness"].shape == (5, 100)
    assert crops.references is not None
    assert crops.references.shape == (5, 60 * 320)
    assert crops.speeds.tolist() == [1.0] * 5


@pytest.mark.parametrize("speed", [0.8, 1.0, 1.25])
def test_labels_follow_the_sound(corpus_folder: Path, speed: float) -> None:
    """Units are levels of loudness, so the crop's own loudness must rise and fall with its labels."""
    crops = sampler(corpus_folder, speeds=(speed, speed), speed_probability=1.0).batch(16)
    level = torch.log(crops.samples.reshape(16, 100, 320).square().mean(dim=-1) + 1e-9)
    labels = crops.units["loudness"]
    known = labels != IGNORE
    assert int(known.sum()) > 1_200
    assert np.corrcoef(level[known].numpy(), labels[known].numpy())[0, 1] > 0.85


def test_speed_moves_identity_to_its_band(corpus_folder: Path) -> None:
    slow = sampler(corpus_folder, speeds=(0.85, 0.85), speed_probability=1.0).batch(8)
    fast = sampler(corpus_folder, speeds=(1.2, 1.2), speed_probability=1.0).batch(8)
    assert set((slow.speakers % 3).tolist()) == {0}
    assert set((fast.speakers % 3).tolist()) == {2}


def test_references_are_of_the_same_speaker(corpus_folder: Path) -> None:
    from streamvc.training.registers import register_of

    drawn = sampler(corpus_folder, reference_frames=120)
    names = sorted(drawn.speaker_index, key=drawn.speaker_index.__getitem__)
    pitch = {"low": np.log(110), "high": np.log(220)}
    crops = drawn.batch(6)
    assert crops.references is not None
    for row, identity in zip(crops.references, crops.speakers, strict=True):
        mean, _, count = register_of(row)
        assert count > 50
        assert abs(mean - pitch[names[int(identity) // 3]]) < 0.15


def test_the_same_seed_draws_the_same(corpus_folder: Path) -> None:
    a, b = sampler(corpus_folder).batch(4), sampler(corpus_folder).batch(4)
    assert torch.equal(a.samples, b.samples)
    assert torch.equal(a.speakers, b.speakers)


def test_missing_files_say_what_to_do(corpus_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="build it"):
        PackedCorpus(tmp_path)
    with pytest.raises(CorpusError, match="label it"):
        PackedCorpus(corpus_folder, ("nothing",))
