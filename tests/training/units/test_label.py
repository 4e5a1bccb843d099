"""Labelling a packed corpus, with a teacher whose features are known."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from streamvc.errors import CorpusError
from streamvc.training.corpora.base import Utterance
from streamvc.training.units.__main__ import main
from streamvc.training.units.codebook import Codebook
from streamvc.training.units.extract import open_audio
from streamvc.training.units.label import NO_UNIT, fit_codebooks, label_phones, label_units, units_path

FRAMES = 40


def rows(count: int, band: str = "wide", split: str = "train") -> list[Utterance]:
    size = FRAMES * 320
    return [
        Utterance(f"u{n}", f"s{n % 3}", "made", "en", None, band, split, n * size, size, "CC0-1.0")  # type: ignore[arg-type]
        for n in range(count)
    ]


class Teacher:
    """Frame i of the corpus has the feature (i mod 4, layer) for each layer; counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(
        self, wanted: Sequence[Utterance], layers: tuple[int, ...]
    ) -> Iterator[tuple[Utterance, list[Tensor]]]:
        for row in reversed(wanted):
            self.asked.append(row.id)
            frame = torch.arange(row.start // 320, (row.start + row.length) // 320)
            yield (
                row,
                [torch.stack([(frame % 4).float(), torch.full((FRAMES,), float(layer))], dim=1) for layer in layers],
            )


BOOK = Codebook(torch.tensor([[3.0, 0], [2, 0], [1, 0], [0, 0]]), torch.zeros(2), torch.tensor([1.0, 1e6]))


def test_units_lie_at_their_frames(tmp_path: Path) -> None:
    label_units(tmp_path, rows(5), Teacher(), (4, 5), [BOOK, BOOK], chunk=2)
    for layer in (4, 5):
        units = np.load(units_path(tmp_path, layer))
        assert units.dtype == np.uint16
        assert (units == 3 - np.arange(5 * FRAMES) % 4).all()


def test_an_appended_corpus_labels_only_what_is_new(tmp_path: Path) -> None:
    label_units(tmp_path, rows(2), Teacher(), (4,), [BOOK])
    teacher = Teacher()
    label_units(tmp_path, rows(5), teacher, (4,), [BOOK])
    assert sorted(teacher.asked) == ["u2", "u3", "u4"]
    assert (np.load(units_path(tmp_path, 4)) == 3 - np.arange(5 * FRAMES) % 4).all()


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    class Interrupted(Teacher):
        def __call__(
            self, wanted: Sequence[Utterance], layers: tuple[int, ...]
        ) -> Iterator[tuple[Utterance, list[Tensor]]]:
            if len(self.asked) >= 2:
                raise KeyboardInterrupt
            return super().__call__(wanted, layers)

    with pytest.raises(KeyboardInterrupt):
        label_units(tmp_path, rows(6), Interrupted(), (4,), [BOOK], chunk=2)
    units = np.load(units_path(tmp_path, 4))
    assert (units[2 * FRAMES :] == NO_UNIT).all()
    assert (units[: 2 * FRAMES] != NO_UNIT).all()
    teacher = Teacher()
    label_units(tmp_path, rows(6), teacher, (4,), [BOOK], chunk=2)
    assert len(teacher.asked) == 4
    assert (np.load(units_path(tmp_path, 4)) != NO_UNIT).all()


def test_labels_of_a_longer_corpus_are_refused(tmp_path: Path) -> None:
    label_units(tmp_path, rows(3), Teacher(), (4,), [BOOK])
    with pytest.raises(CorpusError, match="delete it and label again"):
        label_units(tmp_path, rows(2), Teacher(), (4,), [BOOK])


def test_codebooks_are_fitted_on_wide_training_speech_only() -> None:
    teacher = Teacher()
    mixed = [*rows(3), *rows(4, split="valid")[3:], *rows(5, band="narrow")[4:]]
    (book,) = fit_codebooks(mixed, teacher, (4,), 4, 10**6, seed=0)
    assert sorted(teacher.asked) == ["u0", "u1", "u2"]
    assert book.centroids.shape == (4, 2)
    with pytest.raises(CorpusError, match="no wide-band training"):
        fit_codebooks(rows(2, split="valid"), teacher, (4,), 4, 10**6, seed=0)


def corpus(folder: Path, count: int) -> list[Utterance]:
    made = rows(count)
    tone = 8000 * np.sin(np.arange(count * FRAMES * 320) / 5)
    tone.astype("<i2").tofile(folder / "audio.i16")
    (folder / "index.jsonl").write_text("".join(json.dumps(asdict(row)) + "\n" for row in made))
    return made


def test_phones_of_known_utterances_and_unknown_for_others(tmp_path: Path) -> None:
    made = corpus(tmp_path, 3)
    line = {"id": "u1", "phones": [["a", 6400 + 720], ["b", 12800]]}
    (tmp_path / "alignment.jsonl").write_text(json.dumps(line) + "\n")
    assert label_phones(tmp_path, made, open_audio(tmp_path)) == ["sil", "a", "b"]
    labels = np.load(tmp_path / "phones.npy")
    assert labels.tolist() == [255] * FRAMES + [1] * 20 + [2] * 20 + [255] * FRAMES


def test_phones_keep_their_numbers_when_more_come(tmp_path: Path) -> None:
    made = corpus(tmp_path, 2)
    (tmp_path / "phones.json").write_text('["sil", "z", "b"]')
    (tmp_path / "alignment.jsonl").write_text(json.dumps({"id": "u0", "phones": [["a", 6400], ["b", 12800]]}) + "\n")
    assert label_phones(tmp_path, made, open_audio(tmp_path)) == ["sil", "z", "b", "a"]
    assert set(np.load(tmp_path / "phones.npy")[:FRAMES].tolist()) == {2, 3}


def test_a_damaged_alignment_is_named(tmp_path: Path) -> None:
    made = corpus(tmp_path, 1)
    (tmp_path / "alignment.jsonl").write_text('{"id": "u0"}\n')
    with pytest.raises(CorpusError, match="line 1 of"):
        label_phones(tmp_path, made, open_audio(tmp_path))


def test_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["label", str(tmp_path)]) == CorpusError.exit_code
    assert "build a packed corpus" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["label", str(tmp_path), "--units", "1"])
