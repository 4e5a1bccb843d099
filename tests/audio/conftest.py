"""Files made byte by byte, so that what is wrong with them is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streamvc.audio.reader import AudioReader
from streamvc.audio.wave import MS_ADPCM, PCM


def chunk(name: bytes, content: bytes, length: int | None = None) -> bytes:
    """A chunk of a RIFF file, padded to an even length; its length may be a lie."""
    size = len(content) if length is None else length
    return name + size.to_bytes(4, "little") + content + bytes(len(content) % 2)


def form(
    coding: int = PCM,
    channels: int = 1,
    rate: int = 16_000,
    bits: int = 16,
    block: int | None = None,
    more: bytes = b"",
) -> bytes:
    """The content of a fmt chunk."""
    block = channels * ((bits + 7) // 8) if block is None else block
    numbers = ((coding, 2), (channels, 2), (rate, 4), (rate * block & 0xFFFF_FFFF, 4), (block, 2), (bits, 2))
    return b"".join(value.to_bytes(length, "little") for value, length in numbers) + more


def adpcm(block: int = 256, channels: int = 1, rate: int = 16_000, bits: int = 4, held: int | None = None) -> bytes:
    """The content of the fmt chunk of Microsoft's ADPCM."""
    held = (block - 7 * channels) * 2 // channels + 2 if held is None else held
    pairs = ((256, 0), (512, -256), (0, 0), (192, 64), (240, 0), (460, -208), (392, -232))
    table = b"".join(value.to_bytes(2, "little", signed=True) for pair in pairs for value in pair)
    more = (4 + len(table)).to_bytes(2, "little") + held.to_bytes(2, "little") + (7).to_bytes(2, "little") + table
    return form(MS_ADPCM, channels, rate, bits, block, more)


def wave(*chunks: bytes, kind: bytes = b"RIFF", length: int | None = None) -> bytes:
    """A WAV file of chunks."""
    body = b"WAVE" + b"".join(chunks)
    return kind + (len(body) if length is None else length).to_bytes(4, "little") + body


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """`save(data, name="a.wav") -> Path`: write bytes to a file."""

    def write(data: bytes, name: str = "a.wav") -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


def read_all(path: Path, size: int = 1000) -> tuple[np.ndarray, AudioReader]:
    """All samples [channels, n], and the reader that gave them."""
    with AudioReader(path) as reader:
        blocks = list(reader.blocks(size))
        assert all(block.dtype == np.float32 and block.shape[0] == reader.channels for block in blocks)
        assert all(block.shape[1] == size for block in blocks[:-1])
        return np.concatenate([*blocks, np.zeros((reader.channels, 0), np.float32)], axis=1), reader
