"""What a corpus offers: recordings, each of one speaker, with the spans of it that are utterances."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

Sex = Literal["f", "m"]
Band = Literal["wide", "narrow"]

#: A phone and the sample (16 kHz, from the start of its span) at which it ends.
Alignment = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Span:
    """One utterance in a recording.

    Attributes:
        id: unique in the corpus, stable between builds.
        start, length: samples at 16 kHz in the decoded recording; a length of None means up to the end.
        text: what is said, where that is known.
        alignment: phones with the sample at which each ends, counted from `start`, where they are known.
    """

    id: str
    start: int = 0
    length: int | None = None
    text: str | None = None
    alignment: Alignment | None = None


@dataclass(frozen=True)
class Recording:
    """One audio file (or one member of an archive) of one speaker.

    Attributes:
        path: the file.
        speaker: identity, unique over all corpora.
        reader: how the bytes are read, a key of `audio.READERS`.
        member: byte offset and size in the file, for readers of archives.
        band: `narrow` where nothing is above 4 to 5.5 kHz.
    """

    path: Path
    speaker: str
    corpus: str
    language: str
    licence: str
    spans: tuple[Span, ...]
    sex: Sex | None = None
    band: Band = "wide"
    reader: str = "soundfile"
    member: tuple[int, int] | None = None


@dataclass(frozen=True)
class Utterance:
    """A line of `index.jsonl`: where an utterance lies in `audio.i16` and whose it is."""

    id: str
    speaker: str
    corpus: str
    language: str
    sex: Sex | None
    band: Band
    split: Literal["train", "valid"]
    start: int
    length: int
    licence: str
    text: str | None = field(default=None)


class Corpus(Protocol):
    """A source of recordings."""

    name: str

    def recordings(self) -> Iterator[Recording]:
        """Yield every recording in a stable order.

        Raises:
            CorpusError: the files of the corpus are not where they should be.
        """
        ...
