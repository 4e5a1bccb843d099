"""Names of voices: what a person types, and what the file is called.

A preset lives in `NAME.npz`, so a name must be a safe file name on Linux, macOS and Windows, must not look like an
option or a path to the command line, and must mean the same file on disks that ignore case.
"""

from __future__ import annotations

import re
import unicodedata

MAX_NAME_BYTES = 96
"""Longest name in UTF-8 bytes: leaves room for `.npz` and a temporary suffix in the 255 bytes of a file name."""

NAME_RULE = "start with a letter or digit, then use letters, digits, spaces and - _ + . only, at most 96 bytes"

_SAFE = re.compile(r"[^\W_](?:[\w .+-]*[\w+-])?")
_WINDOWS_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³")]
)


def is_safe_name(name: str) -> bool:
    """Tell whether `name` can be a preset's name and, with `.npz` behind it, its file name everywhere."""
    return (
        _SAFE.fullmatch(name) is not None
        and unicodedata.normalize("NFC", name) == name
        and len(name.encode("utf-8", "surrogatepass")) <= MAX_NAME_BYTES
        and not name.lower().endswith(".npz")
        # Windows opens the device even when an extension follows its name.
        and name.lower().split(".")[0].rstrip() not in _WINDOWS_DEVICES
    )
