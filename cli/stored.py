"""Rendering to and from shared storage: an output appears when it is complete, and is known again by its content."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from streamvc.cli.plan import Job
from streamvc.cli.record import Record
from streamvc.errors import OutputError, StreamVCError
from streamvc.executor import Call
from streamvc.executor.work import Tell
from streamvc.files import check_target, refuse_to_overwrite
from streamvc.storage.address import Place
from streamvc.storage.files import by_way, digest_of, exists, fetch, publish, scratch

if TYPE_CHECKING:
    from streamvc.plugin.render import RenderReport

Render = Callable[[Path, Path, Tell], "RenderReport"]
"""Renders from a path to a path that does not exist."""


@dataclass(frozen=True)
class Rendered:
    """What became of a file: its report, of an earlier run where it was there already."""

    report: RenderReport
    skipped: bool = False


def render_stored(
    render: Render, job: Job, call: Call, settings: str | None, *, resume: bool = False, overwrite: bool = False
) -> Rendered:
    """Render a file of a path or an address to another one, unless that was done before.

    What this same run has done already is never done twice, even if its worker died before it could say so.

    Args:
        render: the rendering itself.
        job: what becomes what.
        call: of the executor.
        settings: digest of all that the output depends on beside its source; None keeps no records.
        resume: accept an output of an earlier run whose record and content fit.
        overwrite: replace an output that does not fit.

    Raises:
        StreamVCError: as `render` does, and where a place cannot be read or written. Messages name the places of the
            job, not the temporary files.
    """
    _refuse_source(job)
    record = Record.load(job.target) if settings is not None else None
    there = exists(job.target)
    ours = record is not None and record.run == call.run
    _check_target(job.target, overwrite=overwrite or resume or ours)
    with _at_hand(job.source, call.run) as source:
        content = digest_of(source) if settings is not None else ""
        if there and record is not None and record.output == digest_of(job.target):
            if (record.source, record.settings) == (content, settings) and (resume or ours):
                return Rendered(record.render_report(source, source), skipped=not ours)
            if not overwrite:
                raise OutputError(
                    f"{job.target} is there already, of another input or with other settings: choose another place or "
                    "allow overwriting (--overwrite)."
                )
        with scratch(job.target, call.run) as folder:
            made = folder / job.target.name
            with _named({str(source): str(job.source), str(made): by_way(job.target, made.parent)}):
                report = render(source, made, call.tell)
            if settings is not None:
                record = Record.of(content, settings, digest_of(made), call.run, report)
            # Somebody else may have come first while this was made, perhaps with the same.
            same = record is not None and exists(job.target) and record.output == digest_of(job.target)
            _check_target(job.target, overwrite=overwrite or same)
            if record is not None:
                record.save(job.target)
            publish(made, job.target)
            return Rendered(replace(report, source=source, output=made))


def _refuse_source(job: Job) -> None:
    if isinstance(job.source, Path) and isinstance(job.target, Path):
        refuse_to_overwrite(job.target, job.source)
    elif job.source == job.target:
        raise OutputError(f"{job.target} is the input itself: choose another name for the output.")


def _check_target(target: Place, *, overwrite: bool) -> None:
    if isinstance(target, Path):
        check_target(target, overwrite=overwrite)
    elif not overwrite and exists(target):
        raise OutputError(f"{target} exists already: choose another name or allow overwriting (--overwrite).")


@contextmanager
def _at_hand(source: Place, run: str) -> Iterator[Path]:
    """The source as a file of this machine."""
    if isinstance(source, Path):
        yield source
        return
    with scratch(source, run) as folder:
        path = folder / source.name
        fetch(source, path)
        yield path


@contextmanager
def _named(names: dict[str, str]) -> Iterator[None]:
    """Let messages name the places that the user gave."""
    try:
        yield
    except StreamVCError as error:
        text = str(error)
        for path, name in names.items():
            text = text.replace(path, name)
        raise type(error)(text) from error


