"""WAV files: judged by their headers before anything decodes them, and read here where they hold plain samples.

RIFF, RF64 and BW64. Sizes of 0 or near 2**32, as programs write them that cannot go back in a pipe, mean "to the end".
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from streamvc.errors import AudioError

Samples = NDArray[np.float32]

PCM, MS_ADPCM, FLOAT, A_LAW, MU_LAW, IMA_ADPCM, EXTENSIBLE = 1, 2, 3, 6, 7, 0x11, 0xFFFE

_KINDS: Final = (b"RIFF", b"RF64", b"BW64")
_FROM_A_PIPE: Final = 0x7FFF_0000
"""sox, arecord and FFmpeg write different sizes for "I do not know": all of them are at least so large."""
_LARGEST_FORM: Final = 4096
_HIGHEST_RATE: Final = 10_000_000
_LONGEST_BLOCK: Final = 1 << 15
_CHUNKS_AT_MOST: Final = 10_000


@dataclass(frozen=True)
class WaveHeader:
    """What the chunks of a WAV file say, known to make sense.

    Attributes:
        coding: format tag; that of the sub-format where the file is WAVE_FORMAT_EXTENSIBLE.
        channels: 1 or more.
        rate: Hz, 1 or more.
        block: bytes of a sample of all channels, or of a block of a compressed coding.
        bits: of a sample.
        start: where the samples begin, in bytes.
        length: bytes of samples that are there.
        missing: bytes of samples that the header promises and the file has not.
    """

    coding: int
    channels: int
    rate: int
    block: int
    bits: int
    start: int
    length: int
    missing: int

    @property
    def plain(self) -> bool:
        """Whether `read_samples` can read it."""
        return self.coding in (PCM, FLOAT, A_LAW, MU_LAW)

    @property
    def frames(self) -> int:
        """Samples per channel, of plain codings."""
        return self.length // self.block

    @property
    def sample_type(self) -> str:
        """As NumPy would name it: how the file stores samples."""
        if self.coding == FLOAT:
            return f"float{self.bits}"
        if self.coding != PCM:
            return "int16"
        return {1: "uint8", 2: "int16", 3: "int24", 4: "int32"}[self.block // self.channels]


def is_wave(head: bytes) -> bool:
    """Whether the first 12 bytes are those of a WAV file."""
    return head[:4] in _KINDS and head[8:12] == b"WAVE"


def read_header(stream: BinaryIO, name: str, chunk: Callable[[bytes, bytes], None] | None = None) -> WaveHeader:
    """Walk through the chunks and judge what they say.

    Args:
        stream: seekable, binary; its position is changed.
        name: what to call the file in errors.
        chunk: called with the name and content of every chunk beside the samples and the format that is no larger than
            64 KiB, those after the samples included.

    Raises:
        AudioError: the header makes no sense, or something that is needed is not there.
        OSError: the file cannot be read.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    head = stream.read(12)
    if not is_wave(head):
        raise AudioError(f"{name} is no WAV file: convert it to WAV or FLAC.")
    claimed = int.from_bytes(head[4:8], "little")
    form: bytes | None = None
    long_size: int | None = None
    found: tuple[int, int, int] | None = None
    position = 12
    for _ in range(_CHUNKS_AT_MOST):
        stream.seek(position)
        header = stream.read(8)
        if len(header) < 8:
            break
        kind, length = header[:4], int.from_bytes(header[4:], "little")
        position += 8
        if kind == b"data":
            if length == 0xFFFF_FFFF and long_size is not None:
                length = long_size
            elif _is_unknown(length, claimed, position, size):
                length = size - position
            found = (position, min(length, size - position), max(0, position + length - size))
        elif kind == b"ds64":
            # 64 bits: the size of the file, then that of the samples.
            long_size = int.from_bytes(stream.read(16)[8:], "little")
        elif kind == b"fmt " and form is None:
            form = stream.read(min(length, _LARGEST_FORM))
        elif chunk is not None and length <= 1 << 16:
            chunk(kind, stream.read(length))
        if found is not None and (chunk is None or found[2] or form is None):
            break
        position += length + length % 2
    if form is None:
        _refuse(name, "it does not say how its samples are stored")
    if found is None:
        raise AudioError(f"{name} is cut off: it ends before its first sample; copy or export it again.")
    return _judge(form, found, name)


def _is_unknown(length: int, claimed: int, position: int, size: int) -> bool:
    """Whether the size of the samples was never filled in."""
    if position + length > size:
        return length >= _FROM_A_PIPE
    # An empty file says 0 as well, but then the size of the whole fits.
    return length == 0 and claimed + 8 not in (size, size + size % 2) and size > position


