"""Is an audio file all there?

Decoders read a file that was cut off as if it ended there, or as if silence followed, so that a half-finished download
would be rendered as good speech. These checks read what the container itself says about its length. They look at a few
kilobytes of the file; what is damaged in its middle is not their business. WAV files are judged in `wave.py`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

_OGG_PAGE_MAX = 65_307
_FLAC_FRAME_MAX = 1 << 17


def is_cut_off(path: Path) -> bool:
    """Whether the end of an AIFF, FLAC, Ogg or MP3 file is missing.

    A file of another kind, or an MP3 without the index that would tell, counts as whole.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        start = _skip_id3(stream)
        stream.seek(start)
        head = stream.read(12)
        if head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
            return _aiff_is_cut_off(stream, size)
        if head[:4] == b"fLaC":
            return _flac_is_cut_off(stream, size, start)
        if head[:4] == b"OggS":
            return _ogg_is_cut_off(stream, size)
        if head[:1] == b"\xff" and len(head) > 1 and head[1] & 0xE0 == 0xE0:
            return _mp3_is_cut_off(stream, size, start)
        return False


def _skip_id3(stream: BinaryIO) -> int:
    """Where the file begins behind an ID3v2 tag, in bytes."""
    stream.seek(0)
    head = stream.read(10)
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    # Four times seven bits, so that no byte of the length looks like the start of an MP3 frame.
    length = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    return 10 + length


def _aiff_is_cut_off(stream: BinaryIO, size: int) -> bool:
    """Walk the chunks to the one with the samples."""
    position = 12
    while True:
        stream.seek(position)
        header = stream.read(8)
        if len(header) < 8:
            return True  # there is no chunk with samples, or the walk has left the file
        length = int.from_bytes(header[4:], "big")
        if header[:4] == b"SSND":
            return position + 8 + length > size
        position += 8 + length + length % 2


def _flac_is_cut_off(stream: BinaryIO, size: int, start: int) -> bool:
    """A whole FLAC file ends with a frame of the right number whose checksum is right."""
    stream.seek(start + 4)
    info = stream.read(38)
    if len(info) < 38 or info[0] & 0x7F != 0:
        return True
    largest_block = int.from_bytes(info[6:8], "big")
    largest_frame = int.from_bytes(info[11:14], "big") or _FLAC_FRAME_MAX
    total = int.from_bytes(info[17:22], "big") & 0xF_FFFF_FFFF
    if total == 0:
        return False  # the length is unknown, or there is no audio: the reader will say so
    tail = _tail(stream, size, largest_frame + 128)
    if tail[-128:-125] == b"TAG":
        tail = tail[:-128]
    tail = tail[-largest_frame:]
    position = len(tail)
    while (position := tail.rfind(b"\xff", 0, position)) >= 0:
        frame = tail[position:]
        if len(frame) > 5 and frame[1] & 0xFE == 0xF8 and _crc16(frame) == 0:
            number = _coded_number(frame[4:11])
            first = number if frame[1] & 1 else number * largest_block
            return not first < total <= first + largest_block
    return True


def _ogg_is_cut_off(stream: BinaryIO, size: int) -> bool:
    """A whole Ogg file ends with a page that is marked as the last of its stream."""
    tail = _tail(stream, size, _OGG_PAGE_MAX)
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return True
    length = 27 + page[26] + sum(page[27 : 27 + page[26]])
    last_of_stream = 0x04
    return len(page) < length or not page[5] & last_of_stream


def _mp3_is_cut_off(stream: BinaryIO, size: int, start: int) -> bool:
    """The first frame of many MP3 files says how many bytes there are."""
    stream.seek(start)
    frame = stream.read(256)
    for name in (b"Xing", b"Info"):
        position = frame.find(name)
        if position < 0:
            continue
        flags = int.from_bytes(frame[position + 4 : position + 8], "big")
        has_frames, has_bytes = flags & 1, flags & 2
        if has_bytes:
            field = position + 8 + (4 if has_frames else 0)
            return start + int.from_bytes(frame[field : field + 4], "big") > size
    return False


def _tail(stream: BinaryIO, size: int, length: int) -> bytes:
    stream.seek(max(0, size - length))
    return stream.read()


def _coded_number(data: bytes) -> int:
    """The frame or sample number of a FLAC frame, coded as UTF-8 codes characters, with up to 36 bits."""
    if data[0] < 0x80:
        return data[0]
    ones = 8 - (data[0] ^ 0xFF).bit_length()
    number = data[0] & (0x7F >> ones)
    for byte in data[1:ones]:
        number = number << 6 | byte & 0x3F
    return number


def _crc16_table() -> list[int]:
    table = []
    for value in range(256):
        crc = value << 8
        for _ in range(8):
            crc = (crc << 1) ^ (0x8005 if crc & 0x8000 else 0)
        table.append(crc & 0xFFFF)
    return table


_TABLE = _crc16_table()


def _crc16(data: bytes) -> int:
    """FLAC's checksum of a frame (polynomial 0x8005, from 0): 0 when the frame's own checksum at its end is right."""
    crc = 0
    for byte in data:
        crc = (crc << 8 & 0xFF00) ^ _TABLE[crc >> 8 ^ byte]
    return crc
