"""What the terminal shows while files are rendered and afterwards."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streamvc.cli.batch import Outcome
from streamvc.cli.plan import Job

if TYPE_CHECKING:
    from streamvc.plugin.render import RenderReport


@contextmanager
def progress_bar(jobs: list[Job], label: str) -> Iterator[Callable[[float], None]]:
    """A bar on the terminal's error output with the speed as a multiple of real time; none if that is no terminal.

    The bar needs the length of all sources, so there is none for sources at addresses, which are not here to look at.

    Yields:
        A function that takes the seconds of audio done since its last call.
    """
    total = total_seconds(jobs) if sys.stderr.isatty() else 0.0
    if total <= 0.0:
        yield lambda seconds: None
        return
    began, done = time.perf_counter(), 0.0

    def speed(_: object) -> str:
        return f"{done / max(time.perf_counter() - began, 1e-9):.1f} x real time"

    with click.progressbar(
        length=round(1000 * total), label=label, item_show_func=speed, show_pos=False, file=sys.stderr
    ) as bar:

        def update(seconds: float) -> None:
            nonlocal done
            # Whole milliseconds, without losing what rounding leaves over.
            before, done = done, done + seconds
            bar.update(round(1000 * done) - round(1000 * before), current_item=None)

        yield update


def total_seconds(jobs: list[Job]) -> float:
    """The length of all sources that can be opened; the others will say what is wrong when their turn comes."""
    from streamvc.errors import StreamVCError
    from streamvc.plugin.audio_input import AudioInput

    total = 0.0
    for job in jobs:
        if not isinstance(job.source, Path):
            continue
        try:
            with AudioInput(job.source) as audio:
                total += audio.seconds
        except StreamVCError:
            continue
    return total


def describe(outcome: Outcome, as_json: bool) -> None:
    """Print one outcome: a line or a JSON object to the output, an error as a sentence to the error output."""
    report, error = outcome.report, outcome.error
    if as_json:
        click.echo(json.dumps(_as_dict(outcome)))
    elif report is not None:
        how = "done before" if outcome.skipped else f"{report.speed:.1f} x real time"
        click.echo(f"{outcome.job.source} -> {outcome.job.target}  {report.seconds:.1f} s, {how}")
    if error is not None:
        click.echo(f"Error: {error}", err=True)
    if report is not None and report.clipped:
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
        "elapsed_seconds": round(report.elapsed, 3),
        "x_realtime": round(report.speed, 2),
    }
