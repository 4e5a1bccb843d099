"""Output files that are there when they are complete, and not before."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from streamvc.errors import OutputError


@contextmanager
def staged(path: Path, *, overwrite: bool = False) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` that takes its place when the `with` block ends well.

    On any exception, an interrupt included, the temporary file is removed, and so are folders that were made for it.

    Args:
        path: the file to be; missing folders above it are made.
        overwrite: whether a file that is there may be replaced.

    Raises:
        OutputError: the file is there already, or cannot be written, or the disk is full.
    """
    check_target(path, overwrite=overwrite)
    # Folders that are named and left again (`missing/../out.wav`) need not be made.
    named, path = path, resolved(path.parent) / path.name
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    made: list[Path] = []
    done = False
    try:
        try:
            made = make_folders(path.parent)
            with temporary.open("x+b") as stream:
                yield stream
            # Somebody else may have come first while this was written.
            check_target(path, overwrite=overwrite)
            os.replace(temporary, path)
            done = True
        except OSError as error:
            raise refusal(named, error) from error
    finally:
        if not done:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            for folder in reversed(made):
                with suppress(OSError):
                    folder.rmdir()


def check_target(path: Path, *, overwrite: bool) -> None:
    """Refuse a path that is a folder, or that is taken when `overwrite` is false.

    Raises:
        OutputError: it is.
    """
    try:
        if path.is_dir():
            raise OutputError(f"{path} is a folder where the output should be a file: give a file name.")
        if not overwrite and (path.exists() or path.is_symlink()):
            raise OutputError(f"{path} exists already: choose another name or allow overwriting (--overwrite).")
    except OSError as error:
        raise refusal(path, error) from error


def resolved(path: Path) -> Path:
    """Where a path leads, through links, `..` and folders that are not there.

    Raises:
        OutputError: the links in it lead in a circle.
    """
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} leads nowhere ({error}): check the path.") from error


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to the same file, be it there or not."""
    one, other = resolved(one), resolved(other)
    try:
        return one == other or os.path.samefile(one, other)
    except (OSError, ValueError):
        return False


def refuse_to_overwrite(target: Path, *sources: Path) -> None:
    """Refuse to write to a file that is still to be read.

    Raises:
        OutputError: the target leads to one of the sources.
    """
    for source in sources:
        if is_same_file(source, target):
            raise OutputError(f"{target} is the input itself: choose another name for the output.")


def make_folders(folder: Path) -> list[Path]:
    """Make a folder with those above it; returns the new ones, the outermost first. Raises OSError."""
    made = []
    for parent in reversed([folder, *folder.parents]):
        if not parent.exists():
            # Another process may make the same folder at this moment.
            with suppress(FileExistsError):
                parent.mkdir()
                made.append(parent)
    return made


def refusal(place: object, error: OSError) -> OutputError:
    """The sentence for a place that cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        why = "because the disk is full: make room or choose another place"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        why = "for lack of permission: choose another place"
    elif error.errno == errno.ENOTDIR:
        why = "because a part of its path is no folder: choose another place"
    elif error.errno == errno.EFBIG:
        return OutputError(
            f"{place} would be larger than this file system or user may write: choose another place or format."
        )
    else:
        why = f"({error.strerror or error}): choose another place"
    return OutputError(f"{place} cannot be written {why}.")
