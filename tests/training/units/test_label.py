"""Labelling a packed corpus, with a teacher whose features are known."""

import json
import resource
import signal
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from streamvc.errors import CorpusError, OutputError
from streamvc.training.corpora.base import Utterance
from streamvc.training.units.__main__ import main
from streamvc.training.units.codebook import Codebook
from streamvc.training.units.extract import open_audio
from streamvc.training.units.label import fit_codebooks, label_units, phone_units
from streamvc.training.units.source import ClusteredUnits
from streamvc.training.units.store import NO_UNIT, labels_path

FRAMES = 40


def rows(count: int, band: str = "wide", split: str = "train") -> list[Utterance]:
    size = FRAMES * 320
    return [
        Utterance(f"u{n}", f"s{n % 3}", "made", "en", None, band, split, n * size, size, "CC0-1.0")  # type: ignore[arg-type]
        for n in range(count)
    ]


class Teacher:
    """Frame i of the corpus has the feature (i mod 4, layer) for each layer; counts what it is asked."""

    name = "made"
    depth = 6
    width = 2
    identity = "made 1"

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
    label_units(tmp_path, rows(5), ClusteredUnits(Teacher(), (4, 5), [BOOK, BOOK]), chunk=2)
    for layer in (4, 5):
        units = np.load(labels_path(tmp_path, f"made{layer}"))
        assert units.dtype == np.uint16
        assert (units == 3 - np.arange(5 * FRAMES) % 4).all()


def test_an_appended_corpus_labels_only_what_is_new(tmp_path: Path) -> None:
    label_units(tmp_path, rows(2), ClusteredUnits(Teacher(), (4,), [BOOK]))
    teacher = Teacher()
    label_units(tmp_path, rows(5), ClusteredUnits(teacher, (4,), [BOOK]))
    assert sorted(teacher.asked) == ["u2", "u3", "u4"]
    assert (np.load(labels_path(tmp_path, "made4")) == 3 - np.arange(5 * FRAMES) % 4).all()


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    class Interrupted(Teacher):
        def __call__(
            self, wanted: Sequence[Utterance], layers: tuple[int, ...]
        ) -> Iterator[tuple[Utterance, list[Tensor]]]:
            if len(self.asked) >= 2:
                raise KeyboardInterrupt
            return super().__call__(wanted, layers)

    with pytest.raises(KeyboardInterrupt):
        label_units(tmp_path, rows(6), ClusteredUnits(Interrupted(), (4,), [BOOK]), chunk=2)
    units = np.load(labels_path(tmp_path, "made4"))
    assert (units[2 * FRAMES :] == NO_UNIT).all()
    assert (units[: 2 * FRAMES] != NO_UNIT).all()
    teacher = Teacher()
    label_units(tmp_path, rows(6), ClusteredUnits(teacher, (4,), [BOOK]), chunk=2)
    assert len(teacher.asked) == 4
    assert (np.load(labels_path(tmp_path, "made4")) != NO_UNIT).all()


def test_labels_of_a_longer_corpus_are_refused(tmp_path: Path) -> None:
    label_units(tmp_path, rows(3), ClusteredUnits(Teacher(), (4,), [BOOK]))
    with pytest.raises(CorpusError, match="delete it and label again"):
        label_units(tmp_path, rows(2), ClusteredUnits(Teacher(), (4,), [BOOK]))


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


def phones_of(folder: Path, made: list[Utterance]) -> list[str]:
    """Label the phones of a corpus; returns their symbols."""
    source = phone_units(folder, open_audio(folder))
    label_units(folder, made, source)
    symbols: list[str] = json.loads((folder / "phones.json").read_text())
    assert list(source.numbers) == symbols
    return symbols


def test_phones_of_known_utterances_and_unknown_for_others(tmp_path: Path) -> None:
    made = corpus(tmp_path, 3)
    line = {"id": "u1", "phones": [["a", 6400 + 720], ["b", 12800]]}
    (tmp_path / "alignment.jsonl").write_text(json.dumps(line) + "\n")
    assert phones_of(tmp_path, made) == ["sil", "a", "b"]
    labels = np.load(tmp_path / "phones.npy")
    assert labels.tolist() == [255] * FRAMES + [1] * 20 + [2] * 20 + [255] * FRAMES


def test_phones_keep_their_numbers_when_more_come(tmp_path: Path) -> None:
    made = corpus(tmp_path, 2)
    (tmp_path / "phones.json").write_text('["sil", "z", "b"]')
    (tmp_path / "alignment.jsonl").write_text(json.dumps({"id": "u0", "phones": [["a", 6400], ["b", 12800]]}) + "\n")
    assert phones_of(tmp_path, made) == ["sil", "z", "b", "a"]
    assert set(np.load(tmp_path / "phones.npy")[:FRAMES].tolist()) == {2, 3}


def test_a_damaged_alignment_is_named(tmp_path: Path) -> None:
    made = corpus(tmp_path, 1)
    (tmp_path / "alignment.jsonl").write_text('{"id": "u0"}\n')
    with pytest.raises(CorpusError, match="line 1 of"):
        phones_of(tmp_path, made)


def test_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["label", str(tmp_path)]) == CorpusError.exit_code
    assert "build a packed corpus" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["label", str(tmp_path), "--units", "1"])


def test_units_of_two_codebooks_do_not_mix(tmp_path: Path) -> None:
    label_units(tmp_path, rows(2), ClusteredUnits(Teacher(), (4,), [BOOK]))
    other = Codebook.plain(BOOK.centroids + 1)
    with pytest.raises(CorpusError, match="labels of two do not mix"):
        label_units(tmp_path, rows(3), ClusteredUnits(Teacher(), (4,), [other]))
    labels_path(tmp_path, "made4").unlink()
    label_units(tmp_path, rows(3), ClusteredUnits(Teacher(), (4,), [other]))
    with pytest.raises(CorpusError, match="labels of two do not mix"):
        label_units(tmp_path, rows(3), ClusteredUnits(Teacher(), (4,), [BOOK]))


def test_what_is_left_is_counted(tmp_path: Path) -> None:
    made = corpus(tmp_path, 3)
    (tmp_path / "alignment.jsonl").write_text(json.dumps({"id": "u1", "phones": [["a", 12800]]}) + "\n")
    assert label_units(tmp_path, made, phone_units(tmp_path, open_audio(tmp_path))) == {"phones": 2}


@pytest.mark.parametrize("damage", [b"", b"no numpy file", None])
def test_damaged_labels_are_named(tmp_path: Path, damage: bytes | None) -> None:
    path = labels_path(tmp_path, "made4")
    if damage is None:
        np.save(path, np.zeros(3, np.int64))
    else:
        path.write_bytes(damage)
    with pytest.raises(CorpusError, match="delete it and label again"):
        label_units(tmp_path, rows(2), ClusteredUnits(Teacher(), (4,), [BOOK]))


def test_a_full_disk_keeps_the_labels(tmp_path: Path) -> None:
    label_units(tmp_path, rows(2), ClusteredUnits(Teacher(), (4,), [BOOK]))
    before = labels_path(tmp_path, "made4").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before), limits[1]))
    try:
        with pytest.raises(OutputError, match="make room"):
            label_units(tmp_path, rows(9), ClusteredUnits(Teacher(), (4,), [BOOK]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert labels_path(tmp_path, "made4").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"units-made4.npy", "units-made4.json"}
