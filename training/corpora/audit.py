"""`svc train corpus check`: measure a packed corpus and say what is wrong with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from streamvc.errors import CorpusError
from streamvc.training.corpora.base import Utterance
from streamvc.training.corpora.duplicates import fingerprint, landmarks, near_duplicates
from streamvc.training.corpora.faults import Finding, of_copies, of_labels, of_speakers, of_utterances
from streamvc.training.corpora.index import AUDIO, check, read_index
from streamvc.training.corpora.labels import Coverage, read_coverage
from streamvc.training.corpora.measure import Measured, measure
from streamvc.training.corpora.progress import Say, progress, silent


@dataclass(frozen=True)
class Group:
    """The utterances of one corpus in a packed corpus, with what was measured of them."""

    name: str
    rows: tuple[Utterance, ...]
    measured: tuple[Measured, ...]


@dataclass(frozen=True)
class Audit:
    """What a check found."""

    folder: Path
    groups: tuple[Group, ...]
    labels: tuple[Coverage, ...]
    findings: tuple[Finding, ...]

    def failed(self, strict: bool = False) -> bool:
        """Whether something is wrong enough: an error, or also a warning where the check is strict."""
        return any(one.severity == "error" or (strict and one.severity == "warning") for one in self.findings)


def audit(folder: Path, examples: int = 3, say: Say = silent) -> Audit:
    """Measure every utterance once, compare them, and judge.

    Raises:
        CorpusError: the folder holds no packed corpus, or its audio and its index do not fit.
    """
    rows = read_index(folder)
    path = folder / AUDIO
    if not path.is_file() or not path.stat().st_size or not rows:
        raise CorpusError(f"{folder} has no {AUDIO} with utterances; build a packed corpus there first.")
    audio: npt.NDArray[np.int16] = np.memmap(path, dtype="<i2", mode="r")
    check(rows, audio.size)

    def sound(number: int) -> npt.NDArray[np.int16]:
        return np.asarray(audio[rows[number].start : rows[number].start + rows[number].length])

    measured, prints = [], []
    with progress("checking", " utterances", len(rows), say=say) as step:
        for number in range(len(rows)):
            samples = sound(number)
            measured.append(measure(samples))
            prints.append(landmarks(fingerprint(samples)))
            step()
    labels = read_coverage(folder, rows, audio.size)
    findings = [
        *of_utterances(rows, measured, examples),
        *of_copies(rows, measured, near_duplicates(len(rows), sound, prints), examples),
        *of_speakers(rows, examples),
        *of_labels(rows, labels, examples),
    ]
    order = {"error": 0, "warning": 1, "note": 2}
    findings.sort(key=lambda one: order[one.severity])
    return Audit(folder, _groups(rows, measured), labels, tuple(findings))


def _groups(rows: Sequence[Utterance], measured: Sequence[Measured]) -> tuple[Group, ...]:
    by_name: dict[str, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        by_name[row.corpus].append(number)
    return tuple(
        Group(name, tuple(rows[n] for n in numbers), tuple(measured[n] for n in numbers))
        for name, numbers in by_name.items()
    )
