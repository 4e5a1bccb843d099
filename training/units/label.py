"""Fit codebooks, and label a packed corpus with any source of units."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from streamvc.config import FRAME
from streamvc.errors import CorpusError
from streamvc.executor import Done
from streamvc.training.corpora.base import Alignment, Utterance
from streamvc.training.corpora.index import ALIGNMENT
from streamvc.training.corpora.progress import Say, progress, silent
from streamvc.training.units.codebook import Codebook
from streamvc.training.units.extract import balanced
from streamvc.training.units.phones import LEAD, symbols_of
from streamvc.training.units.source import PhoneUnits, Teacher, UnitSource
from streamvc.training.units.spread import Labelled
from streamvc.training.units.store import UNKNOWN, keep_about, no_label, open_labels, save_json, save_labels

_SAVE_SECONDS = 60.0


def fit_codebooks(
    rows: Sequence[Utterance],
    teacher: Teacher,
    layers: tuple[int, ...],
    k: int,
    frames: int,
    seed: int,
    *,
    standardise: bool = True,
    say: Say = silent,
) -> list[Codebook]:
    """A codebook of k units for each layer, of wide-band training utterances, evenly spread over speakers.

    Raises:
        CorpusError: the corpus is too small for k units.
    """
    candidates = [row for row in rows if row.split == "train" and row.band == "wide"]
    chosen = balanced(candidates, frames, seed)
    points: list[list[Tensor]] = [[] for _ in layers]
    with progress("fitting", " utterances", len(chosen), say=say) as step:
        for _, found in teacher(chosen, layers):
            for collected, features in zip(points, found, strict=True):
                collected.append(features)
            step()
    if not points or not points[0]:
        raise CorpusError("the corpus has no wide-band training utterance to fit units on; add one.")
    whose = [f"{teacher.identity} layer {layer}" for layer in layers]
    return [
        Codebook.fit(torch.cat(collected), k, seed, standardise=standardise, teacher=name)
        for name, collected in zip(whose, points, strict=True)
    ]


def label_units(
    folder: Path, rows: Sequence[Utterance], source: UnitSource, chunk: int = 500, say: Say = silent,
    by: Callable[[Iterable[Sequence[Utterance]]], Generator[Done[Sequence[Utterance], Labelled], None, None]]
    | None = None,
) -> dict[str, int]:  # fmt: skip
    """Write the labels of a source, a chunk of utterances at a time.

    Labels that are there already, of this folder's audio or of a base that it begins with, are kept: an interrupted
    run goes on where it stopped, and an appended corpus labels only what is new.

    Args:
        by: labels chunks in any order elsewhere, with the same source; None labels them here.

    Returns:
        Utterances that are still without label, by the name of the labels.

    Raises:
        CorpusError: labels that are there do not fit the audio, or come from another teacher or codebook.
        OutputError: the disk is full; the labels up to then are kept.
    """
    total = rows[-1].start // FRAME + rows[-1].length // FRAME if rows else 0
    arrays = [open_labels(folder, name, total) for name in source.names]
    for name in source.names:
        keep_about(folder, name, source.about(name))
    places = [slice(row.start // FRAME, (row.start + row.length) // FRAME) for row in rows]
    place_of = {row.id: place for row, place in zip(rows, places, strict=True)}

    def unlabelled(name: str, array: npt.NDArray[np.generic]) -> list[bool]:
        return [bool(array[place.start] == no_label(name)) for place in places]

    lacking = [unlabelled(name, array) for name, array in zip(source.names, arrays, strict=True)]
    missing = [row for row, *lacks in zip(rows, *lacking, strict=True) if any(lacks)]
    label = f"labelling {' '.join(source.names)}"
    with progress(label, " utterances", len(rows), len(rows) - len(missing), say) as step:
        # The same chunks wherever they are labelled: what a teacher says depends a little on who shares its batch.
        chunks = [missing[first : first + chunk] for first in range(0, len(missing), chunk)]

        def save() -> None:
            for name, array in zip(source.names, arrays, strict=True):
                save_labels(folder, name, array)

        saved = time.monotonic()
        with closing(_labelled_here(source, chunks) if by is None else _labelled(by(chunks))) as work:
            try:
                for found in work:
                    for number, labelled in found:
                        for array, labels in zip(arrays, labelled, strict=True):
                            array[place_of[number]] = labels
                        step()
                    # The files are written whole; many workers would be done sooner than that.
                    if by is None or time.monotonic() - saved >= _SAVE_SECONDS:
                        save()
                        saved = time.monotonic()
            finally:
                if by is not None:
                    save()
    if not missing:
        save()
    return {name: sum(unlabelled(name, array)) for name, array in zip(source.names, arrays, strict=True)}


def _labelled_here(source: UnitSource, chunks: Sequence[Sequence[Utterance]]) -> Generator[Labelled, None, None]:
    for chunk in chunks:
        yield [(row.id, labels) for row, labels in source.labels(chunk)]


def _labelled(
    work: Generator[Done[Sequence[Utterance], Labelled], None, None]
) -> Generator[Labelled, None, None]:
    with closing(work):
        for done in work:
            yield done.value()


def read_alignments(path: Path) -> dict[str, Alignment]:
    """Alignments by utterance id; none where there is no such file.

    Raises:
        CorpusError: a line is malformed.
    """
    found: dict[str, Alignment] = {}
    if not path.is_file():
        return found
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            found[row["id"]] = tuple((str(symbol), int(end)) for symbol, end in row["phones"])
        except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise CorpusError(f"line {number} of {path} is no alignment ({error}); build the corpus again.") from error
    return found


def phone_units(
    folder: Path, audio: npt.NDArray[np.int16], forced: dict[str, tuple[Alignment, int]] | None = None
) -> PhoneUnits:
    """Phones of `alignment.jsonl`, which synthesis wrote, and of a forced alignment where that has none.

    Writes `phones.json`. An existing one keeps its order, and new symbols follow, so that labels of a base corpus stay
    right.

    Raises:
        CorpusError: an alignment is malformed, or there are more phones than eight bits can tell apart.
        OutputError: the symbols cannot be written.
    """
    exact = read_alignments(folder / ALIGNMENT)
    alignments = (forced or {}) | {name: (alignment, LEAD) for name, alignment in exact.items()}
    path = folder / "phones.json"
    symbols: list[str] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    new = symbols_of([alignment for alignment, _ in alignments.values()])
    symbols += [symbol for symbol in new if symbol not in symbols]
    if len(symbols) > UNKNOWN:
        raise CorpusError(f"{len(symbols)} different phones do not fit into eight bits; check the alignments.")
    save_json(path, symbols)
    return PhoneUnits(audio, alignments, symbols)