def _judge(form: bytes, found: tuple[int, int, int], name: str) -> WaveHeader:
    if len(form) < 16:
        _refuse(name, "the description of its samples is too short")
    coding, channels, rate, _, block, bits = (
        int.from_bytes(form[start : start + length], "little")
        for start, length in ((0, 2), (2, 2), (4, 4), (8, 4), (12, 2), (14, 2))
    )
    if coding == EXTENSIBLE:
        if len(form) < 40:
            _refuse(name, "the description of its samples is too short")
        coding = int.from_bytes(form[24:26], "little")
    if channels == 0:
        _refuse(name, "it has no channels")
    if not 1 <= rate <= _HIGHEST_RATE:
        _refuse(name, f"a sample rate of {rate} Hz is impossible")
    if coding in (PCM, FLOAT, A_LAW, MU_LAW):
        block, bits = _plain_block(coding, channels, block, bits, name)
    elif coding in (MS_ADPCM, IMA_ADPCM):
        _check_adpcm(coding, channels, block, bits, form, name)
    elif block == 0:
        _refuse(name, "its blocks have 0 bytes")
    return WaveHeader(coding, channels, rate, block, bits, *found)


def _plain_block(coding: int, channels: int, block: int, bits: int, name: str) -> tuple[int, int]:
    """Bytes of a sample of all channels, and bits of one that NumPy knows."""
    allowed = {PCM: range(1, 33), FLOAT: (32, 64), A_LAW: (8,), MU_LAW: (8,)}[coding]
    if bits not in allowed:
        _refuse(name, f"samples of {bits} bits are impossible in its coding")
    width = (bits + 7) // 8
    if coding == PCM and block % channels == 0 and width < block // channels <= 4 and bits % 8:
        width = block // channels  # 20 bits, say, in the upper part of 32
    elif block != width * channels:
        _refuse(name, f"{channels} channels of {bits} bits do not fit into blocks of {block} bytes")
    return width * channels, bits


def _check_adpcm(coding: int, channels: int, block: int, bits: int, form: bytes, name: str) -> None:
    """Four bits a sample, in blocks that begin with a few bytes per channel and hold whole samples."""
    preamble = 7 if coding == MS_ADPCM else 4
    if bits != 4:
        _refuse(name, f"samples of {bits} bits are impossible in its coding")
    if channels > 2:
        _refuse(name, f"its coding has no {channels} channels")
    if not preamble * channels < block <= _LONGEST_BLOCK:
        _refuse(name, f"blocks of {block} bytes are impossible in its coding")
    per_block = int.from_bytes(form[18:20], "little") if len(form) >= 20 else 0
    held = (block - preamble * channels) * 2 // channels + (2 if coding == MS_ADPCM else 1)
    if per_block != held:
        _refuse(name, f"blocks of {block} bytes hold {held} samples, and not {per_block}")
    if coding == MS_ADPCM:
        pairs = int.from_bytes(form[20:22], "little") if len(form) >= 22 else 0
        if not 7 <= pairs <= 256 or len(form) < 22 + 4 * pairs:
            _refuse(name, "its table of coefficients is not whole")


def _refuse(name: str, why: str) -> NoReturn:
    raise AudioError(f"{name} has a damaged header ({why}): export it again.")


def read_samples(stream: BinaryIO, header: WaveHeader, size: int) -> Iterator[Samples]:
    """The samples of a plain file, float32 [channels, up to `size`] at a time; integers have full scale 1.

    Raises:
        OSError: the file cannot be read.
    """
    decode = _decoder(header)
    stream.seek(header.start)
    left = header.frames
    while left > 0:
        data = stream.read(min(left, size) * header.block)
        count = len(data) // header.block
        if count == 0:
            return
        left -= count
        flat = decode(data[: count * header.block])
        yield np.ascontiguousarray(flat.reshape(count, header.channels).T)


def _decoder(header: WaveHeader) -> Callable[[bytes], Samples]:
    if header.coding == FLOAT:
        return lambda data: np.frombuffer(data, f"<f{header.bits // 8}").astype(np.float32)
    if header.coding != PCM:
        table = _a_law() if header.coding == A_LAW else _mu_law()
        return lambda data: np.asarray(table[np.frombuffer(data, np.uint8)])
    width = header.block // header.channels
    if width == 1:
        return lambda data: (np.frombuffer(data, np.uint8).astype(np.float32) - np.float32(128)) / np.float32(128)
    if width == 3:
        return _from_24_bits
    return lambda data: np.frombuffer(data, f"<i{width}").astype(np.float32) / np.float32(2.0 ** (8 * width - 1))


def _from_24_bits(data: bytes) -> Samples:
    wide = np.zeros((len(data) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
    return wide.view("<i4").reshape(-1).astype(np.float32) / np.float32(2.0**31)


def _mu_law() -> Samples:
    """ITU-T G.711: sign, three bits of exponent, four of mantissa, all inverted."""
    code = ~np.arange(256, dtype=np.uint8)
    size = ((((code & 0x0F).astype(np.int32) << 3) + 0x84) << ((code >> 4) & 7).astype(np.int32)) - 0x84
    return (np.where(code & 0x80, -size, size) / 32768).astype(np.float32)


def _a_law() -> Samples:
    """ITU-T G.711: as mu-law, with every second bit inverted and a straight first segment."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent = ((code >> 4) & 7).astype(np.int32)
    mantissa = ((code & 0x0F).astype(np.int32) << 4) + 8
    size = np.where(exponent == 0, mantissa, (mantissa + 0x100) << np.maximum(exponent - 1, 0))
    return (np.where(code & 0x80, size, -size) / 32768).astype(np.float32)
