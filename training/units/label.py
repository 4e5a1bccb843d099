"""Label a packed corpus: units of the teacher's layers, and phones where synthesis gave them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from streamvc.config import FRAME
from streamvc.errors import CorpusError
from streamvc.training.corpora.base import Alignment, Utterance
from streamvc.training.corpora.pack import ALIGNMENT
from streamvc.training.units.codebook import Codebook
from streamvc.training.units.extract import balanced
from streamvc.training.units.phones import UNKNOWN, frame_levels, frame_phones, symbols_of

NO_UNIT = 65535
#: From utterances to their features: [frames, 512] for each layer asked for.
Teacher = Callable[[Sequence[Utterance], tuple[int, ...]], Iterator[tuple[Utterance, list[Tensor]]]]


def units_path(folder: Path, layer: int) -> Path:
    """Where the units of a layer lie."""
    return folder / f"units-whisper{layer}.npy"


def codebook_path(folder: Path, layer: int) -> Path:
    """Where the codebook of a layer lies."""
    return folder / f"units-whisper{layer}-codebook.npz"


def save(path: Path, array: npt.NDArray[np.generic]) -> None:
    """Write an array beside its place and rename it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            np.save(file, array, allow_pickle=False)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def fit_codebooks(
    rows: Sequence[Utterance], teacher: Teacher, layers: tuple[int, ...], k: int, frames: int, seed: int
) -> list[Codebook]:
    """A codebook of k units for each layer, of wide-band training utterances, evenly spread over speakers.

    Raises:
        CorpusError: the corpus is too small for k units.
    """
    candidates = [row for row in rows if row.split == "train" and row.band == "wide"]
    points: list[list[Tensor]] = [[] for _ in layers]
    for _, found in teacher(balanced(candidates, frames, seed), layers):
        for collected, features in zip(points, found, strict=True):
            collected.append(features)
    if not points or not points[0]:
        raise CorpusError("the corpus has no wide-band training utterance to fit units on; add one.")
    return [Codebook.fit(torch.cat(collected), k, seed) for collected in points]


def label_units(
    folder: Path,
    rows: Sequence[Utterance],
    teacher: Teacher,
    layers: tuple[int, ...],
    codebooks: Sequence[Codebook],
    chunk: int = 500,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Write `units-whisperL.npy` for each layer, a chunk of utterances at a time.

    Labels that are there already, of this folder's audio or of a base that it begins with, are kept: an interrupted
    run goes on where it stopped, and an appended corpus labels only what is new.
    """
    total = rows[-1].start // FRAME + rows[-1].length // FRAME if rows else 0
    units = [np.full(total, NO_UNIT, dtype=np.uint16) for _ in layers]
    for array, layer in zip(units, layers, strict=True):
        path = units_path(folder, layer)
        if path.is_file():
            old = np.load(path, allow_pickle=False)
            if old.size > total:
                raise CorpusError(f"{path} has {old.size} labels for {total} frames; delete it and label again.")
            array[: old.size] = old
    missing = [row for row in rows if any(array[row.start // FRAME] == NO_UNIT for array in units)]
    for first in range(0, len(missing), chunk):
        for row, found in teacher(missing[first : first + chunk], layers):
            place = slice(row.start // FRAME, (row.start + row.length) // FRAME)
            for array, codebook, features in zip(units, codebooks, found, strict=True):
                array[place] = codebook.units(features).numpy().astype(np.uint16)
        for array, layer in zip(units, layers, strict=True):
            save(units_path(folder, layer), array)
        say(f"labelled {min(first + chunk, len(missing))} of {len(missing)} utterances")


def read_alignments(folder: Path) -> dict[str, Alignment]:
    """Alignments by utterance id; none where the corpus has no such file.

    Raises:
        CorpusError: a line is malformed.
    """
    path = folder / ALIGNMENT
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


def label_phones(folder: Path, rows: Sequence[Utterance], audio: npt.NDArray[np.int16]) -> list[str]:
    """Write `phones.npy` and `phones.json`; frames of utterances without alignment stay unknown.

    An existing `phones.json` keeps its order, and new symbols follow, so that labels of a base corpus stay right.

    Returns:
        The symbols.
    """
    alignments = read_alignments(folder)
    path = folder / "phones.json"
    symbols: list[str] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    symbols += [symbol for symbol in symbols_of(list(alignments.values())) if symbol not in symbols]
    if len(symbols) > UNKNOWN:
        raise CorpusError(f"{len(symbols)} different phones do not fit into eight bits; check the alignments.")
    number = {symbol: index for index, symbol in enumerate(symbols)}
    labels = np.full(audio.size // FRAME, UNKNOWN, dtype=np.uint8)
    for row in rows:
        if row.id not in alignments:
            continue
        levels = frame_levels(np.asarray(audio[row.start : row.start + row.length]))
        phones = frame_phones(alignments[row.id], levels)
        labels[row.start // FRAME : (row.start + row.length) // FRAME] = [number[phone] for phone in phones]
    save(folder / "phones.npy", labels)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(symbols, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)
    return symbols
