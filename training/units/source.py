"""Where content units come from: one protocol for clustered features of a teacher and for phones.

    teacher (Whisper, HuBERT) --features--> codebook --units--\\
                                                               label.label_units --> units-NAME.npy, phones.npy
    alignment (synthesis, forced) ---------------- phones -----/
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from streamvc.training.corpora.base import Alignment, Utterance
from streamvc.training.units.codebook import Codebook
from streamvc.training.units.phones import frame_levels, frame_phones
from streamvc.training.units.store import PHONES, UNKNOWN

Labels = npt.NDArray[np.uint16]


class Teacher(Protocol):
    """An encoder with one feature for each label frame: frame i is about samples 320 i to 320 i + 319.

    Attributes:
        name: units of layer L are called NAME + L.
        width: dimensions of a feature.
        depth: its last layer; layer 0 is what the first block hears.
        identity: tells two models of one name apart.
    """

    name: str
    depth: int
    width: int
    identity: str

    def __call__(
        self, rows: Sequence[Utterance], layers: tuple[int, ...]
    ) -> Iterator[tuple[Utterance, list[Tensor]]]:
        """Features of each utterance in any order, float32 [frames, width] for each of `layers` (rising)."""
        ...


class UnitSource(Protocol):
    """Anything that can label utterances.

    Attributes:
        names: of the kinds of labels, each of which has a file of its own.
    """

    names: tuple[str, ...]

    def about(self, name: str) -> dict[str, Any] | None:
        """What labels of a kind depend on, to be kept beside them; None where any two runs give labels that fit."""
        ...

    def labels(self, rows: Sequence[Utterance]) -> Iterator[tuple[Utterance, list[Labels]]]:
        """Labels of utterances in any order, uint16 [frames] for each of `names`; unlabelled ones may be left out."""
        ...


class ClusteredUnits:
    """Units of a teacher's layers, each with its codebook."""

    def __init__(self, teacher: Teacher, layers: tuple[int, ...], codebooks: Sequence[Codebook]) -> None:
        self.teacher, self.layers, self.codebooks = teacher, layers, tuple(codebooks)
        self.names = tuple(f"{teacher.name}{layer}" for layer in layers)

    def about(self, name: str) -> dict[str, Any]:
        """The teacher and the codebook."""
        codebook = self.codebooks[self.names.index(name)]
        return {"teacher": self.teacher.identity, "codebook": codebook.digest(), "units": len(codebook.centroids)}

    def labels(self, rows: Sequence[Utterance]) -> Iterator[tuple[Utterance, list[Labels]]]:
        """As `UnitSource` says."""
        for row, found in self.teacher(rows, self.layers):
            pairs = zip(self.codebooks, found, strict=True)
            yield row, [codebook.units(features).numpy().astype(np.uint16) for codebook, features in pairs]


class PhoneUnits:
    """Phones of utterances whose alignment is known, numbered by `symbols`.

    Args:
        audio: int16 samples of the packed corpus.
        alignments: by utterance id, with the samples by which the sound comes before the nominal times.
        symbols: every phone that the alignments use.
    """

    names: tuple[str, ...] = (PHONES,)

    def __init__(
        self,
        audio: npt.NDArray[np.int16],
        alignments: dict[str, tuple[Alignment, int]],
        symbols: Sequence[str],
    ) -> None:
        self.audio, self.alignments = audio, alignments
        self.numbers = {symbol: number for number, symbol in enumerate(symbols)}

    def about(self, name: str) -> None:
        """Nothing: the symbols keep their numbers."""

    def labels(self, rows: Sequence[Utterance]) -> Iterator[tuple[Utterance, list[Labels]]]:
        """As `UnitSource` says."""
        for row in rows:
            if row.id not in self.alignments:
                continue
            alignment, lead = self.alignments[row.id]
            levels = frame_levels(np.asarray(self.audio[row.start : row.start + row.length]))
            phones = frame_phones(alignment, levels, lead)
            yield row, [np.array([self.numbers.get(phone, UNKNOWN) for phone in phones], np.uint16)]
