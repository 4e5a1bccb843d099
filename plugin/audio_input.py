"""Audio files for reading, at rates and channel counts that a converter takes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np

from streamvc.audio.reader import AudioReader
from streamvc.audio.tags import Tags
from streamvc.errors import AudioError
from streamvc.plugin.adapter import MAX_CHANNELS, check_sample_rate
from streamvc.plugin.fifo import Samples


class AudioInput:
    """A file of any format, for use in a `with` statement.

    Args:
        path: the file.
        channel: which one to hear, from 1; None for all of them. What is not heard is replaced by what is.

    Attributes:
        path: as given.
        sample_rate: Hz.
        channels: 1 to 8.
        frames: samples per channel; None where only reading tells.
        sample_type: how the file stores samples, e.g. "int16", "int24" or "float32" (that one for lossy formats too).
        tags: what the file says about itself.

    Raises:
        AudioError: the file is missing, not readable, empty, cut off, no audio, or has no samples, or its rate or
            channel count is not supported.
        RuntimeUnavailableError: its format needs an optional package.
    """

    def __init__(self, path: str | os.PathLike[str], channel: int | None = None) -> None:
        self.path: Final = Path(path)
        self._reader = AudioReader(self.path)
        try:
            self.channels: Final = self._reader.channels
            self.frames: Final = self._reader.frames
            self.sample_type: Final = self._reader.sample_type
            self.tags: Final[Tags] = self._reader.tags
            if self.frames == 0:
                raise AudioError(f"{self.path} holds no audio samples: record or export it again.")
            if self.channels > MAX_CHANNELS:
                raise AudioError(
                    f"{self.path} has {self.channels} channels: mix it down to at most {MAX_CHANNELS} first."
                )
            if channel is not None and not 1 <= channel <= self.channels:
                raise AudioError(
                    f"{self.path} has no channel {channel}: choose one from 1 to {self.channels} with --channel."
                )
            self._channel: Final = channel
            try:
                self.sample_rate: Final = check_sample_rate(self._reader.rate)
            except AudioError as error:
                raise AudioError(f"{self.path}: {error}") from error
        except AudioError:
            self._reader.close()
            raise

    @property
    def seconds(self) -> float | None:
        """Length of the audio, where it is known before it is read."""
        return None if self.frames is None else self.frames / self.sample_rate

    @property
    def notes(self) -> list[str]:
        """What there is to say about the file, parts of sentences; complete when the last block was read."""
        return self._reader.notes

    def blocks(self, size: int) -> Iterator[Samples]:
        """Read on to the end, float32 [channels, up to `size`] at a time; integer formats have full scale 1.

        Raises:
            AudioError: the file cannot be decoded any further.
        """
        for block in self._reader.blocks(size):
            if self._channel is not None:
                block = np.repeat(block[self._channel - 1 : self._channel], self.channels, axis=0)
            yield block

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
