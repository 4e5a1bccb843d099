"""Audio files for reading: opened, judged, and read block by block."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
from pedalboard.io import AudioFile

from streamvc.errors import AudioError
from streamvc.plugin.adapter import MAX_CHANNELS, check_sample_rate
from streamvc.plugin.completeness import is_cut_off
from streamvc.plugin.fifo import Samples


class AudioInput:
    """A file of any format, rate and channel count that pedalboard reads, for use in a `with` statement.

    Args:
        path: the file.

    Attributes:
        path: as given.
        sample_rate: Hz.
        channels: 1 to 8.
        frames: samples per channel.
        sample_type: how the file stores samples, e.g. "int16", "int24" or "float32" (that one for lossy formats too).

    Raises:
        AudioError: the file is missing, not readable, empty, cut off, no audio, or has no samples, or its rate or
            channel count is not supported.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Final = Path(path)
        self._check_file()
        try:
            self._file = AudioFile(str(self.path))
        except ValueError as error:
            raise AudioError(
                f"{self.path} is not audio in a format that can be read here: convert it to WAV or FLAC."
            ) from error
        try:
            self.channels: Final = self._file.num_channels
            self.frames: Final = self._file.frames
            self.sample_type: Final = self._file.file_dtype
            # An MP3 file without audio has no channels.
            if self.frames <= 0 or self.channels <= 0:
                raise AudioError(f"{self.path} holds no audio samples: record or export it again.")
            if self.channels > MAX_CHANNELS:
                raise AudioError(
                    f"{self.path} has {self.channels} channels: mix it down to at most {MAX_CHANNELS} first."
                )
            try:
                self.sample_rate: Final = check_sample_rate(self._file.samplerate)
            except AudioError as error:
                raise AudioError(f"{self.path}: {error}") from error
        except AudioError:
            self._file.close()
            raise

    def _check_file(self) -> None:
        path = self.path
        if path.is_dir():
            raise AudioError(f"{path} is a folder where an audio file is needed.")
        if not path.exists():
            raise AudioError(f"There is no file {path}: check the path.")
        if not path.is_file():
            raise AudioError(f"{path} is no regular file: save the audio to a file first.")
        try:
            if path.stat().st_size == 0:
                raise AudioError(f"{path} is an empty file of 0 bytes: record or export it again.")
            if is_cut_off(path):
                raise AudioError(
                    f"{path} is cut off: its end is missing or its header was never completed; copy or export it again."
                )
        except OSError as error:
            raise AudioError(f"{path} cannot be read ({error.strerror}): check its permissions.") from error

    @property
    def seconds(self) -> float:
        """Length of the audio."""
        return self.frames / self.sample_rate

    def blocks(self, size: int) -> Iterator[Samples]:
        """Read on to the end, float32 [channels, up to `size`] at a time; integer formats have full scale 1.

        Raises:
            AudioError: the file cannot be decoded any further.
        """
        while True:
            try:
                block = np.asarray(self._file.read(size), dtype=np.float32)
            except (OSError, RuntimeError, ValueError) as error:
                raise AudioError(f"{self.path} cannot be decoded to its end: copy or export it again.") from error
            if block.shape[-1] == 0:
                return
            yield block.reshape(self.channels, -1)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
