"""Whole files or no files: bounded reads, and writes that become visible only when they are complete."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from streamvc.errors import OutputError, PresetError


def read_bounded(path: Path, limit: int) -> bytes:
    """Read a regular file of at most `limit` bytes.

    Raises `PresetError` when it is missing, unreadable, larger, or no regular file (a pipe would block for ever).
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise PresetError(f"{path} is a folder, not a preset: give the .npz file inside it.")
        if not stat.S_ISREG(status.st_mode):
            raise PresetError(f"{path} is not a regular file: give the path of a preset's .npz file.")
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except FileNotFoundError as error:
        raise PresetError(
            f"There is no preset file {path}: check the path, or see the names that `svc preset list` prints."
        ) from error
    except (OSError, ValueError) as error:
        raise PresetError(f"The preset file {path} cannot be read ({reason(error)}): check its permissions.") from error
    if len(data) > limit:
        raise PresetError(f"{path} is larger than {limit} bytes, so it is not a preset: give a preset's .npz file.")
    return data


def write_whole(path: Path, data: bytes, *, overwrite: bool) -> None:
    """Write `data` to a temporary file beside `path`, then rename it, so that nobody ever sees half a file.

    Raises `OutputError` when `path` exists and `overwrite` is false, or when the disk or the permissions refuse.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        if path.is_dir():
            raise OutputError(f"{path} is a folder: give the path of a file.")
        if not overwrite and (path.exists() or path.is_symlink()):
            raise OutputError(f"{path} exists already: choose another name or allow overwriting (--overwrite).")
        try:
            with temporary.open("xb") as stream:
                stream.write(data)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise OutputError(
            f"{path} cannot be written ({reason(error)}): check the folder, its permissions and the free space."
        ) from error


def reason(error: Exception) -> str:
    """The operating system's own words for an error, without number and path."""
    return (getattr(error, "strerror", None) or str(error)).lower()
