"""Unpack RNC ProPack data, method 1 (Rob Northen, 1991), the compression of many games of that time.

After a header of 18 bytes comes one stream in which bits and bytes are mixed: bits are taken from little-endian
16-bit words, lowest first, and literal bytes from wherever the next word would start. A block begins with three
prefix codes (for literal counts, distances and match lengths) and the number of its steps; a step copies literals
and then, but for the last of a block, repeats what was written before.
"""

from __future__ import annotations

import struct

from streamvc.errors import CorpusError

HEADER = struct.Struct(">4sIIHHBB")
MAGIC = b"RNC\x01"
SHORTEST_MATCH = 2

#: For each pattern of the lowest `bits` bits: (number of the code, its length), or None.
Code = tuple[int, list[tuple[int, int] | None]]


class _Stream:
    def __init__(self, data: bytes, position: int) -> None:
        self.data = data
        self.position = position
        self.bits = 0
        self.count = 0

    def _more(self) -> None:
        self.bits |= int.from_bytes(self.data[self.position : self.position + 2], "little") << self.count
        self.position += 2
        self.count += 16

    def take(self, count: int) -> int:
        if self.count < count:
            if self.position >= len(self.data):
                raise CorpusError("RNC data end too early; fetch the archive again.")
            self._more()
        value = self.bits & ((1 << count) - 1)
        self.bits >>= count
        self.count -= count
        return value

    def symbol(self, code: Code) -> int:
        """A number: codes 0 and 1 are themselves, code n > 1 is 2^(n-1) plus n-1 more bits."""
        width, table = code
        pattern = self.bits
        if self.count < width:  # look ahead without taking the word: literals may start there
            pattern |= int.from_bytes(self.data[self.position : self.position + 2], "little") << self.count
        found = table[pattern & ((1 << width) - 1)]
        if found is None:
            raise CorpusError("RNC data hold a code that is not defined; fetch the archive again.")
        number, length = found
        self.take(length)
        return number if number < 2 else self.take(number - 1) | 1 << (number - 1)


def _read_code(stream: _Stream) -> Code:
    """A canonical prefix code: up to 31 lengths of 4 bits; code words stand in the stream lowest bit first."""
    lengths = [stream.take(4) for _ in range(stream.take(5))]
    width = max(lengths, default=0)
    table: list[tuple[int, int] | None] = [None] * (1 << width)
    word = 0
    for length in range(1, width + 1):
        for number, own in enumerate(lengths):
            if own == length:
                reverse = int(f"{word:0{length}b}"[::-1], 2)
                for pattern in range(reverse, 1 << width, 1 << length):
                    table[pattern] = (number, length)
                word += 1
        word <<= 1
    return width, table


def unpack(data: bytes) -> bytes:
    """The unpacked bytes.

    Raises:
        CorpusError: the data are not RNC method 1, are cut off, or are damaged.
    """
    if len(data) < HEADER.size or data[:4] != MAGIC:
        raise CorpusError("the data are not packed with RNC method 1; fetch the archive again.")
    _, size, _, _, _, _, blocks = HEADER.unpack_from(data)
    stream = _Stream(data, HEADER.size)
    stream.take(2)
    out = bytearray()
    for _ in range(blocks):
        literals, distances, lengths = _read_code(stream), _read_code(stream), _read_code(stream)
        steps = stream.take(16)
        for step in range(steps):
            count = stream.symbol(literals)
            if count:
                out += data[stream.position : stream.position + count]
                stream.position += count
            if step + 1 < steps:
                distance = stream.symbol(distances) + 1
                length = stream.symbol(lengths) + SHORTEST_MATCH
                if distance > len(out):
                    raise CorpusError("RNC data repeat bytes that were never written; fetch the archive again.")
                for _ in range(length // distance):
                    out += out[-distance:]
                if length % distance:
                    start = len(out) - distance
                    out += out[start : start + length % distance]
    if len(out) != size:
        raise CorpusError(f"RNC data unpack to {len(out)} bytes instead of {size}; fetch the archive again.")
    return bytes(out)
