"""Which file becomes which."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from streamvc.errors import AudioError, ConfigError, OutputError
from streamvc.plugin.formats import FORMAT_OF_SUFFIX
from streamvc.storage.address import Address, Place


@dataclass(frozen=True)
class Job:
    """One file to render.

    Attributes:
        source: the file to read; it may turn out to be missing.
        target: the file to write.
    """

    source: Place
    target: Place


def plan(inputs: Sequence[Place], output: Place | None, voice: str, format_: str | None = None) -> list[Job]:
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

    Raises:
        AudioError: a folder holds no audio file.
        ConfigError: two inputs would have the same output.
        OutputError: a folder is needed and `output` is a file.
    """
    alone = len(inputs) == 1 and not inputs[0].is_dir()
    if alone and output is not None and not _means_folder(output):
        return [Job(inputs[0], output)]
    if output is not None and (output.is_file() or (len(inputs) > 1 and output.suffix.lower() in FORMAT_OF_SUFFIX)):
        raise OutputError(f"Several files cannot all be written to {output}: give a folder to -o.")
    jobs = []
    for source in inputs:
        if source.is_dir():
            folder = output or source.resolve().with_name(f"{source.resolve().name}-{voice}")
            found = list(_walk(source, leave_out=folder))
            if not found:
                raise AudioError(
                    f"The folder {source} holds no audio files: give another one, or the files themselves."
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


def _walk(folder: Place, leave_out: Place) -> Iterator[tuple[Place, PurePath]]:
    """The audio files below a folder in order of their names, without those in another folder within.

    Yields:
        Each with its path below the folder.
    """
    if isinstance(folder, Address):
        from streamvc.storage.files import walk

        for address in walk(folder):
            inside = isinstance(leave_out, Address) and str(address).startswith(f"{str(leave_out).rstrip('/')}/")
            if address.suffix.lower() in FORMAT_OF_SUFFIX and not inside:
                yield address, address.relative_to(folder)
        return
    leave_out = leave_out.resolve()
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and (here / name).resolve() != leave_out
        )
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in FORMAT_OF_SUFFIX:
                yield here / name, (here / name).relative_to(folder)


def _check_distinct(jobs: Sequence[Job]) -> None:
    taken: dict[str, Place] = {}
    for job in jobs:
        # Without regard to case, as some file systems have none.
        key = (str(job.target) if isinstance(job.target, Address) else os.path.abspath(job.target)).casefold()
        if key in taken:
            raise ConfigError(
                f"{taken[key]} and {job.source} would both be written to {job.target}: render them into different "
                "folders."
            )
        taken[key] = job.source
