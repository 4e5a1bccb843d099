"""Crops: labels must stay on the sound they name, at any speed."""

from __future__ import annotations

import json
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


def test_padding_is_told_from_speech(corpus_folder: Path) -> None:
    """Utterances last 3 to 3.7 s and crops 3.6 s: some rows are padded, and their labels end with the speech."""
    corpus = PackedCorpus(corpus_folder, ("loudness",))
    drawn = CropSampler(corpus, corpus.select(lambda u: u.split == "train"), 180, 5, None, (0.9, 1.1), 0.5)
    crops = drawn.batch(24)
    assert crops.valid.shape == (24, 180)
    frames = crops.samples.reshape(24, 180, 320)
    lengths = crops.valid.sum(dim=1)
    assert int(lengths.min()) < 170
    assert int(lengths.max()) == 180
    for row, length in enumerate(lengths.tolist()):
        assert crops.valid[row, :length].all()
        assert frames[row, :length].abs().amax(dim=-1).min() > 0
        assert frames[row, length + 1 :].abs().sum() == 0
        # A frame is labelled if its middle is speech, and counted if all of it is.
        assert (crops.units["loudness"][row, length + 1 :] == IGNORE).all()


def numbered_corpus(folder: Path, lengths: dict[str, list[int]]) -> PackedCorpus:
    """Speakers with utterances of so many frames, each of one constant that no other utterance has."""
    rows, pieces, position = [], [], 0
    for speaker, frames in lengths.items():
        for count in frames:
            pieces.append(np.full(count * 320, 100 * (len(rows) + 1), "<i2"))
            rows.append({
                "id": str(len(rows)), "speaker": speaker, "corpus": "numbers", "language": "en", "band": "wide",
                "split": "train", "start": position, "length": count * 320,
            })
            position += count * 320
    np.concatenate(pieces).tofile(folder / "audio.i16")
    (folder / "index.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return PackedCorpus(folder)


def test_references_never_come_from_the_utterance_of_the_crop(tmp_path: Path) -> None:
    """Two utterances, long and short, of which one is shorter than a frame at the speed drawn; and a lonely one."""
    corpus = numbered_corpus(tmp_path, {"two": [60, 9], "tiny": [60, 1], "lonely": [50], "many": [30] * 5})
    drawn = CropSampler(
        corpus, corpus.utterances, 20, 1, lambda u: 1 / u.length, (1.0, 1.2), 0.5, reference_frames=40
    )
    names = {index: name for name, index in drawn.speaker_index.items()}
    seen: dict[str, int] = {}
    for _ in range(40):
        crops = drawn.batch(10)
        assert crops.references is not None
        for crop, reference, identity in zip(crops.samples, crops.references, crops.speakers, strict=True):
            speaker = names[int(identity) // 3]
            seen[speaker] = seen.get(speaker, 0) + 1
            # The middle of what was cut, where resampling at an edge does not ring.
            own = float(crop[crop != 0].median())
            shared = ((reference - own).abs() < 0.2 * 100 / 32_768).float().mean()
            if speaker == "lonely":
                assert shared > 0.5
            else:
                assert shared < 0.05, speaker
    assert min(seen.values()) > 20


def test_short_speech_is_repeated_and_not_padded(tmp_path: Path) -> None:
    corpus = numbered_corpus(tmp_path, {"short": [4, 3]})
    drawn = CropSampler(corpus, corpus.utterances, 3, 1, reference_frames=50)
    references = drawn.batch(6).references
    assert references is not None
    assert references.abs().min() > 0
