"""MP3 files by their frames: what is there counts, and not what a header claims.

An MP3 file is a row of frames, each with a header of its own. What stands in front may claim any length, may be missing
(then readers guess from the first bit rate), or may be true for the first of two files that were joined. Here frames
are counted. Runs of frames with one rate and channel count are handed on as files of their own, `Run`, whose first
frame says how many follow.

Importing this module imports nothing but the standard library: a child process runs it.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

DECODER_DELAY: Final = 529
"""Samples by which every decoder of layer III is late. libsndfile leaves out so many at the beginning of a run."""
_LOOK: Final = 4096
_INDEX_SEARCHED: Final = 1 << 20
"""Bytes at the beginning in which the first frame has to be found."""

_RATES: Final = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_BIT_RATES: Final = {
    (3, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (3, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (3, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


class Bytes(Protocol):
    """A buffer or a mapped file."""

    def __len__(self) -> int: ...
    def __getitem__(self, key: slice) -> bytes: ...
    def find(self, sub: bytes, start: int = ..., /) -> int: ...


class Frame(NamedTuple):
    """What the four bytes of a frame's header say.

    Attributes:
        version: 3 for MPEG 1, 2 for MPEG 2, 0 for MPEG 2.5.
        layer: 3 for layer I, 2 for II, 1 for III.
        rate: Hz.
        channels: 1 or 2.
        length: bytes, header included.
        samples: per channel.
    """

    version: int
    layer: int
    rate: int
    channels: int
    length: int
    samples: int

    @property
    def kind(self) -> tuple[int, int, int, int]:
        """What all frames of a run share."""
        return self[:4]


def parse_header(header: bytes) -> Frame | None:
    """The frame that begins with these four bytes; None if none does (or one of free bit rate, which has no length)."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    bit_rate, rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 0 or rate == 3 or bit_rate in (0, 15):
        return None
    hertz = _RATES[version][rate]
    kilobits = _BIT_RATES[3 if version == 3 else 2, layer if version == 3 or layer == 3 else 2][bit_rate - 1]
    padding = header[2] >> 1 & 1
    if layer == 3:
        length, samples = (12_000 * kilobits // hertz + padding) * 4, 384
    else:
        samples = 576 if layer == 1 and version != 3 else 1152
        length = samples * 125 * kilobits // hertz + padding
    return Frame(version, layer, hertz, 1 if header[3] >> 6 == 3 else 2, length, samples)


@dataclass
class Section:
    """Frames behind one index (Xing, Info, VBRI), or without one.

    Attributes:
        first: number of its first frame in the run.
        claimed: frames that the index promises; None if it does not say.
        skip: samples at the beginning that are no sound, when the index is true.
        padding: samples at the end that are none, as the encoder counts them.
    """

    first: int
    claimed: int | None = None
    skip: int = 0
    padding: int = 0


@dataclass
class Run:
    """Consecutive frames of one kind.

    Attributes:
        frame: the first of them.
        header: its four bytes.
        count: how many there are.
        pieces: (start, end) in the file, in bytes; what stands between them is no audio.
        sections: at least one.
    """

    frame: Frame
    header: bytes
    count: int = 0
    pieces: list[tuple[int, int]] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)

    @property
    def samples(self) -> int:
        """Per channel, of all frames."""
        return self.count * self.frame.samples

    @property
    def delay(self) -> int:
        """Samples at the beginning that the decoder leaves out."""
        return DECODER_DELAY if self.frame.layer == 1 else 0

    def sounding(self) -> list[tuple[int, int]]:
        """(start, end) of what is sound, in samples of the run: all but what true indices call padding."""
        ends = [section.first for section in self.sections[1:]] + [self.count]
        parts = []
        for section, end in zip(self.sections, ends, strict=True):
            start, stop = section.first * self.frame.samples, end * self.frame.samples
            if section.claimed == end - section.first and section.skip:
                start += section.skip + DECODER_DELAY
                stop -= max(0, section.padding - DECODER_DELAY)
            start = max(start, self.delay)
            if start < stop:
                parts.append((start, stop))
        return parts


@dataclass(frozen=True)
class Walk:
    """What was found in a file.

    Attributes:
        runs: in their order.
        junk: bytes between frames that are neither frames nor tags.
        claimed_seconds: what the first index says; None without one.
    """

    runs: list[Run]
    junk: int
    claimed_seconds: float | None

    @property
    def seconds(self) -> float:
        """Of all sound."""
        return sum(
            (stop - start) / run.frame.rate for run in self.runs for start, stop in run.sounding()
        )


def walk(data: Bytes) -> Walk:
    """Find all frames."""
    runs: list[Run] = []
    junk = 0
    claimed_seconds: float | None = None
    size, position, in_step = len(data), 0, False
    while position < size:
        frame = parse_header(data[position : position + 4])
        if frame is None or not (position + frame.length <= size) or not (
            in_step or _goes_on(data, position, frame, size)
        ):
            tag = _tag(data, position, size)
            if tag:
                position += tag
                continue
            in_step = False
            if not runs and position > _INDEX_SEARCHED:
                break
            following = data.find(b"\xff", position + 1)
            following = size if following < 0 else following
            following = _before_tag(data, position + 1, following)
            if runs:
                junk += following - position
            position = following
            continue
        in_step = True
        index = _index(data, position, frame)
        if not runs or runs[-1].frame.kind != frame.kind:
            runs.append(Run(frame, bytes(data[position : position + 4])))
        run = runs[-1]
        if index is not None:
            index.first = run.count
            if run.sections and run.sections[-1].first == run.count:
                run.sections.pop()
            run.sections.append(index)
            if len(runs) == 1 and run.count == 0 and index.claimed is not None:
                claimed_seconds = index.claimed * frame.samples / frame.rate
        else:
            if not run.sections:
                run.sections.append(Section(0))
            run.count += 1
            end = position + frame.length
            if run.pieces and run.pieces[-1][1] == position:
                run.pieces[-1] = (run.pieces[-1][0], end)
            else:
                run.pieces.append((position, end))
        position += frame.length
    return Walk([run for run in runs if run.count], junk, claimed_seconds)


