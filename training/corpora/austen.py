"""Sentences in the public domain: the novels of Jane Austen, from the Debian package r-cran-janeaustenr.

The package keeps the lines of each novel in a lazy-load database of R: records of the unpacked length (u32, big-
endian) and zlib data, in which a string is a flag word of type 9, its length (i32, big-endian) and its bytes.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from streamvc.errors import CorpusError

STRING = re.compile(rb"\x00[\x00-\x0c]\x00\x09(?=(.{4}))", re.DOTALL)
SENTENCE = re.compile(r"[A-Z][A-Za-z ,;:'!?.-]+")
ABBREVIATION = re.compile(r"\b(Mr|Mrs|Dr|Miss|St|Esq)\.$")


def records(data: bytes) -> Iterator[bytes]:
    """The unpacked records of a lazy-load database."""
    position = 0
    while (position := data.find(b"\x78", position + 4) - 4) >= 0:  # the byte that zlib data begin with
        (size,) = struct.unpack_from(">I", data, position)
        unpacker = zlib.decompressobj()
        try:
            record = unpacker.decompress(memoryview(data)[position + 4 :], size + 1)
        except zlib.error:
            record = b""
        if record and len(record) == size:
            yield record
            position = len(data) - len(unpacker.unused_data)
        else:  # no record begins here
            position += 1


def strings(record: bytes) -> Iterator[str]:
    """The text lines of a record, in order."""
    for found in STRING.finditer(record):
        (size,) = struct.unpack(">i", found.group(1))
        text = record[found.end() + 4 : found.end() + 4 + max(size, 0)]
        if 2 <= size <= 200 and len(text) == size:
            yield text.decode("latin-1")


def sentences(folder: Path, shortest: int = 7, longest: int = 24) -> list[str]:
    """Plain sentences of `shortest` to `longest` words, each once, in the order of the novels.

    Raises:
        CorpusError: the unpacked package holds no such sentence.
    """
    found: dict[str, None] = {}
    for path in sorted(folder.rglob("*.rdb")):
        for record in records(path.read_bytes()):
            text = re.sub(r'[_"]', "", " ".join(strings(record)))
            for sentence in re.split(r"(?<=[.!?])\s+", text):
                plain = SENTENCE.fullmatch(sentence) and not ABBREVIATION.search(sentence)
                if plain and shortest <= len(sentence.split()) <= longest:
                    found[sentence] = None
    if not found:
        raise CorpusError(f"{folder} holds no sentences; unpack the Debian package r-cran-janeaustenr there.")
    return list(found)
