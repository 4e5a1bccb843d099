"""What the terminal shows while files are rendered and afterwards."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streamvc.cli.batch import Outcome
from streamvc.cli.console import print_json
from streamvc.cli.plan import Job

if TYPE_CHECKING:
    from streamvc.plugin.render import RenderReport
    from streamvc.storage.address import Place


_BYTES_A_SECOND = 16_000
_CANCELLED_DB = 15.0
"""Channels of one voice add up, and those of two people lose 3 dB; so much is lost only where one inverts the other."""


@contextmanager
def progress_bar(jobs: list[Job], label: str) -> Iterator[Callable[[float], None]]:
    """A bar on the terminal's error output with the speed as a multiple of real time; none if that is no terminal.

    Its length is what the files are guessed to last, since only decoding them would tell. Sources at addresses are not
    here to look at and count nothing.

    Yields:
        A function that takes the seconds of audio done since its last call.
    """
    total_seconds = sum(guessed_seconds(job.source) for job in jobs) if sys.stderr.isatty() else 0.0
    if total_seconds <= 0.0:
        yield lambda seconds: None
        return
    began, done = time.perf_counter(), 0.0

    def speed(_: object) -> str:
        return f"{done / max(time.perf_counter() - began, 1e-9):.1f} x real time"

    with click.progressbar(
        length=round(1000 * total_seconds), label=label, item_show_func=speed, show_pos=False, file=sys.stderr
    ) as bar:

        def update(seconds: float) -> None:
            nonlocal done
            # Whole milliseconds, without losing what rounding leaves over.
            before, done = done, done + seconds
            bar.update(round(1000 * done) - round(1000 * before), current_item=None)

        yield update


def guessed_seconds(path: Place) -> float:
    """About how long a file lasts: exact for plain WAV files, by its size for others, 0 for what cannot be opened."""
    from streamvc.audio.wave import read_header
    from streamvc.errors import StreamVCError

    if not isinstance(path, Path):
        return 0.0
    try:
        with path.open("rb") as stream:
            header = read_header(stream, str(path))
            return header.frames / header.rate if header.plain else header.length / _BYTES_A_SECOND
    except StreamVCError:
        return path.stat().st_size / _BYTES_A_SECOND
    except OSError:
        return 0.0


def describe(outcome: Outcome, as_json: bool) -> None:
    """Print one outcome: a line or a JSON object to the output, an error as a sentence to the error output."""
    report, error = outcome.report, outcome.error
    if as_json:
        print_json(_as_dict(outcome))
    elif report is not None:
        how = "done before" if outcome.skipped else f"{report.speed:.1f} x real time"
        click.echo(f"{outcome.job.source} -> {outcome.job.target}  {report.seconds:.1f} s, {how}")
    if error is not None:
        click.echo(f"Error: {error}", err=True)
    if report is None:
        return
    for note in report.notes:
        click.echo(f"Note: {outcome.job.source}: {note}.", err=True)
    if report.cancellation_db > _CANCELLED_DB:
        click.echo(
            f"Warning: the channels of {outcome.job.source} cancel each other when they are averaged "
            f"({report.cancellation_db:.0f} dB are lost): choose one of them with --channel 1.",
            err=True,
        )
    if report.clipped:
        click.echo(
            f"Warning: {outcome.job.target} had {report.clipped} samples beyond full scale, which were limited to it: "
            f"{_advice(report)}.",
            err=True,
        )


def _advice(report: RenderReport) -> str:
    decibels = math.ceil(10 * 20 * math.log10(report.peak)) / 10
    return f"lower --gain by {decibels:g} dB, or write 32-bit wav"


def summarise(outcomes: list[Outcome], elapsed: float) -> None:
    """Print one line about all files."""
    reports = [outcome.report for outcome in outcomes if outcome.report is not None and not outcome.skipped]
    seconds = sum(report.seconds for report in reports)
    skipped = sum(outcome.skipped for outcome in outcomes)
    before = f", {skipped} were done before" if skipped else ""
    click.echo(
        f"{len(reports)} of {len(outcomes)} files rendered{before}: {seconds:.1f} s of audio in {elapsed:.1f} s "
        f"({seconds / max(elapsed, 1e-9):.1f} x real time)."
    )


def _as_dict(outcome: Outcome) -> dict[str, object]:
    common: dict[str, object] = {"input": str(outcome.job.source), "output": str(outcome.job.target)}
    if outcome.error is not None:
        return common | {"ok": False, "error": str(outcome.error), "exit_code": outcome.error.exit_code}
    report = outcome.report
    assert report is not None
    return common | {
        "ok": True,
        "skipped": outcome.skipped,
        "seconds": round(report.seconds, 6),
        "sample_rate": report.sample_rate,
        "channels": report.channels,
        "latency_ms": round(report.latency.ms, 3),
        "latency_samples": report.latency.samples,
        "clipped_samples": report.clipped,
        "peak": round(report.peak, 6),
        "notes": list(report.notes),
        "elapsed_seconds": round(report.elapsed, 3),
        "x_realtime": round(report.speed, 2),
    }
