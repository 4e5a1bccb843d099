"""Which frames of a packed corpus have labels, and whether the files of labels are sound."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from streamvc.config import FRAME
from streamvc.training.corpora.base import Utterance

NO_LABEL = {"uint16": 65_535, "uint8": 255}


@dataclass(frozen=True)
class Coverage:
    """One file of labels.

    Attributes:
        name: of the file.
        classes: different labels in use.
        share: of frames with a label.
        missing: utterances without any label.
        problem: what is wrong with the file, a predicate; None where nothing is.
    """

    name: str
    classes: int = 0
    share: float = 0.0
    missing: int = 0
    problem: str | None = None


def read_coverage(folder: Path, rows: Sequence[Utterance], samples: int) -> tuple[Coverage, ...]:
    """The coverage of every file of units, and of the phones."""
    files = [*sorted(folder.glob("units-*.npy")), *folder.glob("phones.npy")]
    return tuple(_coverage(path, rows, samples // FRAME) for path in files)


def _coverage(path: Path, rows: Sequence[Utterance], frames: int) -> Coverage:
    phones = path.name == "phones.npy"
    try:
        labels: npt.NDArray[np.generic] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        return Coverage(path.name, problem=f"cannot be read ({error})")
    kind = "uint8" if phones else "uint16"
    if labels.dtype != kind or labels.ndim != 1:
        return Coverage(path.name, problem=f"holds {labels.dtype} [{labels.ndim} dimensions], not one row of {kind}")
    if labels.size != frames:
        return Coverage(path.name, problem=f"has {labels.size} labels for {frames} frames")
    values = np.asarray(labels)
    used = np.unique(values[values != NO_LABEL[kind]])
    limit = _classes(path)
    if limit is not None and used.size and int(used[-1]) >= limit:
        return Coverage(path.name, problem=f"has the label {used[-1]}, but there are only {limit} classes")
    known = values != NO_LABEL[kind]
    missing = sum(not known[row.start // FRAME : (row.start + row.length) // FRAME].any() for row in rows)
    return Coverage(path.name, int(used.size), float(known.mean()) if frames else 0.0, missing)


def _classes(path: Path) -> int | None:
    """How many classes a file of labels may use, where its codebook or its symbols say so."""
    try:
        if path.name == "phones.npy":
            return len(json.loads(path.with_suffix(".json").read_text(encoding="utf-8")))
        with np.load(path.with_name(f"{path.stem}-codebook.npz"), allow_pickle=False) as codebook:
            return len(codebook["centroids"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
