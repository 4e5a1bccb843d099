"""RNC unpacking, against a small packer that follows the same description of the format."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamvc.errors import CorpusError
from streamvc.training.corpora.rnc import MAGIC, unpack


class Writer:
    """Bits go into little-endian words that are placed where the stream stands when their first bit is written."""

    def __init__(self) -> None:
        self.out = bytearray()
        self.word = 0
        self.free = 0

    def bits(self, value: int, count: int) -> None:
        for bit in range(count):
            if not self.free:
                self.word, self.free = len(self.out), 16
                self.out += b"\0\0"
            if value >> bit & 1:
                place = 16 - self.free
                self.out[self.word + place // 8] |= 1 << place % 8
            self.free -= 1

    def number(self, value: int) -> None:
        """A number in a code whose 16 words all have 4 bits."""
        symbol = value if value < 2 else value.bit_length()
        self.bits(int(f"{symbol:04b}"[::-1], 2), 4)
        if symbol > 1:
            self.bits(value - (1 << symbol - 1), symbol - 1)

    def code(self) -> None:
        self.bits(16, 5)
        for _ in range(16):
            self.bits(4, 4)


def pack(blocks: list[list[tuple[bytes, tuple[int, int] | None]]]) -> tuple[bytes, bytes]:
    """Blocks of (literals, (distance, length) or None) as packed and as plain bytes; None only ends a block."""
    writer, plain = Writer(), bytearray()
    writer.bits(0, 2)
    for block in blocks:
        for _ in range(3):
            writer.code()
        writer.bits(len(block), 16)
        for literals, match in block:
            writer.number(len(literals))
            writer.out += literals
            plain += literals
            if match:
                distance, length = match
                writer.number(distance - 1)
                writer.number(length - 2)
                for _ in range(length):
                    plain.append(plain[-distance])
    head = struct.pack(">4sIIHHBB", MAGIC, len(plain), len(writer.out), 0, 0, 0, len(blocks))
    return head + bytes(writer.out), bytes(plain)


@st.composite
def streams(draw: st.DrawFn) -> list[list[tuple[bytes, tuple[int, int] | None]]]:
    blocks, size = [], 0
    for _ in range(draw(st.integers(1, 3))):
        block: list[tuple[bytes, tuple[int, int] | None]] = []
        for _ in range(draw(st.integers(0, 5))):
            literals = draw(st.binary(min_size=0 if size else 1, max_size=40))
            size += len(literals)
            match = (draw(st.integers(1, size)), draw(st.integers(2, 60)))
            size += match[1]
            block.append((literals, match))
        tail = draw(st.binary(max_size=10))
        size += len(tail)
        block.append((tail, None))
        blocks.append(block)
    return blocks


@given(streams())
def test_unpacks_what_was_packed(blocks: list[list[tuple[bytes, tuple[int, int] | None]]]) -> None:
    packed, plain = pack(blocks)
    assert unpack(packed) == plain


def test_match_may_overlap_itself() -> None:
    packed, plain = pack([[(b"ab", (2, 7)), (b"c", None)]])
    assert plain == b"ababababac"
    assert unpack(packed) == plain


def test_refuses_other_data() -> None:
    with pytest.raises(CorpusError, match="not packed with RNC method 1"):
        unpack(b"RNC\x02" + bytes(40))


def test_refuses_data_that_are_cut_off() -> None:
    packed, _ = pack([[(bytes(range(100)), None)]])
    with pytest.raises(CorpusError, match=r"end too early|instead of 100"):
        unpack(packed[:60])


def test_refuses_a_match_before_the_beginning() -> None:
    writer = Writer()
    writer.bits(0, 2)
    for _ in range(3):
        writer.code()
    writer.bits(2, 16)
    writer.number(1)
    writer.out += b"a"
    writer.number(4)
    writer.number(0)
    head = struct.pack(">4sIIHHBB", MAGIC, 3, len(writer.out), 0, 0, 0, 1)
    with pytest.raises(CorpusError, match="never written"):
        unpack(head + bytes(writer.out) + bytes(8))
