"""Audio formats by name: what can be written, and what each can hold. Loads no audio library."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamvc.errors import ConfigError

BIT_DEPTHS: Final[dict[str, tuple[int, ...]]] = {
    "wav": (16, 24, 32),
    "flac": (16, 24),
    "aiff": (16, 24),
    "ogg": (),
    "mp3": (),
}
"""Formats that can be written, with the bit depths of a sample (32 is floating point); lossy ones have none."""

FORMAT_OF_SUFFIX: Final = {
    ".wav": "wav",
    ".bwf": "wav",
    ".flac": "flac",
    ".aif": "aiff",
    ".aiff": "aiff",
    ".ogg": "ogg",
    ".oga": "ogg",
    ".mp3": "mp3",
}
"""Endings of file names, in lower case, with the format that they mean."""

READ_SUFFIXES: Final = frozenset(FORMAT_OF_SUFFIX) | {
    ".aifc", ".au", ".caf", ".mp2", ".mpga", ".opus", ".rf64", ".snd", ".w64", ".wave",
}  # fmt: skip
"""Endings of files that can be read with what is always installed."""

EXTRA_SUFFIXES: Final = frozenset(
    [".3gp", ".aac", ".ac3", ".amr", ".ape", ".m4a", ".m4b", ".mka", ".mkv", ".mov", ".mp4", ".weba", ".webm"]
)
"""Endings of files that the extra `formats` reads."""

EXTRA_HINT: Final = "pip install 'streamvc[formats]'"
"""What installs it."""

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
            if target.suffix.lower() not in FORMAT_OF_SUFFIX:
                raise ConfigError(
                    f"The ending of {target.name!r} names no format: use one of "
                    f"{', '.join(FORMAT_OF_SUFFIX)}, or --format."
                )
            name = FORMAT_OF_SUFFIX[target.suffix.lower()]
        depths = BIT_DEPTHS.get(name, ())
        if bit_depth is None and depths:
            wanted = _DEPTH_OF_TYPE.get(sample_type, 16)
            bit_depth = max(depth for depth in depths if depth <= wanted)
        return cls(name, bit_depth)
