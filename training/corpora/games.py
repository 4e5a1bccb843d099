"""Narrow-band English acting of three adventure games in Debian main: for the content encoder only.

Flight of the Amazon Queen keeps MP3 files in `queen.1c` behind a table; Beneath a Steel Sky keeps samples, packed
with RNC, in `sky.dsk`, indexed by `sky.dnr`; Drascula has one file of raw samples for each line. All are at 11025 Hz.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path

from streamvc.errors import CorpusError
from streamvc.training.corpora.base import Recording, Sex, Span
from streamvc.training.corpora.debian import package_root

QUEEN_ENTRY = struct.Struct(">12sBII")
SKY_SPEECH = range(50_000, 60_000)
"""Numbers of the files of Beneath a Steel Sky that hold speech."""


class AmazonQueen:
    """Flight of the Amazon Queen: Joe is told by file names; others are one speaker for each dialogue or scene."""

    name = "amazon-queen"
    package = "flight-of-the-amazon-queen"

    def __init__(self, folder: Path) -> None:
        self.path = package_root(folder, self.package) / "usr/share/scummvm" / self.package / "queen.1c"

    def recordings(self) -> Iterator[Recording]:
        for name, offset, size in queen_table(self.path):
            speaker = queen_speaker(name)
            if speaker is None:
                continue
            sex: Sex | None = "m" if speaker == "joe" else None
            yield Recording(
                self.path, f"{self.name}-{speaker}", self.name, "en", "Flight-of-the-Amazon-Queen-License",
                (Span(f"{self.name}/{name}"),), sex, "narrow", "member", (offset, size),
            )  # fmt: skip


def queen_table(path: Path) -> list[tuple[str, int, int]]:
    """(name, offset, size) of every member of `queen.1c`.

    Raises:
        CorpusError: the file is missing or is not this archive with MP3 speech.
    """
    if not path.is_file():
        raise CorpusError(f"{path} is missing; unpack flight-of-the-amazon-queen again or leave it out.")
    with path.open("rb") as file:
        head = file.read(15)
        if len(head) < 15 or head[:4] != b"QTBL" or head[12] != 1:
            raise CorpusError(f"{path} is not the talking edition with MP3 speech; use the file of the Debian package.")
        count = int.from_bytes(head[13:], "big")
        table = file.read(count * QUEEN_ENTRY.size)
    if len(table) != count * QUEEN_ENTRY.size:
        raise CorpusError(f"{path} ends inside its table; unpack flight-of-the-amazon-queen again.")
    return [
        (name.split(b"\0")[0].decode("ascii"), offset, size) for name, _, offset, size in QUEEN_ENTRY.iter_unpack(table)
    ]


def queen_speaker(name: str) -> str | None:
    """Who speaks in a member, or None where it is no speech.

    `C...` are cut scenes (the three signs after the C are the scene), `JOE...` and lines whose last letter is J are
    Joe's, those with P are the other person of the dialogue that the first two digits name, and S marks effects.
    """
    stem, _, suffix = name.partition(".")
    if suffix != "SB":
        return None
    if stem.startswith("JOE"):
        return "joe"
    if stem.startswith("C"):
        return f"scene-{stem[1:4].rstrip('_')}"
    line = re.fullmatch(r"(\d\d).*([A-Z])\d", stem)
    if line is None or line.group(2) == "S":
        return None
    return "joe" if line.group(2) == "J" else f"dialogue-{line.group(1)}"


class SteelSky:
    """Beneath a Steel Sky: nothing in the numbers tells who speaks, so all actors are one speaker."""

    name = "steel-sky"
    package = "beneath-a-steel-sky"

    def __init__(self, folder: Path) -> None:
        self.folder = package_root(folder, self.package) / "usr/share/scummvm" / self.package

    def recordings(self) -> Iterator[Recording]:
        archive = self.folder / "sky.dsk"
        for number, offset, size in sky_table(self.folder / "sky.dnr"):
            if number in SKY_SPEECH:
                yield Recording(
                    archive, f"{self.name}-cast", self.name, "en", "Beneath-a-Steel-Sky-License",
                    (Span(f"{self.name}/{number}"),), None, "narrow", "sky", (offset, size),
                )  # fmt: skip


def sky_table(path: Path) -> list[tuple[int, int, int]]:
    """(number, offset, size) of every member of `sky.dsk`, from its index `sky.dnr`.

    An entry is the number u16, then 24 bits of offset and 24 of size. The highest bit of the offset says that it
    counts units of 16 bytes; the two highest of the size are flags.

    Raises:
        CorpusError: the index is missing or cut off.
    """
    if not path.is_file():
        raise CorpusError(f"{path} is missing; unpack beneath-a-steel-sky again or leave it out.")
    data = path.read_bytes()
    count = int.from_bytes(data[:4], "little")
    if len(data) < 4 + 8 * count:
        raise CorpusError(f"{path} ends inside its table; unpack beneath-a-steel-sky again.")
    members = []
    for place in range(4, 4 + 8 * count, 8):
        number = int.from_bytes(data[place : place + 2], "little")
        offset = int.from_bytes(data[place + 2 : place + 5], "little")
        size = int.from_bytes(data[place + 5 : place + 8], "little") & 0x3FFFFF
        members.append((number, (offset & 0x7FFFFF) << 4 if offset >> 23 else offset, size))
    return sorted(members)


class Drascula:
    """Drascula: the letters of a file name tell the character; plain numbers are the hero's."""

    name = "drascula"
    package = "drascula"

    def __init__(self, folder: Path) -> None:
        self.folder = package_root(folder, self.package) / "usr/share/scummvm/drascula/en"

    def recordings(self) -> Iterator[Recording]:
        files = sorted(self.folder.glob("*.ALS"))
        if not files:
            raise CorpusError(f"{self.folder} has no *.ALS; unpack drascula again or leave it out.")
        for path in files:
            character = re.sub(r"\d+$", "", path.stem).lower() or "hero"
            if character in {"s", "f"}:  # effects, of which a few are voices
                continue
            yield Recording(
                path, f"{self.name}-{character}", self.name, "en", "Drascula-License",
                (Span(f"{self.name}/{path.name}"),), "m" if character == "hero" else None, "narrow", "pcm-u8",
                (0, path.stat().st_size),
            )  # fmt: skip
