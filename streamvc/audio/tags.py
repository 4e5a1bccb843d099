"""What a file says about itself: words, and the chunks of a WAV file that say where it belongs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

_INFO: Final = {
    b"INAM": "title",
    b"IART": "artist",
    b"IPRD": "album",
    b"ICRD": "date",
    b"ICMT": "comment",
    b"ICOP": "copyright",
    b"ITRK": "tracknumber",
    b"IGNR": "genre",
}
"""Names in a LIST chunk of the type INFO, and ours."""

_KEPT: Final = (b"bext", b"iXML", b"cue ", b"LIST", b"id3 ", b"axml", b"smpl", b"inst", b"umid", b"chna")
"""Chunks that are as true of a file of the same length and rate as of the one they come from."""


@dataclass(frozen=True)
class Tags:
    """What a file says about itself.

    Attributes:
        words: title, artist, album, date, comment, copyright, tracknumber and genre, as far as there are any.
        chunks: (name, content) of the chunks of a WAV file that another WAV file can take over as they are.
    """

    words: Mapping[str, str] = field(default_factory=dict)
    chunks: Sequence[tuple[bytes, bytes]] = ()


def from_chunks(chunks: Sequence[tuple[bytes, bytes]]) -> Tags:
    """Of a WAV file, from the names and contents of its chunks."""
    words: dict[str, str] = {}
    for name, content in chunks:
        if name == b"LIST" and content[:4] == b"INFO":
            words |= _info(content[4:])
    return Tags(words, [(name, content) for name, content in chunks if name in _KEPT])


def _info(content: bytes) -> dict[str, str]:
    words = {}
    position = 0
    while position + 8 <= len(content):
        name, length = content[position : position + 4], int.from_bytes(content[position + 4 : position + 8], "little")
        text = content[position + 8 : position + 8 + length].split(b"\0")[0]
        if name in _INFO and text:
            try:
                words[_INFO[name]] = text.decode("utf-8")
            except UnicodeDecodeError:
                words[_INFO[name]] = text.decode("cp1252", "replace")
        position += 8 + length + length % 2
    return words


def info_chunk(words: Mapping[str, str]) -> bytes:
    """The content of a LIST chunk that says these words."""
    content = b"INFO"
    for name, word in _INFO.items():
        if words.get(word):
            text = words[word].encode("utf-8") + b"\0"
            content += name + len(text).to_bytes(4, "little") + text + bytes(len(text) % 2)
    return content
