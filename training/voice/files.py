"""Which recordings a person means."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from streamvc.errors import AudioError

AUDIO = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"})
"""Endings that are looked for in folders; a file that is named may have any."""


def recordings_in(paths: Sequence[Path]) -> list[Path]:
    """The audio files among `paths` and in the folders among them, sub-folders included, each once.

    Raises:
        AudioError: a path does not exist, or a folder holds no recording.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        if not path.exists():
            raise AudioError(f"{path} does not exist: give recordings of one person, or a folder of them.")
        inside = [path]
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in AUDIO and not p.name.startswith("."))
            if not inside:
                raise AudioError(
                    f"The folder {path} holds no recordings ({', '.join(sorted(AUDIO))}): give another, or name files."
                )
        found |= {one.resolve(): one for one in inside if one.resolve() not in found}
    return list(found.values())
