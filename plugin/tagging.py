"""Puts what a source says about itself into an output that has been written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import BinaryIO, Final

from streamvc.audio.tags import Tags, info_chunk

_COPIED = 1 << 20
_ID3: Final = {
    "title": b"TIT2",
    "artist": b"TPE1",
    "album": b"TALB",
    "date": b"TDRC",
    "copyright": b"TCOP",
    "tracknumber": b"TRCK",
    "genre": b"TCON",
}
_OGG_POLYNOMIAL = 0x04C11DB7


def write_tags(stream: BinaryIO, form: str, tags: Tags) -> bool:
    """Add the tags to a finished file.

    Args:
        stream: open for reading and writing; its position is changed.
        form: "wav", "flac", "ogg", "mp3" or "aiff".
        tags: of the source, which has the same length and rate.

    Returns:
        Whether they could be kept; where there are none, yes.

    Raises:
        OSError: the file cannot be written.
    """
    if form == "wav":
        return _into_wav(stream, tags)
    if not tags.words:
        return True
    if form == "flac":
        return _into_flac(stream, tags.words)
    if form == "mp3":
        _insert(stream, 0, _id3(tags.words))
        return True
    if form == "ogg":
        return _into_ogg(stream, tags.words)
    return False


def _into_wav(stream: BinaryIO, tags: Tags) -> bool:
    chunks = list(tags.chunks) or ([(b"LIST", info_chunk(tags.words))] if tags.words else [])
    if not chunks:
        return True
    stream.seek(0)
    if stream.read(4) != b"RIFF":  # longer than 4 GB
        return False
    end = stream.seek(0, os.SEEK_END)
    data = bytes(end % 2)
    for name, content in chunks:
        data += name + len(content).to_bytes(4, "little") + content + bytes(len(content) % 2)
    if end + len(data) - 8 > 0xFFFF_FFFF:
        return False
    stream.write(data)
    stream.seek(4)
    stream.write((end + len(data) - 8).to_bytes(4, "little"))
    stream.seek(0, os.SEEK_END)
    return True


def _insert(stream: BinaryIO, place: int, data: bytes) -> None:
    """Make room in the middle of a file, from its end, a piece at a time."""
    end = stream.seek(0, os.SEEK_END)
    while end > place:
        start = max(place, end - _COPIED)
        stream.seek(start)
        piece = stream.read(end - start)
        stream.seek(start + len(data))
        stream.write(piece)
        end = start
    stream.seek(place)
    stream.write(data)
    stream.seek(0, os.SEEK_END)


def _comments(words: Mapping[str, str]) -> bytes:
    """The comments of Vorbis, also used by FLAC."""
    vendor = b"streamvc"
    data = len(vendor).to_bytes(4, "little") + vendor + len(words).to_bytes(4, "little")
    for name, word in words.items():
        line = f"{name.upper()}={word}".encode("utf-8", "replace")
        data += len(line).to_bytes(4, "little") + line
    return data


def _into_flac(stream: BinaryIO, words: Mapping[str, str]) -> bool:
    """Behind the block that has to be first, in the place of comments that the encoder left."""
    stream.seek(0)
    if stream.read(4) != b"fLaC":
        return False
    place, kept = 4, b""
    while True:
        stream.seek(place)
        head = stream.read(4)
        if len(head) < 4:
            return False
        length = int.from_bytes(head[1:], "big")
        content = stream.read(length)
        if head[0] & 0x7F not in (1, 4):  # padding and comments
            kept += bytes([head[0] & 0x7F]) + head[1:] + content
        place += 4 + length
        if head[0] & 0x80:
            break
    comments = _comments(words)
    if len(comments) >= 1 << 24:
        return False
    block = kept + bytes([0x84]) + len(comments).to_bytes(3, "big") + comments
    # The header may only grow; padding, which is always possible, fills what it has become too short.
    room = place - 4 - len(block)
    if room >= 4:
        block = kept + bytes([0x04]) + len(comments).to_bytes(3, "big") + comments
        block += bytes([0x81]) + (room - 4).to_bytes(3, "big") + bytes(room - 4)
    elif room > 0:
        comments += bytes(room)  # behind the last comment, where readers do not look
        block = kept + bytes([0x84]) + len(comments).to_bytes(3, "big") + comments
    stream.seek(4)
    old = place - 4
    stream.write(block[:old])
    if len(block) > old:
        _insert(stream, place, block[old:])
    stream.seek(0, os.SEEK_END)
    return True


def _id3(words: Mapping[str, str]) -> bytes:
    """A tag of ID3 version 2.4, in UTF-8."""
    frames = b""
    for name, word in words.items():
        text = word.encode("utf-8", "replace")
        if name in _ID3:
            frames += _id3_frame(_ID3[name], b"\x03" + text)
        elif name == "comment":
            frames += _id3_frame(b"COMM", b"\x03und\x00" + text)
    return b"ID3\x04\x00\x00" + _seven_bits(len(frames)) + frames


def _id3_frame(name: bytes, content: bytes) -> bytes:
    return name + _seven_bits(len(content)) + bytes(2) + content


def _seven_bits(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def _into_ogg(stream: BinaryIO, words: Mapping[str, str]) -> bool:
    """In the second page, which holds the comments and what follows them up to the first sound."""
    stream.seek(0)
    first = _page(stream)
    place = stream.tell()
    second = _page(stream)
    if first is None or second is None:
        return False
    head, packets = second
    end = stream.tell()
    if not packets or not packets[0].startswith(b"\x03vorbis"):
        return False
    packets[0] = b"\x03vorbis" + _comments(words) + b"\x01"
    lacing = b"".join(bytes([255] * (len(packet) // 255) + [len(packet) % 255]) for packet in packets)
    if len(lacing) > 255:
        return False
    page = head[:22] + bytes(4) + bytes([len(lacing)]) + lacing + b"".join(packets)
    page = page[:22] + _ogg_checksum(page).to_bytes(4, "little") + page[26:]
    stream.seek(place)
    stream.write(page[: end - place])
    if len(page) >= end - place:
        _insert(stream, end, page[end - place :])
        return True
    return _remove(stream, place + len(page), end)


def _remove(stream: BinaryIO, start: int, end: int) -> bool:
    stream.seek(end)
    while piece := stream.read(_COPIED):
        end = stream.tell()
        stream.seek(start)
        stream.write(piece)
        start += len(piece)
        stream.seek(end)
    stream.truncate(start)
    stream.seek(0, os.SEEK_END)
    return True


def _page(stream: BinaryIO) -> tuple[bytes, list[bytes]] | None:
    """Header and packets of the next page; None where a packet goes on beyond it."""
    head = stream.read(27)
    if len(head) < 27 or head[:4] != b"OggS":
        return None
    packets, current = [], b""
    lacing = stream.read(head[26])
    for value in lacing:
        current += stream.read(value)
        if value < 255:
            packets.append(current)
            current = b""
    return None if current else (head, packets)


def _ogg_checksum(page: bytes) -> int:
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = crc << 1 ^ (_OGG_POLYNOMIAL if crc & 0x8000_0000 else 0)
        crc &= 0xFFFF_FFFF
    return crc
