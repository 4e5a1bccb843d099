"""Random crops of a packed corpus (format: docs/architecture.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
from torch import Tensor

from streamvc.config import FRAME, SAMPLE_RATE
from streamvc.errors import CorpusError

NO_UNIT = 65_535
NO_PHONE = 255
IGNORE = -100
"""Label that a loss skips (PyTorch's own convention)."""


@dataclass(frozen=True)
class Utterance:
    """One line of index.jsonl; `start` and `length` in samples."""

    id: str
    speaker: str
    corpus: str
    language: str
    sex: str | None
    band: str
    split: str
    start: int
    length: int
    text: str | None

    @property
    def english(self) -> bool:
        """Whether the words are English (whoever speaks them)."""
        return self.language.startswith("en")


class PackedCorpus:
    """A packed corpus, memory-mapped.

    Raises:
        CorpusError: a file is missing or does not fit the others.
    """

    def __init__(self, folder: str | Path, units: tuple[str, ...] = ()) -> None:
        self.folder, self.names = Path(folder), tuple(units)
        self.utterances = _read_index(self.folder)
        self.audio = _map_audio(self.folder)
        frames = len(self.audio) // FRAME
        self.units = {name: self._labels(f"units-{name}.npy", frames) for name in units}
        self.phones = self._labels("phones.npy", frames) if (self.folder / "phones.npy").exists() else None
        symbols = self.folder / "phones.json"
        self.phone_symbols: list[str] = list(json.loads(symbols.read_text())) if symbols.exists() else []
        if any(u.start % FRAME or u.length % FRAME or u.start + u.length > len(self.audio) for u in self.utterances):
            raise CorpusError(f"The index of {self.folder} does not fit its audio; build the corpus again.")

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker process opens the files itself: pickling them would copy hours of audio.
        return PackedCorpus, (self.folder, self.names)

    def _labels(self, name: str, frames: int) -> np.ndarray[Any, Any]:
        path = self.folder / name
        if not path.is_file():
            raise CorpusError(f"{self.folder} has no {name}; label it with `svc train units label`.")
        try:
            labels: np.ndarray[Any, Any] = np.load(path, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise CorpusError(f"{path} cannot be read ({error}); label the corpus again.") from error
        if len(labels) != frames:
            raise CorpusError(f"{path} has {len(labels)} labels for {frames} frames; label the corpus again.")
        return labels

    def samples(self, utterance: Utterance) -> np.ndarray[Any, np.dtype[np.float32]]:
        """The whole utterance, float32 in [-1, 1)."""
        piece = self.audio[utterance.start : utterance.start + utterance.length]
        return piece.astype(np.float32) / np.float32(32_768)

    def select(self, keep: Callable[[Utterance], bool]) -> list[Utterance]:
        """Utterances for which `keep` holds, in file order."""
        return [u for u in self.utterances if keep(u)]


@dataclass(frozen=True)
class Crops:
    """A batch of crops: samples `[batch, frames * 320]`, labels `[batch, frames]`, speaker and speed `[batch]`.

    `valid [batch, frames]` is False for the padding behind utterances that are shorter than the crop.
    """

    samples: Tensor
    units: dict[str, Tensor]
    phones: Tensor | None
    speakers: Tensor
    speeds: Tensor
    valid: Tensor
    references: Tensor | None = None


class CropSampler:
    """Draws crops at random: utterance by weight, place uniformly, speed by `speeds`.

    A changed speed moves pitch and formants together: it makes a new speaker, and with `split_speeds` it is given an
    identity of its own (three bands of speed per speaker).
    """

    def __init__(
        self, corpus: PackedCorpus, utterances: list[Utterance], frames: int, seed: int,
        weight: Callable[[Utterance], float] | None = None, speeds: tuple[float, float] = (1.0, 1.0),
        speed_probability: float = 0.0, reference_frames: int = 0,
    ) -> None:
        if not utterances:
            raise CorpusError("No utterance of the corpus is left to train on; check its splits and languages.")
        self.corpus, self.utterances, self.frames = corpus, utterances, frames
        weights = np.array([u.length * (weight(u) if weight else 1.0) for u in utterances])
        self.cumulative = np.cumsum(weights / weights.sum())
        self.random = np.random.default_rng(seed)
        self.speeds, self.speed_probability = speeds, speed_probability
        self.reference_frames = reference_frames
        names = sorted({u.speaker for u in utterances})
        self.speaker_index = {name: i for i, name in enumerate(names)}
        self.by_speaker: dict[str, list[Utterance]] = {name: [] for name in names}
        self.turns: dict[int, int] = {}
        for u in utterances:
            self.turns[u.start] = len(self.by_speaker[u.speaker])
            self.by_speaker[u.speaker].append(u)

    @property
    def identities(self) -> int:
        """Speakers times bands of speed."""
        return 3 * len(self.speaker_index)

    def batches(self, size: int) -> Iterator[Crops]:
        """An endless stream of batches."""
        while True:
            yield self.batch(size)

    def batch(self, size: int) -> Crops:
        """One batch of `size` crops."""
        rows = [self._draw() for _ in range(size)]
        units = {name: torch.from_numpy(np.stack([r[1][name] for r in rows])) for name in self.corpus.units}
        phones = None if self.corpus.phones is None else torch.from_numpy(np.stack([r[2] for r in rows]))
        references = torch.from_numpy(np.stack([r[4] for r in rows])) if self.reference_frames else None
        return Crops(
            torch.from_numpy(np.stack([r[0] for r in rows])), units, phones,
            torch.tensor([r[3] for r in rows]),
            torch.tensor([r[5] for r in rows]),
            torch.from_numpy(np.array([r[6] for r in rows])[:, None] > np.arange(self.frames)), references,
        )

    def one_after_the_other(self, count: int, seed: int = 0) -> list[Crops]:
        """Crops one by one, the same for a seed whatever was drawn before."""
        random = np.random.default_rng(seed)
        return [self.one(random) for _ in range(count)]

    def one(self, random: np.random.Generator) -> Crops:
        """A batch of one crop, drawn by `random` and by nothing else."""
        self.random = random
        return self.batch(1)

    def _draw(self) -> tuple[Any, dict[str, Any], Any, int, Any, float, int]:
        u = self.utterances[min(int(np.searchsorted(self.cumulative, self.random.random())), len(self.utterances) - 1)]
        low, high = self.speeds
        changed = self.random.random() < self.speed_probability
        speed = float(np.exp(self.random.uniform(np.log(low), np.log(high)))) if changed else 1.0
        samples, place, heard = self._cut(u, self.frames, speed)
        labels = {name: _at(values, place, NO_UNIT) for name, values in self.corpus.units.items()}
        phones = None if self.corpus.phones is None else _at(self.corpus.phones, place, NO_PHONE)
        band = 0 if speed < 0.95 else 2 if speed > 1.05 else 1
        identity = 3 * self.speaker_index[u.speaker] + band
        reference = self._reference(u, speed) if self.reference_frames else None
        return samples, labels, phones, identity, reference, speed, heard

    def _reference(self, u: Utterance, speed: float) -> Any:
        """Speech of the speaker of `u`, but from other utterances, if there are any; repeated where it is too short."""
        pieces, missing = [], self.reference_frames
        for _ in range(8):
            other = self._another(u)
            frames = max(1, min(missing, int(other.length / speed) // FRAME))
            pieces.append(self._cut(other, frames, speed)[0])
            missing -= frames
            if missing <= 0:
                break
        return np.resize(np.concatenate(pieces), self.reference_frames * FRAME)

    def _another(self, u: Utterance) -> Utterance:
        """An utterance of the same speaker: any but `u`, or `u` where it is the only one."""
        own = self.by_speaker[u.speaker]
        if len(own) == 1:
            return u
        chosen = int(self.random.integers(len(own) - 1))
        return own[chosen + (chosen >= self.turns[u.start])]

    def _cut(self, u: Utterance, frames: int, speed: float) -> tuple[Any, Any, int]:
        """Samples of a random place, per frame the index of the corpus frame it shows (-1 past the end), and how many
        frames are whole: what follows them is padding."""
        wanted = frames * FRAME
        source = int(np.ceil(wanted * speed)) + 2 * FRAME
        slack = max(0, u.length - int(wanted * speed))
        # Whole frames at speed 1, so that labels fit exactly.
        offset = int(self.random.integers(0, slack // FRAME + 1)) * FRAME
        piece = self.corpus.audio[u.start + offset : min(u.start + offset + source, u.start + u.length)]
        samples = piece.astype(np.float32) / 32_768
        if speed != 1.0:
            samples = soxr.resample(samples, SAMPLE_RATE * speed, SAMPLE_RATE, "LQ")
        samples = samples[:wanted]
        whole = len(samples) // FRAME
        samples = np.pad(samples, (0, wanted - len(samples)))
        middle = (np.arange(frames) + 0.5) * FRAME * speed + offset
        place = np.where(middle < u.length, (u.start + middle) // FRAME, -1).astype(np.int64)
        return np.ascontiguousarray(samples, dtype=np.float32), place, whole


def _at(labels: np.ndarray[Any, Any], place: np.ndarray[Any, Any], missing: int) -> np.ndarray[Any, Any]:
    found = labels[np.maximum(place, 0)].astype(np.int64)
    return np.where((place < 0) | (found == missing), IGNORE, found)


def _read_index(folder: Path) -> list[Utterance]:
    path = folder / "index.jsonl"
    if not path.is_file():
        raise CorpusError(f"{folder} has no index.jsonl; build it with `svc train corpus build`.")
    rows = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path} cannot be read ({error}); build the corpus again.") from error
    for number, line in enumerate(lines, 1):
        try:
            rows.append(_utterance(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            raise CorpusError(
                f"Line {number} of {path} is no utterance ({type(error).__name__}: {error}); build the corpus again."
            ) from error
    return rows


def _map_audio(folder: Path) -> np.ndarray[Any, Any]:
    path = folder / "audio.i16"
    try:
        return np.memmap(path, np.int16, "r")
    except (OSError, ValueError) as error:  # missing, empty, or half a sample at its end
        raise CorpusError(f"{path} cannot be read ({error}); build the corpus again.") from error


def _utterance(row: dict[str, Any]) -> Utterance:
    return Utterance(
        row["id"], row["speaker"], row["corpus"], row["language"], row.get("sex"), row["band"], row["split"],
        int(row["start"]), int(row["length"]), row.get("text"),
    )
