"""The CSTR VCTK corpus as it unpacks: 110 speakers of English at 48 kHz, CC BY 4.0.

    VCTK-Corpus-0.92/speaker-info.txt
    VCTK-Corpus-0.92/wav48_silence_trimmed/p225/p225_001_mic1.flac and p225_001_mic2.flac
    VCTK-Corpus-0.92/txt/p225/p225_001.txt

Version 0.80 has `wav48/p225/p225_001.wav`, one microphone, and numbers without `p` in its table.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from streamvc.errors import CorpusError
from streamvc.training.corpora.base import Recording, Sex, Span
from streamvc.training.corpora.text import read_text

AUDIO = ("wav48_silence_trimmed", "wav48")
LICENCE = "CC-BY-4.0"


class VCTK:
    """Every utterance once: the first microphone, or the second where the first is missing.

    Speakers are named `vctk-p225`. The texts of p315 were lost, so that speaker has none.

    Raises:
        CorpusError: the folder is not laid out like VCTK, or the table of its speakers is missing.
    """

    name = "vctk"

    def __init__(self, folder: Path) -> None:
        places = [
            root / audio
            for root in (folder, *sorted(folder.glob("VCTK*")))
            for audio in AUDIO
            if (root / audio).is_dir()
        ]
        if not places:
            raise CorpusError(
                f"{folder} has neither wav48_silence_trimmed nor wav48; point to the folder that VCTK unpacked to."
            )
        self.audio = places[0]
        self.root = self.audio.parent
        self.sexes = read_speakers(self.root / "speaker-info.txt")

    def recordings(self) -> Iterator[Recording]:
        for speaker in sorted(path for path in self.audio.iterdir() if path.is_dir()):
            for stem, path in sorted(first_microphone(speaker).items()):
                text = read_text(self.root / "txt" / speaker.name / f"{stem}.txt")
                yield Recording(
                    path, f"vctk-{speaker.name}", self.name, "en", LICENCE, (Span(f"vctk/{stem}", text=text),),
                    self.sexes.get(speaker.name),
                )  # fmt: skip


def first_microphone(speaker: Path) -> dict[str, Path]:
    """One recording of each utterance of a speaker, by its name without microphone."""
    chosen: dict[str, Path] = {}
    # in reverse, so that _mic1 and names without microphone overwrite _mic2
    for path in sorted(speaker.iterdir(), reverse=True):
        if path.suffix in {".flac", ".wav"}:
            chosen[path.stem.removesuffix("_mic1").removesuffix("_mic2")] = path
    return chosen


def read_speakers(table: Path) -> dict[str, Sex]:
    """Sex by speaker.

    Raises:
        CorpusError: the table is missing or lists nobody.
    """
    sexes: dict[str, Sex] = {}
    for line in (read_text(table) or "").splitlines():
        cells = line.split()
        if len(cells) >= 3 and cells[2] in {"F", "M"}:
            name = f"p{cells[0]}" if cells[0].isdigit() else cells[0]
            sexes[name] = "f" if cells[2] == "F" else "m"
    if not sexes:
        raise CorpusError(f"{table} is missing or lists no speaker; copy it there from the archive of VCTK.")
    return sexes
