"""LibriTTS and LibriTTS-R as they unpack: English read by volunteers of LibriVox at 24 kHz, CC BY 4.0.

    LibriTTS/SPEAKERS.txt (or speakers.tsv)
    LibriTTS/train-clean-100/SPEAKER/CHAPTER/NAME.wav, with NAME.normalized.txt and NAME.original.txt
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from streamvc.errors import CorpusError
from streamvc.training.corpora.base import Recording, Sex, Span, Split
from streamvc.training.corpora.text import read_text

SUBSETS = re.compile(r"(train|dev|test)-(clean|other)")
LICENCE = "CC-BY-4.0"


class LibriTTS:
    """All subsets in a folder, or the one subset that the folder is.

    Speakers are named `libritts-ID`. Those of `dev-` and `test-` subsets are for validation only.

    Raises:
        CorpusError: the folder is not laid out like LibriTTS, or the table of its speakers is missing.
    """

    def __init__(self, folder: Path) -> None:
        folder = folder.resolve()
        inside = [path for path in (folder, folder / "LibriTTS", folder / "LibriTTS_R") if path.is_dir()]
        found = [[sub for sub in sorted(path.iterdir()) if sub.is_dir() and _is_subset(sub)] for path in inside]
        self.subsets = [folder] if _is_subset(folder) else next((subsets for subsets in found if subsets), [])
        if not self.subsets:
            raise CorpusError(
                f"{folder} has no subset of LibriTTS, such as train-clean-100; point to the folder that LibriTTS "
                "unpacked to or to one of its subsets."
            )
        self.root = self.subsets[0].parent
        self.name = f"libritts-{folder.name}" if _is_subset(folder) else "libritts"
        self.sexes = read_speakers(self.root)

    def recordings(self) -> Iterator[Recording]:
        for subset in self.subsets:
            split: Split = "train" if subset.name.startswith("train") else "valid"
            for path in sorted(subset.glob("*/*/*")):
                if path.suffix not in {".wav", ".flac"}:
                    continue
                reader = path.parent.parent.name
                text = read_text(path.with_name(f"{path.stem}.normalized.txt"))
                yield Recording(
                    path, f"libritts-{reader}", "libritts", "en", LICENCE, (Span(f"libritts/{path.stem}", text=text),),
                    self.sexes.get(reader), split=split,
                )  # fmt: skip


def _is_subset(path: Path) -> bool:
    return SUBSETS.match(path.name) is not None


def read_speakers(root: Path) -> dict[str, Sex]:
    """Sex by number of reader, from `SPEAKERS.txt` (columns parted by |) or `speakers.tsv` (by tabs).

    Raises:
        CorpusError: neither is there, or it lists nobody.
    """
    tables = [root / name for name in ("SPEAKERS.txt", "speakers.tsv") if (root / name).is_file()]
    if not tables:
        raise CorpusError(
            f"{root} has neither SPEAKERS.txt nor speakers.tsv; copy one of them there from the archive of LibriTTS."
        )
    sexes: dict[str, Sex] = {}
    for table in tables:
        for reader, sex in re.findall(r"^\s*(\d+)\s*[|\t]\s*([FM])\b", read_text(table) or "", re.MULTILINE):
            sexes[reader] = "f" if sex == "F" else "m"
    if not sexes:
        raise CorpusError(f"{tables[0]} lists no speaker; copy it again from the archive of LibriTTS.")
    return sexes
