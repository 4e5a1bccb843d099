"""What teachers need to run over a packed corpus."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from streamvc.config import FRAME
from streamvc.errors import CorpusError, RuntimeUnavailableError
from streamvc.training.corpora.base import Utterance
from streamvc.training.corpora.index import AUDIO


def open_audio(folder: Path) -> npt.NDArray[np.int16]:
    """The samples of a packed corpus, mapped, not read.

    Raises:
        CorpusError: they are missing or empty.
    """
    path = folder / AUDIO
    if not path.is_file() or not path.stat().st_size:
        raise CorpusError(f"{folder} has no {AUDIO}; build a packed corpus there first.")
    return np.memmap(path, dtype="<i2", mode="r")


def balanced(rows: Sequence[Utterance], frames: int, seed: int) -> list[Utterance]:
    """Utterances with about `frames` frames in all, as evenly spread over speakers as their recordings allow.

    Every speaker gives utterances in random order until the same quota is reached; the quota is the largest for
    which the total stays within `frames`.
    """
    rng = np.random.default_rng(seed)
    by_speaker: dict[str, list[Utterance]] = {}
    for row in rows:
        by_speaker.setdefault(row.speaker, []).append(row)
    sums = sorted(sum(row.length for row in group) // FRAME for group in by_speaker.values())
    left, quota = frames, 0
    for number, size in enumerate(sums):
        quota = left // (len(sums) - number)
        if size > quota:
            break
        left -= size
        quota = size
    chosen = []
    for group in by_speaker.values():
        count = 0
        for number in rng.permutation(len(group)):
            if count >= quota:
                break
            chosen.append(group[number])
            count += group[number].length // FRAME
    return chosen


def batches(rows: Sequence[Utterance], frames: int) -> list[list[Utterance]]:
    """Utterances of similar length together, at most about `frames` frames in each batch, padding included."""
    ordered = sorted(rows, key=lambda row: row.length)
    found: list[list[Utterance]] = []
    for row in ordered:
        if found and (len(found[-1]) + 1) * row.length <= frames * FRAME:
            found[-1].append(row)
        else:
            found.append([row])
    return found


def waves(audio: npt.NDArray[np.int16], rows: Sequence[Utterance]) -> list[Tensor]:
    """Samples of utterances, each float32 [samples]."""
    return [torch.from_numpy(np.array(audio[r.start : r.start + r.length], np.float32) / 32768) for r in rows]


def choose_device(name: str) -> torch.device:
    """`cpu`, `cuda` or what else torch knows; `auto` is a GPU where there is one.

    Raises:
        RuntimeUnavailableError: there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    # NotImplementedError and AssertionError: torch was built without it
    except (RuntimeError, NotImplementedError, AssertionError) as error:
        raise RuntimeUnavailableError(f"torch has no device {name} here; say --device cpu.") from error
    return device
