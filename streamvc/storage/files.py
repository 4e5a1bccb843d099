"""What is done with a file at a path or at an address: look, read, write whole."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from streamvc.errors import AudioError, OutputError, RuntimeUnavailableError, StreamVCError
from streamvc.executor.digest import of_stream
from streamvc.files import make_folders, refusal, resolved, staged
from streamvc.storage.address import Address, Place

OBJECT_STORES: Final = frozenset(
    {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "oss", "r2", "tos", "hf"}
)
"""Schemes where one put is whole or not at all; elsewhere a file is written beside its place and renamed."""
PART: Final = ".part"
_RECORD_LIMIT: Final = 1 << 20


def exists(place: Place) -> bool:
    """Whether there is a file (or folder).

    Raises:
        OutputError: the store refuses, or cannot be reached.
        RuntimeUnavailableError: the package for such addresses is not installed.
    """
    if isinstance(place, Path):
        try:
            return _leading(place).exists() or _leading(place).is_symlink()
        except OSError as error:
            raise refusal(place, error) from error
    with _speaking(place, OutputError):
        system, path = _open(place)
        # Another machine may have written it since this one looked.
        system.invalidate_cache()
        return bool(system.exists(path))


def is_folder(place: Address) -> bool:
    """Whether there is a folder, or where a store has none, something below its name; raises as `walk` does."""
    with _speaking(place, AudioError):
        system, path = _open(place)
        system.invalidate_cache()
        return bool(system.isdir(path))


def is_file(place: Address) -> bool:
    """Whether there is a file of exactly this name; raises as `walk` does."""
    with _speaking(place, AudioError):
        system, path = _open(place)
        system.invalidate_cache()
        return bool(system.isfile(path))


def walk(folder: Address) -> list[Address]:
    """All files below a folder in order, but for folders whose names begin with a dot.

    Raises:
        AudioError: the folder cannot be listed.
        RuntimeUnavailableError: the package for such addresses is not installed.
    """
    with _speaking(folder, AudioError):
        system, root = _open(folder)
        system.invalidate_cache()
        found = []
        for path in system.find(root):
            below = str(path)[len(root.rstrip("/")) :].strip("/")
            if below and not any(part.startswith(".") for part in below.split("/")[:-1]):
                found.append(folder / below)
    return sorted(found, key=str)


def fetch(place: Address, target: Path) -> None:
    """Copy a file from an address to a path that does not exist yet.

    Raises:
        AudioError: it is missing or cannot be read.
        OutputError: there is no room for it here.
        RuntimeUnavailableError: the package for such addresses is not installed.
    """
    with _speaking(place, AudioError):
        system, path = _open(place)
        if not system.exists(path):
            raise AudioError(f"There is no file {place}: check the address.")
        system.get_file(path, str(target))


def digest_of(place: Place) -> str:
    """The digest of a file's content (`executor.digest`).

    Raises:
        AudioError: the file is missing or cannot be read.
    """
    if isinstance(place, Path):
        try:
            with place.open("rb") as stream:
                return of_stream(stream)
        except FileNotFoundError as error:
            raise AudioError(f"There is no file {place}: check the path.") from error
        except OSError as error:
            raise AudioError(f"{place} cannot be read ({error.strerror}): check its permissions.") from error
    with _speaking(place, AudioError):
        system, path = _open(place)
        with system.open(path, "rb") as stream:
            return of_stream(stream)


def read(place: Place) -> bytes | None:
    """A small file's bytes, None where there is none; raises as `exists` does."""
    if not exists(place):
        return None
    try:
        if isinstance(place, Path):
            with _leading(place).open("rb") as file:
                return file.read(_RECORD_LIMIT)
        with _speaking(place, OutputError):
            system, path = _open(place)
            return bytes(system.cat_file(path))
    except OSError as error:
        raise OutputError(f"{place} cannot be read ({error.strerror}): check its permissions.") from error


def write(place: Place, data: bytes) -> None:
    """Write a small file, whole or not at all, over one that is there; raises as `publish` does."""
    if isinstance(place, Path):
        with staged(place, overwrite=True) as stream:
            stream.write(data)
        return
    with scratch(place, secrets.token_hex(8)) as folder:
        made = folder / place.name
        try:
            made.write_bytes(data)
        except OSError as error:
            raise _refusal(place, error) from error
        publish(made, place)


