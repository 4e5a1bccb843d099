"""Which file becomes which."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import Final, TypeAlias

from streamvc.errors import AudioError, ConfigError, OutputError
from streamvc.files import resolved
from streamvc.plugin.formats import EXTRA_HINT, EXTRA_SUFFIXES, FORMAT_OF_SUFFIX, READ_SUFFIXES
from streamvc.storage.address import Address, Place

LeftOut: TypeAlias = Callable[[Place, str], object]
"""Takes a file or folder that is not rendered, and why."""
_RESULTS: Final = "it is where the results go"


@dataclass(frozen=True)
class Job:
    """One file to render.

    Attributes:
        source: the file to read; it may turn out to be missing.
        target: the file to write.
    """

    source: Place
    target: Place


def plan(
    inputs: Sequence[Place],
    output: Place | None,
    voice: str,
    format_: str | None = None,
    *,
    into_folder: bool = False,
    on_left_out: LeftOut | None = None,
) -> list[Job]:
    """Find the audio files and name their outputs.

    One file goes to `output`, or into it if that is a folder. Several files, and the files of a folder with its
    sub-folders, go into the folder `output` under their own names. Without `output`, a file's result stands beside it
    with the voice in its name, and a folder's in a folder beside it named in the same way.

    Args:
        inputs: files and folders, by path or address; hidden files and those with the ending of no audio format are
            left out of a folder.
        output: a file or folder, to be made if need be.
        voice: for the names.
        format_: of the outputs; None keeps each input's.
        into_folder: whether `output` is a folder, be it there or not.
        on_left_out: called for every file of a folder that looks like audio and is not rendered.

    Raises:
        AudioError: a folder holds no audio file.
        ConfigError: two inputs would have the same output.
        OutputError: a folder is needed and `output` is a file.
    """
    alone = len(inputs) == 1 and not inputs[0].is_dir()
    into_folder = into_folder or (output is not None and _means_folder(output))
    if alone and output is not None and not into_folder:
        return [Job(inputs[0], output)]
    if output is not None and (output.is_file() or (
        len(inputs) > 1 and not into_folder and output.suffix.lower() in FORMAT_OF_SUFFIX
    )):
        raise OutputError(f"Several files cannot all be written to {output}: give a folder to -o.")
    jobs = []
    for source in inputs:
        if source.is_dir():
            folder = output or source.resolve().with_name(f"{source.resolve().name}-{voice}")
            found = list(_walk(source, folder, on_left_out or (lambda path, why: None)))
            if not found:
                raise AudioError(
                    f"The folder {source} holds no audio files that can be read: give another one, or the files "
                    "themselves."
                )
            jobs += [Job(path, _named(folder / below, path.stem, format_)) for path, below in found]
        else:
            folder = source.parent if output is None else output
            stem = f"{source.stem}-{voice}" if output is None else source.stem
            jobs.append(Job(source, _named(folder / source.name, stem, format_)))
    _check_distinct(jobs)
    return jobs


def _means_folder(path: Place) -> bool:
    return path.is_dir() or str(path).endswith((os.sep, "/"))


def _named(path: Place, stem: str, format_: str | None) -> Place:
    """`path` with another stem, and the ending of the format if it has not one of it already."""
    suffix = path.suffix
    if format_ is None:
        suffix = suffix if suffix.lower() in FORMAT_OF_SUFFIX else ".wav"
    elif FORMAT_OF_SUFFIX.get(suffix.lower()) != format_:
        suffix = f".{format_}"
    return path.with_name(stem + suffix)


def _walk(folder: Place, results: Place, on_left_out: LeftOut) -> Iterator[tuple[Place, PurePath]]:
    """The audio files below a folder in order of their names, without those in the folder of the results within.

    Yields:
        Each with its path below the folder.
    """
    if isinstance(folder, Address):
        files = _addresses(folder, results, on_left_out)
    else:
        files = _paths(folder, results, on_left_out)
    for file, below in files:
        reason = _is_left_out(file)
        if reason is None:
            yield file, below
        elif reason:
            on_left_out(file, reason)


def _addresses(folder: Address, results: Place, on_left_out: LeftOut) -> Iterator[tuple[Place, PurePath]]:
    """All files below an address."""
    from streamvc.storage.files import walk

    told = False
    for file in walk(folder):
        if isinstance(results, Address) and str(file).startswith(f"{str(results).rstrip('/')}/"):
            if not told:
                on_left_out(results, _RESULTS)
            told = True
        else:
            yield file, file.relative_to(folder)


def _paths(folder: Path, results: Place, on_left_out: LeftOut) -> Iterator[tuple[Place, PurePath]]:
    """All files below a folder of this machine."""
    place = resolved(results) if isinstance(results, Path) else None
    for parent, folders, files in os.walk(folder, onerror=lambda error: on_left_out(*_unreadable(error))):
        here = Path(parent)
        for name in sorted(folders):
            if name.startswith("."):
                folders.remove(name)
            elif why := _folder_is_left_out(here / name, place):
                folders.remove(name)
                on_left_out(here / name, why)
        folders.sort()
        for name in sorted(files):
            yield here / name, (here / name).relative_to(folder)


def _unreadable(error: OSError) -> tuple[Path, str]:
    return Path(error.filename), f"it cannot be read ({error.strerror})"


def _folder_is_left_out(path: Path, results: Path | None) -> str:
    """Why a folder is not looked into, or nothing."""
    if path.is_symlink():
        return "it is a link to a folder; name it as an input of its own"
    return _RESULTS if resolved(path) == results else ""


def _is_left_out(place: Place) -> str | None:
    """Why a file is not rendered; nothing where it does not look like audio, and None where it is rendered."""
    suffix = place.suffix.lower()
    if suffix not in READ_SUFFIXES | EXTRA_SUFFIXES:
        return ""
    if place.name.startswith("."):
        return "it is hidden"
    if suffix in EXTRA_SUFFIXES and find_spec("av") is None:
        return f"its format needs an optional package: {EXTRA_HINT}"
    return None


def _check_distinct(jobs: Sequence[Job]) -> None:
    taken: dict[str, Place] = {}
    for job in jobs:
        # Without regard to case, as some file systems have none.
        key = _where(job.target).casefold()
        if key in taken:
            raise ConfigError(
                f"{taken[key]} and {job.source} would both be written to {job.target}: render them into different "
                "folders."
            )
        taken[key] = job.source
    sources = {_where(job.source) for job in jobs}
    for job in jobs:
        where = _where(job.target)
        if where in sources and where != _where(job.source):
            raise OutputError(
                f"{job.target}, the output for {job.source}, is itself one of the inputs: choose another folder."
            )


def _where(place: Place) -> str:
    """Where a place leads."""
    return str(resolved(place) if isinstance(place, Path) else place)
