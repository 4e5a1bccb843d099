"""Audio files for writing: what each format can hold, and what happens to samples beyond full scale."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

import numpy as np
from pedalboard.io import AudioFile

from streamvc.errors import ConfigError, OutputError
from streamvc.plugin.fifo import Samples

BIT_DEPTHS: Final[dict[str, tuple[int, ...]]] = {
    "wav": (16, 24, 32),
    "flac": (16, 24),
    "aiff": (16, 24),
    "ogg": (),
    "mp3": (),
}
"""Formats that can be written, with the bit depths of a sample (32 is floating point); lossy ones have none."""

_BY_SUFFIX = {".wav": "wav", ".bwf": "wav", ".flac": "flac", ".aif": "aiff", ".aiff": "aiff"} | {
    ".ogg": "ogg",
    ".oga": "ogg",
    ".mp3": "mp3",
}
_DEPTH_OF_TYPE = {"int24": 24, "int32": 32, "float32": 32, "float64": 32}


@dataclass(frozen=True)
class OutputFormat:
    """How samples are stored.

    Args:
        name: "wav", "flac", "aiff", "ogg" or "mp3".
        bit_depth: 16 or 24 for integers, 32 for floating point; None where the format is lossy.

    Raises:
        ConfigError: there is no such format, or it has no such bit depth.
    """

    name: str
    bit_depth: int | None = None

    def __post_init__(self) -> None:
        if self.name not in BIT_DEPTHS:
            raise ConfigError(f"The format {self.name!r} cannot be written: use one of {', '.join(BIT_DEPTHS)}.")
        depths = BIT_DEPTHS[self.name]
        if self.bit_depth not in (depths or (None,)):
            choice = f"use {' or '.join(map(str, depths))}" if depths else "leave it out"
            raise ConfigError(f"{self.name} files have no bit depth of {self.bit_depth}: {choice}.")

    @property
    def floating(self) -> bool:
        """Whether samples beyond full scale survive."""
        return self.bit_depth == 32

    @classmethod
    def choose(
        cls, target: Path, name: str | None = None, bit_depth: int | None = None, sample_type: str = "int16"
    ) -> OutputFormat:
        """Fill in what the user left open.

        Args:
            target: its ending names the format if `name` is None.
            name: a format of `BIT_DEPTHS`.
            bit_depth: 16, 24 or 32; None takes the next one to the source's that the format has.
            sample_type: how the source stores samples, as `AudioInput.sample_type`.

        Raises:
            ConfigError: as for the class, or the ending names no format.
        """
        if name is None:
            if target.suffix.lower() not in _BY_SUFFIX:
                raise ConfigError(
                    f"The ending of {target.name!r} names no format: use one of {', '.join(_BY_SUFFIX)}, or --format."
                )
            name = _BY_SUFFIX[target.suffix.lower()]
        depths = BIT_DEPTHS.get(name, ())
        if bit_depth is None and depths:
            wanted = _DEPTH_OF_TYPE.get(sample_type, 16)
            bit_depth = max(depth for depth in depths if depth <= wanted)
        return cls(name, bit_depth)


class AudioOutput:
    """Writes blocks of samples into an open binary file, for use in a `with` statement.

    Integer and lossy formats end at full scale, so samples beyond -1 and 1 are limited to it and counted.

    Args:
        stream: seekable, open for writing in binary mode.
        path: what to call the file in errors.
        form: format and bit depth.
        sample_rate: Hz.
        channels: rows of every block.

    Attributes:
        clipped: samples limited so far, over all channels.

    Raises:
        OutputError: the format cannot hold this rate or channel count.
    """

    def __init__(self, stream: BinaryIO, path: Path, form: OutputFormat, sample_rate: int, channels: int) -> None:
        self.clipped = 0
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