def publish(made: Path, place: Place) -> None:
    """Move a complete file to its place, where it appears whole or not at all, over one that is there.

    Args:
        made: in a folder that `scratch` gave for `place`.

    Raises:
        OutputError: it cannot be written there.
        RuntimeUnavailableError: the package for such addresses is not installed.
    """
    if isinstance(place, Path):
        try:
            os.replace(made, _leading(place))
        except OSError as error:
            raise refusal(place, error) from error
        return
    with _speaking(place, OutputError):
        system, path = _open(place)
        if place.scheme in OBJECT_STORES:
            system.put_file(str(made), path)
            return
        parent = path.rpartition("/")[0]
        if parent:
            system.makedirs(parent, exist_ok=True)
        temporary = f"{parent}/.{secrets.token_hex(8)}{PART}"
        try:
            system.put_file(str(made), temporary)
            system.mv(temporary, path)
        except BaseException:
            with suppress(Exception):
                system.rm_file(temporary)
            raise


@contextmanager
def scratch(place: Place, run: str) -> Iterator[Path]:
    """A folder to make a file in before it is published, and that is gone afterwards.

    For a path it lies beside it, so that the last step is a rename; for an address it is a temporary folder of this
    machine. Folders above a path are made, and those that were made are removed again if they stay empty.

    Args:
        place: where the file shall go.
        run: a word for the folder's name, by which `sweep` finds what a killed process left.

    Raises:
        OutputError: the folder cannot be made.
    """
    made: list[Path] = []
    try:
        try:
            if isinstance(place, Path):
                parent = _leading(place).parent
                made = make_folders(parent)
                folder = parent / f".{run}-{secrets.token_hex(4)}{PART}"
                folder.mkdir()
            else:
                folder = Path(tempfile.mkdtemp(prefix=f"svc-{run}-", suffix=PART))
        except OSError as error:
            raise _refusal(place, error) from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        for parent in reversed(made):
            with suppress(OSError):  # not empty: the file is there, or another one
                parent.rmdir()


def sweep(folder: Path, run: str) -> None:
    """Remove what processes that were killed left of a run in a folder; only once nobody works for it any more."""
    for left in resolved(folder).glob(f".{run}-*{PART}"):
        shutil.rmtree(left, ignore_errors=True)


def _open(place: Address) -> tuple[Any, str]:
    """fsspec's file system for an address and the path in it."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"For {place}, the package fsspec is missing: run pip install 'streamvc[cluster]'."
        ) from error
    try:
        system, path = url_to_fs(place.text)
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"For {place.scheme}:// addresses a package is missing ({str(error).rstrip('.')})."
        ) from error
    return system, str(path)


@contextmanager
def _speaking(place: Address, kind: type[StreamVCError]) -> Iterator[None]:
    """Turn what a store says into a sentence."""
    try:
        yield
    except StreamVCError:
        raise
    except FileNotFoundError as error:
        raise kind(f"There is no {place}: check the address, its bucket or its folder.") from error
    except PermissionError as error:
        raise kind(f"{place} refuses access: check the credentials, which its package takes from the usual "
                   "environment variables and files.") from error  # fmt: skip
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _refusal(place, error) from error
        raise kind(f"{place} cannot be used ({_reason(error)}): check the address and the network.") from error
    except Exception as error:  # clients of stores have errors of their own, which share no base class
        raise kind(
            f"{place} cannot be used ({_reason(error)}): check the address, the network and the credentials."
        ) from error


def _reason(error: Exception) -> str:
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}".rstrip(".: ")


def _leading(path: Path) -> Path:
    """A path whose folders are what they lead to: those that it names and leaves again need not be there."""
    return resolved(path.parent) / path.name


def by_way(place: Place, folder: Path) -> str:
    """What a message calls a place whose file is made in a folder."""
    return str(place) if isinstance(place, Path) else f"{place} (by way of {folder} on {os.uname().nodename})"


def _refusal(place: Place, error: OSError) -> OutputError:
    return refusal(by_way(place, Path(tempfile.gettempdir())), error)
