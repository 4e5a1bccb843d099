"""The conditioned recordings of a part while it is built, so that an interrupted build goes on where it stopped.

`pieces.i16` holds samples and `pieces.jsonl` a line for each recording that is done, written after its samples: what
a sudden end leaves is a prefix of both, and `open_spool` cuts off the rest.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from streamvc.errors import CorpusError, OutputError
from streamvc.presets.files import reason
from streamvc.training.corpora.base import Recording
from streamvc.training.corpora.condition import Conditioning
from streamvc.training.corpora.pieces import Piece, Prepared, to_int16

SAMPLES, LINES = "pieces.i16", "pieces.jsonl"
FIELDS = ("speaker", "corpus", "language", "licence", "sex", "band", "split")
"""What of a recording its pieces need."""


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Turn a refusal of the operating system into a sentence.

    Raises:
        OutputError: the disk is full, or the permissions do not allow to write.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{place} cannot be written ({reason(error)}): make room or correct the permissions, and run the same "
            "command again, which goes on from what is done."
        ) from error


class Spool:
    """An open spool.

    Attributes:
        keys: of the recordings that are done, in order.
        problems: path and reason of those that could not be read.
    """

    def __init__(self, folder: Path, samples: FileIO, lines: FileIO) -> None:
        self.folder = folder
        self._samples, self._lines = samples, lines
        self.keys: set[str] = set()
        self.problems: list[str] = []

    def add(self, done: Prepared) -> None:
        """Keep what became of a recording.

        Raises:
            OutputError: there is no room for it.
        """
        row: dict[str, Any] = {"key": key_of(done.recording), "problem": done.problem}
        row |= {name: getattr(done.recording, name) for name in FIELDS}
        row["pieces"] = [
            {"id": one.id, "length": one.samples.size, "text": one.text, "alignment": one.alignment}
            for one in done.pieces
        ]
        with writing(self.folder):
            for piece in done.pieces:
                _write(self._samples, to_int16(piece.samples).tobytes())
            _write(self._lines, json.dumps(row, ensure_ascii=False).encode() + b"\n")
        self._note(row)

    def _note(self, row: dict[str, Any]) -> None:
        self.keys.add(row["key"])
        if row["problem"] is not None:
            self.problems.append(row["problem"])

    def restore(self) -> None:
        """Read what is there, and cut off what has no line or no samples."""
        size, ends = (self.folder / SAMPLES).stat().st_size, [0, 0]
        for row, line in _rows(self.folder / LINES):
            length = 2 * sum(piece["length"] for piece in row["pieces"])
            if ends[0] + length > size:
                break
            self._note(row)
            ends = [ends[0] + length, ends[1] + line]
        for file, end in zip((self._samples, self._lines), ends, strict=True):
            file.truncate(end)
            file.seek(end)

    def pieces(self) -> Iterator[Piece]:
        """Every piece, in order."""
        with (self.folder / SAMPLES).open("rb") as samples:
            for row, _ in _rows(self.folder / LINES):
                recording = Recording(Path(), spans=(), **{name: row[name] for name in FIELDS})
                for one in row["pieces"]:
                    block = np.frombuffer(samples.read(2 * one["length"]), dtype="<i2")
                    alignment = one["alignment"] and tuple((symbol, end) for symbol, end in one["alignment"])
                    yield Piece(one["id"], recording, block.astype(np.float32) / 32768.0, one["text"], alignment)


def _write(file: FileIO, data: bytes) -> None:
    """All of the data; a file without buffer, which has nothing left to write when it is closed, takes it in parts."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def key_of(recording: Recording) -> str:
    """What tells recordings of one corpus apart."""
    return recording.spans[0].id if recording.spans else str(recording.path)


def _rows(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """Whole lines with their sizes in bytes, up to the first that is damaged."""
    with path.open("rb") as file:
        for line in file:
            try:
                row = json.loads(line)
            except ValueError:
                return
            if not line.endswith(b"\n"):
                return
            yield row, len(line)


@contextmanager
def open_spool(folder: Path, how: Conditioning) -> Iterator[Spool]:
    """The spool in `folder`, with what an earlier run left there if it conditioned in the same way.

    Raises:
        CorpusError: another process builds this part.
        OutputError: the folder cannot be written.
    """
    settings = json.dumps(asdict(how))
    note = folder / "settings.json"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lines = (folder / LINES).open("ab", buffering=0)
    with lines:
        _lock(lines, folder)
        with writing(folder):
            if not note.is_file() or note.read_text(encoding="utf-8") != settings:
                lines.truncate(0)
                note.write_text(settings, encoding="utf-8")
            samples = (folder / SAMPLES).open("ab", buffering=0)
        with samples:
            spool = Spool(folder, samples, lines)
            spool.restore()
            yield spool


def remove_spool(folder: Path) -> None:
    """Free the room that a spool takes, once its part is written."""
    shutil.rmtree(folder, ignore_errors=True)


def _lock(file: FileIO, folder: Path) -> None:
    """Hold the spool until the file is closed; where there is no flock (Windows), two builds are the user's care."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise CorpusError(f"another process builds {folder}; wait for it, or give another --out.") from error
