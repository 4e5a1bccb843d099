"""Synthetic English speech of Kokoro-82M, in the two forms in which it is kept.

`KokoroArchive` is the packed form (one Ogg Opus file per voice and `manifest.jsonl`), `KokoroShards` what the
synthesiser writes while it runs (`shard*.jsonl` and one FLAC file per utterance). Both carry the exact duration of
every phone, one per token with a pad at each end, in units of 25 ms.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from streamvc.config import SAMPLE_RATE
from streamvc.errors import CorpusError
from streamvc.training.corpora.base import Alignment, Recording, Sex, Span

UNIT = SAMPLE_RATE // 40
"""Samples of one duration unit: 600 samples at the synthesiser's 24 kHz."""
LICENCE = "Apache-2.0 (voices), public domain (text)"
PAD = ""
"""Symbol of the silence before the first and after the last phone."""


def alignment_of(phonemes: Sequence[str], durations: Sequence[int], name: str) -> Alignment:
    """Phones with the sample (16 kHz) at which each ends.

    Raises:
        CorpusError: there is not exactly one duration per phone and pad.
    """
    if len(durations) != len(phonemes) + 2:
        raise CorpusError(
            f"{name} has {len(phonemes)} phones and {len(durations)} durations, not two more; synthesise it again."
        )
    ends, sample = [], 0
    for symbol, duration in zip((PAD, *phonemes, PAD), durations, strict=True):
        sample += duration * UNIT
        ends.append((symbol, sample))
    return tuple(ends)


def sex_of(voice: str) -> Sex | None:
    """From the second letter of a voice's name; a blend of both sexes has none."""
    letters = {part[1:2] for part in voice.split("+")}
    if letters == {"f"}:
        return "f"
    return "m" if letters == {"m"} else None


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            yield json.loads(line)
        except json.JSONDecodeError as error:
            raise CorpusError(
                f"line {number} of {path} is not JSON ({error.msg}); remove it or fetch the file again."
            ) from error


class KokoroArchive:
    """A folder with `manifest.jsonl` and `VOICE.opus`."""

    name = "kokoro"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def recordings(self) -> Iterator[Recording]:
        manifest = self.folder / "manifest.jsonl"
        if not manifest.is_file():
            raise CorpusError(f"{self.folder} has no manifest.jsonl; point to a packed folder of Kokoro speech.")
        files: dict[tuple[str, str], list[Span]] = defaultdict(list)
        for row in _lines(manifest):
            number = len(files[row["speaker"], row["file"]])
            name = f"{row['speaker']}/{number:04d}"
            spans = files[row["speaker"], row["file"]]
            alignment = alignment_of(row["phonemes"], row["durations"], name)
            spans.append(Span(name, row["start"], row["length"], row["text"], alignment))
        for (speaker, file), spans in sorted(files.items()):
            voice = speaker.removeprefix("kokoro-")
            yield Recording(self.folder / file, speaker, self.name, "en", LICENCE, tuple(spans), sex_of(voice))


class KokoroShards:
    """A folder with `shard*.jsonl` and `VOICE/NNNN.flac`, perhaps still growing."""

    name = "kokoro2"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def recordings(self) -> Iterator[Recording]:
        shards = sorted(self.folder.glob("shard*.jsonl"))
        if not shards:
            raise CorpusError(f"{self.folder} has no shard*.jsonl; point to a folder that synthesis wrote.")
        rows = {row["file"]: row for shard in shards for row in _lines(shard)}
        for file, row in sorted(rows.items()):
            path = self.folder / file
            if not path.is_file():
                continue
            voice = row["voice"]
            name = f"kokoro2-{voice}/{path.stem}"
            span = Span(name, text=row["text"], alignment=alignment_of(row["phonemes"], row["durations"], name))
            yield Recording(path, f"kokoro-{voice}", self.name, "en", LICENCE, (span,), sex_of(voice))
