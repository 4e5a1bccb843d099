"""Write packed corpora: one part per source, then all parts (after an older corpus, if any) in one folder.

A part is written to `OUT/parts` and renamed when it is whole; until then its conditioned recordings wait in a spool,
so that an interrupted build goes on where it stopped. Joining keeps the base corpus first: offsets and labels of a
running training stay right.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from streamvc.config import SAMPLE_RATE
from streamvc.errors import CorpusError
from streamvc.executor import Executor
from streamvc.training.corpora.base import Corpus, Recording, Split, StreamedCorpus, Utterance
from streamvc.training.corpora.condition import Conditioning, whole_frames
from streamvc.training.corpora.index import ALIGNMENT, AUDIO, INDEX, check, format_row, read_index
from streamvc.training.corpora.pieces import attempt, gather, to_int16
from streamvc.training.corpora.progress import Say, progress, silent
from streamvc.training.corpora.splits import split_of
from streamvc.training.corpora.spool import Spool, key_of, open_spool, remove_spool, writing
from streamvc.training.corpora.workers import ordered_map

SKIPPED = "skipped.txt"
"""In a part: a line for each recording that could not be read, where the build was told to go on without."""


def write_part(
    corpus: Corpus,
    parts: Path,
    how: Conditioning,
    jobs: int | Executor = 1,
    say: Say = silent,
    *,
    skip_unreadable: bool = False,
) -> Path:
    """Pack one source into `parts/NAME`, unless that is there already.

    Args:
        corpus: where the recordings come from.
        parts: folder of parts.
        how: conditioning.
        jobs: processes that decode, or who else does.
        say: takes lines about the progress.
        skip_unreadable: leave out recordings that cannot be decoded, and list them in `skipped.txt`.

    Raises:
        CorpusError: the source is missing, a recording cannot be decoded, or there is no utterance. What was done
            before is kept for the next run.
        OutputError: the disk is full or may not be written; what was done before is kept.
    """
    done = parts / corpus.name
    if done.is_dir():
        say(f"{corpus.name}: there already")
        return done
    folder = parts / f".{corpus.name}.spool"
    with open_spool(folder, how) as spool:
        _fill(spool, corpus, how, jobs, say, skip_unreadable)
        count, seconds = _write(spool, done, how)
        if spool.problems:
            say(f"{corpus.name}: {len(spool.problems)} recordings could not be read; {done / SKIPPED} lists them")
    remove_spool(folder)
    if not count:
        raise CorpusError(f"{corpus.name} gave no utterance; check that the folder holds its recordings.")
    say(f"{corpus.name}: {count} utterances, {seconds / 3600:.2f} hours")
    return done


def _fill(
    spool: Spool, corpus: Corpus, how: Conditioning, jobs: int | Executor, say: Say, skip_unreadable: bool
) -> None:
    before = len(spool.keys)
    recordings, total = _missing(spool, corpus)
    if before:
        say(f"{corpus.name}: goes on after {before} recordings")
    work = ordered_map(partial(attempt, how=how), recordings, jobs)
    with closing(work), progress(corpus.name, " recordings", total, before, say) as step:
        for prepared in work:
            if prepared.problem is not None and not skip_unreadable:
                raise CorpusError(
                    f"{prepared.problem.rstrip('.')}; or run the command again with --skip-unreadable, which goes on "
                    f"from the {len(spool.keys)} recordings of {corpus.name} that are done."
                )
            spool.add(prepared)
            step()


def _missing(spool: Spool, corpus: Corpus) -> tuple[Iterator[Recording], int | None]:
    """The recordings that the spool lacks, and how many there are in all."""
    if isinstance(corpus, StreamedCorpus):
        corpus.skip(len(spool.keys))
        return iter(corpus.recordings()), corpus.total()
    # files are found by name, so that one that was mended or removed does not move the others
    found = list(corpus.recordings())
    return (one for one in found if key_of(one) not in spool.keys), len(found)


def _write(spool: Spool, done: Path, how: Conditioning) -> tuple[int, float]:
    """Write the part that a full spool makes; returns its utterances and seconds, and writes nothing for none."""
    temporary = done.with_name(f".{done.name}.{os.getpid()}")
    position = count = 0
    try:
        with writing(temporary):
            temporary.mkdir(parents=True)
            with (
                (temporary / AUDIO).open("wb") as audio,
                (temporary / INDEX).open("w", encoding="utf-8") as index,
                (temporary / ALIGNMENT).open("w", encoding="utf-8") as aligned,
            ):
                for piece in gather(spool.pieces(), how):
                    block = to_int16(whole_frames(piece.samples))
                    source = piece.recording
                    row = Utterance(
                        piece.id, source.speaker, source.corpus, source.language, source.sex, source.band,
                        _split(source.speaker, source.split), position, block.size, source.licence, piece.text,
                    )  # fmt: skip
                    audio.write(block.tobytes())
                    index.write(format_row(row))
                    if piece.alignment:
                        line = {"id": piece.id, "phones": piece.alignment}
                        aligned.write(json.dumps(line, ensure_ascii=False) + "\n")
                    position += block.size
                    count += 1
            if spool.problems:
                (temporary / SKIPPED).write_text("".join(f"{line}\n" for line in spool.problems), encoding="utf-8")
            if count:
                temporary.rename(done)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
    return count, position / SAMPLE_RATE


def _split(speaker: str, own: Split) -> Split:
    """`valid` where either the corpus or our own list holds the speaker out."""
    return "valid" if own == "valid" else split_of(speaker)


def join(parts: Sequence[Path], out: Path) -> list[Utterance]:
    """Put parts one after the other into `out` and check the result; index and audio appear only when whole.

    Raises:
        CorpusError: a part is incomplete, two utterances have one id, or audio and index do not fit.
        OutputError: the disk is full or may not be written.
    """
    rows: list[Utterance] = []
    seen: set[str] = set()
    names = (AUDIO, INDEX, ALIGNMENT)
    temporary = {name: out / f".{name}.{os.getpid()}" for name in names}
    try:
        position = 0
        with writing(out):
            out.mkdir(parents=True, exist_ok=True)
            with temporary[AUDIO].open("wb") as audio, temporary[ALIGNMENT].open("wb") as aligned:
                for part in parts:
                    if not (part / AUDIO).is_file():
                        raise CorpusError(f"{part} has no {AUDIO}; delete the folder and build it again.")
                    with (part / AUDIO).open("rb") as source:
                        shutil.copyfileobj(source, audio, 1 << 22)
                    if (part / ALIGNMENT).is_file():
                        aligned.write((part / ALIGNMENT).read_bytes())
                    for row in read_index(part):
                        if row.id in seen:
                            raise CorpusError(f"utterance {row.id} is there twice; leave {part} out or build it again.")
                        seen.add(row.id)
                        rows.append(replace(row, start=row.start + position, split=_split(row.speaker, row.split)))
                    position = audio.tell() // 2
            check(rows, position)
            temporary[INDEX].write_text("".join(format_row(row) for row in rows), encoding="utf-8")
            for name in names:
                temporary[name].replace(out / name)
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)
    return rows


def carry_labels(base: Path, out: Path) -> None:
    """Copy the labels and codebooks of `base`, whose audio `out` begins with, so that only new frames need a label.

    The label arrays are then shorter than the audio until `streamvc.training.units` goes on with them.

    Raises:
        OutputError: the disk is full or may not be written.
    """
    for source in sorted([*base.glob("units-*.np[yz]"), *base.glob("units-*.json"), *base.glob("phones.json")]):
        target = out / source.name
        if target.is_file():
            continue
        temporary = out / f".{source.name}.{os.getpid()}"
        try:
            with writing(target):
                shutil.copyfile(source, temporary)
                temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
