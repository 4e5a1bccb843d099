"""Files of labels beside the audio of a packed corpus (format: docs/architecture.md)."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streamvc.errors import CorpusError
from streamvc.training.corpora.spool import writing

NO_UNIT = 65_535
UNKNOWN = 255
PHONES = "phones"


def labels_path(folder: Path, name: str) -> Path:
    """Where labels of a kind lie: `phones.npy` for phones, `units-NAME.npy` for others."""
    return folder / ("phones.npy" if name == PHONES else f"units-{name}.npy")


def codebook_path(folder: Path, name: str) -> Path:
    """Where the codebook behind units lies."""
    return folder / f"units-{name}-codebook.npz"


def no_label(name: str) -> int:
    """The value of a frame without label."""
    return UNKNOWN if name == PHONES else NO_UNIT


def open_labels(folder: Path, name: str, total: int) -> npt.NDArray[Any]:
    """`total` labels: those that are there, of this folder's audio or of a base that it begins with, and none after.

    Raises:
        CorpusError: the file is damaged or holds more labels than there are frames.
    """
    array = np.full(total, no_label(name), dtype=np.uint8 if name == PHONES else np.uint16)
    path = labels_path(folder, name)
    if path.is_file():
        try:
            old = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise CorpusError(f"{path} holds no labels ({error}); delete it and label again.") from error
        if old.dtype != array.dtype or old.ndim != 1:
            raise CorpusError(f"{path} holds no labels of type {array.dtype}; delete it and label again.")
        if old.size > total:
            raise CorpusError(f"{path} has {old.size} labels for {total} frames; delete it and label again.")
        array[: old.size] = old
    return array


def save_labels(folder: Path, name: str, array: npt.NDArray[Any]) -> None:
    """Write labels beside their place and rename them.

    Raises:
        OutputError: the disk is full or may not be written; the old file is kept.
    """
    path = labels_path(folder, name)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        # into memory first: on a full disk, NumPy loses the end of a small array without an error
        data = io.BytesIO()
        np.save(data, array, allow_pickle=False)
        with writing(path), temporary.open("wb") as file:
            file.write(data.getbuffer())
        with writing(path):
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def keep_about(folder: Path, name: str, about: dict[str, Any] | None) -> None:
    """Note beside the labels what they depend on, or compare with the note of the labels that are there.

    Raises:
        CorpusError: the labels that are there come from another teacher or codebook.
        OutputError: the note cannot be written.
    """
    if about is None:
        return
    path = folder / f"units-{name}.json"
    if path.is_file() and labels_path(folder, name).is_file():
        try:
            old = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise CorpusError(f"{path} is damaged ({error}); delete it and {labels_path(folder, name)}.") from error
        if old != about:
            raise CorpusError(
                f"{labels_path(folder, name)} was made with another teacher or codebook, and labels of two do not mix; "
                "delete it to label everything anew."
            )
        return
    save_json(path, about)


def save_json(path: Path, value: Any) -> None:
    """Write JSON beside its place and rename it.

    Raises:
        OutputError: the disk is full or may not be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with writing(path):
            temporary.write_text(json.dumps(value, ensure_ascii=False) + "\n", encoding="utf-8")
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
