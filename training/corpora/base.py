"""What a corpus offers: recordings, each of one speaker, with the spans of it that are utterances."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

Sex = Literal["f", "m"]
Band = Literal["wide", "narrow"]
Split = Literal["train", "valid"]

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
        data: the bytes of the file where they were streamed; `path` is then only a name for messages.
        split: `valid` where the corpus itself holds the speaker out; `splits.split_of` may hold out others.
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
    data: bytes | None = field(default=None, repr=False)
    split: Split = "train"


@dataclass(frozen=True)
class Utterance:
    """A line of `index.jsonl`: where an utterance lies in `audio.i16` and whose it is."""

    id: str
    speaker: str
    corpus: str
    language: str
    sex: Sex | None
    band: Band
    split: Split
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


@runtime_checkable
class StreamedCorpus(Corpus, Protocol):
    """A source that is read from afar, and so is neither listed beforehand nor read again from its start."""

    def total(self) -> int | None:
        """How many recordings there are, where that is known."""
        ...

    def skip(self, count: int) -> None:
        """Let `recordings` begin after the first `count`."""
        ...
