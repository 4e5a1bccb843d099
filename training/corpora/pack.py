"""Write packed corpora: one part per source, then all parts (after an older corpus, if any) in one folder.

A part is written to `OUT/parts` and renamed when it is whole, so that an interrupted build goes on where it stopped.
Joining keeps the base corpus first: offsets and labels of a running training stay right.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from streamvc.config import FRAME, SAMPLE_RATE
from streamvc.errors import CorpusError
from streamvc.training.corpora import condition
from streamvc.training.corpora.audio import load
from streamvc.training.corpora.base import Alignment, Corpus, Recording, Utterance
from streamvc.training.corpora.condition import Conditioning, Samples
from streamvc.training.corpora.splits import split_of

AUDIO, INDEX, ALIGNMENT = "audio.i16", "index.jsonl", "alignment.jsonl"
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
    """Whole 20 ms frames, rounded to 16 bits."""
    return np.asarray(np.clip(np.rint(condition.whole_frames(samples) * 32768.0), -32768, 32767), dtype="<i2")


def write_part(
    corpus: Corpus, parts: Path, how: Conditioning, jobs: int = 1, say: Callable[[str], None] = lambda _: None
) -> Path:
    """Pack one source into `parts/NAME`, unless that is there already.

    Raises:
        CorpusError: the source is missing, cannot be decoded, or gives no utterance.
    """
    done = parts / corpus.name
    if done.is_dir():
        say(f"{corpus.name}: there already")
        return done
    temporary = parts / f".{corpus.name}.{os.getpid()}"
    temporary.mkdir(parents=True)
    try:
        position = count = 0
        with (
            (temporary / AUDIO).open("wb") as audio,
            (temporary / INDEX).open("w", encoding="utf-8") as index,
            (temporary / ALIGNMENT).open("w", encoding="utf-8") as aligned,
            ProcessPoolExecutor(jobs) as pool,
        ):
            batches = pool.map(partial(prepare, how=how), corpus.recordings(), chunksize=8)
            for piece in gather((piece for batch in batches for piece in batch), how):
                block = to_int16(piece.samples)
                source = piece.recording
                row = Utterance(
                    piece.id, source.speaker, source.corpus, source.language, source.sex, source.band,
                    split_of(source.speaker), position, block.size, source.licence, piece.text,
                )  # fmt: skip
                audio.write(block.tobytes())
                index.write(_row(row))
                if piece.alignment:
                    aligned.write(json.dumps({"id": piece.id, "phones": piece.alignment}, ensure_ascii=False) + "\n")
                position += block.size
                count += 1
        if not count:
            raise CorpusError(f"{corpus.name} gave no utterance; check that the folder holds its recordings.")
        temporary.rename(done)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
    say(f"{corpus.name}: {count} utterances, {position / SAMPLE_RATE / 3600:.2f} hours")
    return done


def _row(utterance: Utterance) -> str:
    fields = asdict(utterance)
    if utterance.text is None:
        del fields["text"]
    return json.dumps(fields, ensure_ascii=False) + "\n"


def read_index(folder: Path) -> list[Utterance]:
    """The utterances of a packed corpus, in order.

    Raises:
        CorpusError: the index is missing or malformed.
    """
    path = folder / INDEX
    if not path.is_file():
        raise CorpusError(f"{folder} has no {INDEX}; build a packed corpus there first.")
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            rows.append(Utterance(**json.loads(line)))
        except (json.JSONDecodeError, TypeError) as error:
            raise CorpusError(f"line {number} of {path} is no utterance ({error}); build the corpus again.") from error
    return rows


def join(parts: Sequence[Path], out: Path) -> list[Utterance]:
    """Put parts one after the other into `out` and check the result; index and audio appear only when whole.

    Raises:
        CorpusError: two utterances have one id, or audio and index do not fit.
    """
    out.mkdir(parents=True, exist_ok=True)
    rows: list[Utterance] = []
    seen: set[str] = set()
    names = (AUDIO, INDEX, ALIGNMENT)
    temporary = {name: out / f".{name}.{os.getpid()}" for name in names}
    try:
        position = 0
        with temporary[AUDIO].open("wb") as audio, temporary[ALIGNMENT].open("wb") as aligned:
            for part in parts:
                with (part / AUDIO).open("rb") as source:
                    shutil.copyfileobj(source, audio, 1 << 22)
                if (part / ALIGNMENT).is_file():
                    aligned.write((part / ALIGNMENT).read_bytes())
                for row in read_index(part):
                    if row.id in seen:
                        raise CorpusError(f"utterance {row.id} is there twice; leave {part} out or build it again.")
                    seen.add(row.id)
                    rows.append(replace(row, start=row.start + position, split=split_of(row.speaker)))
                position = audio.tell() // 2
        check(rows, position)
        temporary[INDEX].write_text("".join(_row(row) for row in rows), encoding="utf-8")
        for name in names:
            temporary[name].replace(out / name)
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)
    return rows


def carry_labels(base: Path, out: Path) -> None:
    """Copy the labels and codebooks of `base`, whose audio `out` begins with, so that only new frames need a label.

    The label arrays are then shorter than the audio until `streamvc.training.units` goes on with them.
    """
    for source in sorted([*base.glob("units-*.np[yz]"), *base.glob("phones.json")]):
        target = out / source.name
        if target.is_file():
            continue
        temporary = out / f".{source.name}.{os.getpid()}"
        try:
            shutil.copyfile(source, temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


def check(rows: Sequence[Utterance], samples: int) -> None:
    """The invariants of a packed corpus: whole frames, no gap, no overlap, nothing left over.

    Raises:
        CorpusError: one of them does not hold.
    """
    position = 0
    for row in rows:
        if row.start != position or row.length <= 0 or row.length % FRAME:
            raise CorpusError(
                f"utterance {row.id} does not follow the one before in whole frames; build the corpus again."
            )
        position += row.length
    if position != samples:
        raise CorpusError(f"the index ends at sample {position} and the audio at {samples}; build the corpus again.")