def _goes_on(data: Bytes, position: int, frame: Frame, size: int) -> bool:
    """Whether what looks like a frame is followed by another one, the end or a tag: four bytes alone say little."""
    for _ in range(2):
        position += frame.length
        if position == size or _tag(data, position, size):
            return True
        following = parse_header(data[position : position + 4])
        if following is None or following.kind[:3] != frame.kind[:3]:
            return False
        frame = following
    return True


def _before_tag(data: Bytes, start: int, end: int) -> int:
    """The first of the next 0xff and the next tag, which may stand between the halves of a joined file."""
    piece = data[start : min(end, start + _LOOK)]
    found = [place for name in (b"ID3", b"TAG", b"APETAGEX") if (place := piece.find(name)) >= 0]
    return min([end, start + _LOOK, *(start + place for place in found)])


def _tag(data: Bytes, position: int, size: int) -> int:
    """Bytes of a tag that stands here; 0 if none does."""
    head = bytes(data[position : position + 32])
    if head[:3] == b"ID3" and len(head) >= 10 and max(head[6:10]) < 0x80:
        # Four times seven bits, so that no byte of the length looks like the start of a frame; a footer if so marked.
        length = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        return min(10 + length + (10 if head[5] & 0x10 else 0), size - position)
    if head[:3] == b"TAG" and size - position >= 128:
        return 128
    if head[:8] == b"APETAGEX" and len(head) >= 24:
        # The length counts the items and the footer, not the header that stands here.
        extra = 32 if head[23] & 0x20 else 0
        return min(max(32, int.from_bytes(head[12:16], "little") + extra), size - position)
    return 0


def _index(data: Bytes, position: int, frame: Frame) -> Section | None:
    """What a frame says that holds no sound but numbers about the file."""
    if frame.layer != 1:
        return None
    side = (17 if frame.channels == 1 else 32) if frame.version == 3 else (9 if frame.channels == 1 else 17)
    start = position + 4 + side
    body = bytes(data[start : min(start + 160, position + frame.length)])
    if body[:4] not in (b"Xing", b"Info"):
        plain = bytes(data[position + 36 : position + 36 + 18])
        if plain[:4] == b"VBRI" and len(plain) == 18:
            return Section(0, int.from_bytes(plain[14:18], "big"))
        return None
    flags = int.from_bytes(body[4:8], "big")
    section = Section(0, int.from_bytes(body[8:12], "big") if flags & 1 else None)
    place = 8 + 4 * (flags & 1) + 2 * (flags & 2) + (100 if flags & 4 else 0) + (flags & 8) // 2
    lame = body[place : place + 24]
    if len(lame) == 24 and lame[:4] in (b"LAME", b"Lavf", b"Lavc", b"L3.9"):
        section.skip = lame[21] << 4 | lame[22] >> 4
        section.padding = (lame[22] & 0x0F) << 8 | lame[23]
    return section


class RunFile(io.RawIOBase):
    """A run as a file of its own, with an index in front that says how many frames follow.

    Args:
        data: the whole file.
        run: of its frames.
    """

    def __init__(self, data: Bytes, run: Run) -> None:
        self._data = data
        self._front = _front(run)
        self._starts = [0]
        self._pieces = run.pieces
        place = len(self._front)
        for start, end in run.pieces:
            self._starts.append(place)
            place += end - start
        self._size, self._position = place, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Place in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place in bytes; returns it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer as far as there is something; returns how many bytes that was."""
        target = memoryview(buffer).cast("B")
        done = 0
        for piece in self._from(len(target)):
            target[done : done + len(piece)] = piece
            done += len(piece)
        self._position += done
        return done

    def _from(self, count: int) -> Iterator[bytes]:
        position, end = self._position, min(self._size, self._position + count)
        while position < end:
            number = bisect_right(self._starts, position) - 1
            offset = position - self._starts[number]
            if number == 0:
                part = self._front[offset : offset + end - position]
            else:
                start, stop = self._pieces[number - 1]
                part = bytes(self._data[start + offset : min(stop, start + offset + end - position)])
            yield part
            position += len(part)


def _front(run: Run) -> bytes:
    """A frame of layer III that holds nothing but the number of frames; nothing for the other layers."""
    if run.frame.layer != 1:
        return b""
    # Without checksum or padding, and 64 kbit/s, where there is room enough.
    bit_rate = 5 if run.frame.version == 3 else 8
    header = bytes([0xFF, run.header[1] | 1, bit_rate << 4 | run.header[2] & 0x0C, run.header[3]])
    frame = parse_header(header)
    assert frame is not None
    mono = frame.channels == 1
    side = (17 if mono else 32) if frame.version == 3 else (9 if mono else 17)
    body = bytes(side) + b"Info" + (1).to_bytes(4, "big") + run.count.to_bytes(4, "big")
    return (header + body).ljust(frame.length, b"\0")
