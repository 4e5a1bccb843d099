"""Audio files for writing."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
from pedalboard.io import AudioFile

from streamvc.audio.tags import Tags
from streamvc.errors import OutputError
from streamvc.plugin.fifo import Samples
from streamvc.plugin.formats import OutputFormat
from streamvc.plugin.tagging import write_tags


class AudioOutput:
    """Writes blocks of samples into an open binary file, for use in a `with` statement.

    Integer and lossy formats end at full scale, so samples beyond -1 and 1 are limited to it and counted.

    Args:
        stream: seekable, open for reading and writing in binary mode.
        path: what to call the file in errors.
        form: format and bit depth.
        sample_rate: Hz.
        channels: rows of every block.
        tags: what the file is to say about itself.

    Attributes:
        clipped: samples limited so far, over all channels.
        notes: what could not be kept, parts of sentences; complete when the file is closed.

    Raises:
        OutputError: the format cannot hold this rate or channel count.
    """

    def __init__(
        self,
        stream: BinaryIO,
        path: Path,
        form: OutputFormat,
        sample_rate: int,
        channels: int,
        tags: Tags | None = None,
    ) -> None:
        self.clipped = 0
        self.notes: list[str] = []
        self._stream, self._form, self._tags = stream, form.name, tags
        self._limit = not form.floating
        try:
            self._file = AudioFile(
                stream,
                "w",
                samplerate=sample_rate,
                num_channels=channels,
                bit_depth=form.bit_depth or 16,  # lossy formats do not look at it
                format=form.name,
            )
        except ValueError as error:
            raise OutputError(
                f"{path} cannot be written as {form.name} with {channels} channels at {sample_rate} Hz: "
                "choose wav or flac with --format."
            ) from error

    def write(self, block: Samples) -> None:
        """Append float32 [channels, n].

        Raises:
            OSError: the file cannot be written.
        """
        if self._limit:
            over = int(np.count_nonzero(np.abs(block) > 1.0))
            if over:
                self.clipped += over
                block = np.clip(block, -1.0, 1.0)
        self._file.write(block)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
        except Exception:
            # What went wrong first says more than that the file cannot be finished either.
            if error is None:
                raise
        if error is None and self._tags is not None and not write_tags(self._stream, self._form, self._tags):
            self.notes.append(f"its tags were left out, for want of a place for them in {self._form}")
