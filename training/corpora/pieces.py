"""From recordings to utterances: decode, condition, cut what is long and join what is tiny."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from streamvc.config import SAMPLE_RATE
from streamvc.errors import CorpusError
from streamvc.training.corpora import condition
from streamvc.training.corpora.audio import load
from streamvc.training.corpora.base import Alignment, Recording
from streamvc.training.corpora.condition import Conditioning, Samples

GAP = round(0.15 * SAMPLE_RATE)
"""Samples between tiny clips that are joined."""


@dataclass(frozen=True)
class Piece:
    """One conditioned utterance before it has a place: samples float32 at 16 kHz and what is known about it."""

    id: str
    recording: Recording
    samples: Samples
    text: str | None
    alignment: Alignment | None


def slice_alignment(alignment: Alignment, start: int, stop: int) -> Alignment:
    """What is left of an alignment when samples `start` to `stop` are cut out."""
    left = []
    before = 0
    for symbol, end in alignment:
        if end > start and before < stop:
            left.append((symbol, min(end, stop) - start))
        before = end
    return tuple(left)


def prepare(recording: Recording, how: Conditioning) -> list[Piece]:
    """Decode a recording and condition its utterances; those without any speech are left out."""
    samples = load(recording)
    recording = replace(recording, data=None)  # what was streamed is not sent back from the process that decodes
    pieces = []
    for span in recording.spans:
        stop = samples.size if span.length is None else span.start + span.length
        clean = condition.remove_rumble(samples[span.start : stop], how.highpass)
        first, last = condition.trim(clean, how.margin)
        cuts = condition.cut(clean[first:last], how.longest)
        for number, (a, b) in enumerate(cuts):
            a, b = a + first, b + first
            if len(cuts) > 1:
                inner_a, inner_b = condition.trim(clean[a:b], how.margin)
                a, b = a + inner_a, a + inner_b
            part = clean[a:b]
            if condition.active_seconds(part) < 0.1:
                continue
            pieces.append(
                Piece(
                    span.id if len(cuts) == 1 else f"{span.id}#{number}",
                    recording,
                    condition.fade(condition.normalise(part, how.level, how.peak)),
                    span.text if len(cuts) == 1 else None,
                    slice_alignment(span.alignment, a, b) if span.alignment else None,
                )
            )
    return pieces


@dataclass(frozen=True)
class Prepared:
    """What became of one recording: its pieces, or why it cannot be read."""

    recording: Recording
    pieces: tuple[Piece, ...] = ()
    problem: str | None = None


def attempt(recording: Recording, how: Conditioning) -> Prepared:
    """`prepare`, with a recording that cannot be read as a result and not as an exception."""
    bare = replace(recording, data=None)
    try:
        return Prepared(bare, tuple(prepare(recording, how)))
    except CorpusError as error:
        return Prepared(bare, problem=str(error))


def concatenate(pieces: Sequence[Piece]) -> Piece:
    """Pieces of one speaker as one utterance with short gaps; texts and alignments survive only if all have them."""
    if len(pieces) == 1:
        return pieces[0]
    gap = np.zeros(GAP, dtype=np.float32)
    blocks: list[Samples] = []
    alignment: list[tuple[str, int]] = []
    position = 0
    for number, piece in enumerate(pieces):
        if number:
            blocks.append(gap)
            position += GAP
            alignment.append(("", position))
        blocks.append(piece.samples)
        alignment += [(symbol, position + end) for symbol, end in piece.alignment or ()]
        position += piece.samples.size
    texts = [piece.text for piece in pieces if piece.text]
    return Piece(
        f"{pieces[0].id}+{len(pieces) - 1}",
        pieces[0].recording,
        np.concatenate(blocks),
        " ".join(texts) if len(texts) == len(pieces) else None,
        tuple(alignment) if all(piece.alignment for piece in pieces) else None,
    )


def gather(pieces: Iterable[Piece], how: Conditioning, tiny: float = 2.0, longest: float = 6.0) -> Iterator[Piece]:
    """Join pieces shorter than `tiny` seconds with others of the same speaker, up to `longest` seconds.

    What still has less than `how.shortest` seconds of speech at the end is dropped.
    """
    waiting: dict[str, list[Piece]] = {}

    def seconds(group: Sequence[Piece]) -> float:
        return sum(piece.samples.size + GAP for piece in group) / SAMPLE_RATE

    def flush(speaker: str) -> Iterator[Piece]:
        group = waiting.pop(speaker, [])
        if group:
            whole = concatenate(group)
            if condition.active_seconds(whole.samples) >= how.shortest:
                yield whole

    for piece in pieces:
        if piece.samples.size >= tiny * SAMPLE_RATE:
            yield piece
            continue
        speaker = piece.recording.speaker
        if seconds([*waiting.get(speaker, []), piece]) > longest:
            yield from flush(speaker)
        waiting.setdefault(speaker, []).append(piece)
    for speaker in list(waiting):
        yield from flush(speaker)


def to_int16(samples: Samples) -> npt.NDArray[np.int16]:
    """Rounded to 16 bits."""
    return np.asarray(np.clip(np.rint(samples * 32768.0), -32768, 32767), dtype="<i2")


