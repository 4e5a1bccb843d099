"""Any audio file, read block by block in constant memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Protocol, Self

import numpy as np

from streamvc.audio.child import Child, Samples
from streamvc.audio.completeness import is_cut_off
from streamvc.audio.tags import Tags, from_chunks
from streamvc.audio.wave import WaveHeader, is_wave, read_header, read_samples
from streamvc.errors import AudioError

_HEAD: Final = 12


class _Source(Protocol):
    @property
    def notes(self) -> list[str]: ...

    def blocks(self, size: int) -> Iterator[Samples]: ...

    def close(self) -> None: ...


class AudioReader:
    """A file that is open for reading; use it in a `with` statement.

    WAV files of plain samples are read here; everything else by a decoder in a process of its own, so that no file,
    however damaged, ends this one.

    Args:
        path: the file.

    Attributes:
        path: as given.
        rate: Hz, 1 or more.
        channels: 1 or more.
        frames: samples per channel as far as it is known before they are read; None where it is not.
        sample_type: how the file stores samples, e.g. "int16", "int24" or "float32" (that one for lossy formats too).
        tags: what the file says about itself.

    Raises:
        AudioError: the file is missing, no regular file, unreadable, empty, cut off, no audio, or so damaged that its
            decoder died.
        RuntimeUnavailableError: its format needs an optional package.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Final = Path(path)
        check_regular(self.path)
        try:
            with self.path.open("rb") as stream:
                head = stream.read(_HEAD)
            if not head:
                raise AudioError(f"{self.path} is an empty file of 0 bytes: record or export it again.")
            source = self._open(head)
        except OSError as error:
            raise AudioError(f"{self.path} cannot be read ({error.strerror}): check its permissions.") from error
        self._source: Final[_Source] = source

    def _open(self, head: bytes) -> _Source:
        if is_wave(head):
            wave = _Wave(self.path)
            header = wave.header
            if header.missing:
                wave.close()
                raise _cut_off(self.path)
            if header.plain:
                self.rate, self.channels = header.rate, header.channels
                self.frames: int | None = header.frames
                self.sample_type, self.tags = header.sample_type, wave.tags
                return wave
            wave.close()
            tags = wave.tags
        elif is_cut_off(self.path):
            raise _cut_off(self.path)
        else:
            tags = None
        child = Child(self.path, _kind(head))
        self.rate, self.channels, self.frames = child.rate, child.channels, child.frames
        self.sample_type, self.tags = child.sample_type, tags or Tags(child.tags)
        return _Decoded(child)

    @property
    def notes(self) -> list[str]:
        """What there is to say about the file and its contents; complete when the last block was read."""
        return self._source.notes

    def blocks(self, size: int) -> Iterator[Samples]:
        """Read on to the end, float32 [channels, up to `size`] at a time; integer formats have full scale 1.

        Raises:
            AudioError: the file cannot be decoded any further.
        """
        try:
            yield from self._source.blocks(size)
        except OSError as error:
            raise AudioError(f"{self.path} cannot be read to its end ({error.strerror}): copy it again.") from error

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Wave:
    """Plain samples, read in this process."""

    def __init__(self, path: Path) -> None:
        self.notes: list[str] = []
        self._stream: BinaryIO = path.open("rb")
        chunks: list[tuple[bytes, bytes]] = []
        try:
            self.header: WaveHeader = read_header(
                self._stream, str(path), lambda name, content: chunks.append((name, content))
            )
        except BaseException:
            self.close()
            raise
        self.tags = from_chunks(chunks)

    def blocks(self, size: int) -> Iterator[Samples]:
        return read_samples(self._stream, self.header, size)

    def close(self) -> None:
        self._stream.close()


class _Decoded:
    """The blocks of a decoder, cut to size."""

    def __init__(self, child: Child) -> None:
        self._child = child

    @property
    def notes(self) -> list[str]:
        return self._child.notes

    def blocks(self, size: int) -> Iterator[Samples]:
        rest: Samples | None = None
        for block in self._child.blocks():
            joined = block if rest is None else np.concatenate([rest, block], axis=1)
            whole = joined.shape[1] - joined.shape[1] % size
            for start in range(0, whole, size):
                yield joined[:, start : start + size]
            rest = joined[:, whole:] if whole < joined.shape[1] else None
        if rest is not None:
            yield rest

    def close(self) -> None:
        self._child.close()


def check_regular(path: Path) -> None:
    """Refuse what is no regular file: a pipe would block for ever.

    Raises:
        AudioError: it is none; the message says what it is.
    """
    try:
        if path.is_dir():
            raise AudioError(f"{path} is a folder where an audio file is needed: give the path of a file.")
        if not path.exists():
            raise AudioError(f"There is no file {path}: check the path.")
        if not path.is_file():
            raise AudioError(f"{path} is no regular file: save the audio to a file first.")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise AudioError(f"{path} cannot be opened ({why.lower()}): check the path and its permissions.") from error


def _cut_off(path: Path) -> AudioError:
    return AudioError(
        f"{path} is cut off: its end is missing or its header was never completed; copy or export it again."
    )


def _kind(head: bytes) -> str:
    """Which decoder is asked first."""
    if head[:4] in (b"fLaC", b"FORM", b"RIFF", b"RF64", b"BW64", b"RIFX", b".snd", b"riff"):
        return "sound"
    if head[:4] in (b"OggS", b"caff"):
        return "container"
    if head[:4] == b"\x1aE\xdf\xa3" or head[4:8] in (b"ftyp", b"moov", b"wide", b"mdat") or head[:4] == b"0&\xb2u":
        return "media"
    if head[:1] == b"\xff" and head[1:2] and head[1] & 0xF6 == 0xF0:
        return "media"  # AAC without a container
    if head[:1] == b"\xff" and head[1:2] and head[1] & 0xE0 == 0xE0:
        return "mp3"
    return "any"
