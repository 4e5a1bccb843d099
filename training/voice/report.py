"""What was used of the recordings, what was not and why, and what the fit was worth; as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamvc.training.voice.faults import ADVICE
from streamvc.training.voice.segments import Selection

if TYPE_CHECKING:
    from streamvc.training.voice.make import Fitting
    from streamvc.training.voice.pace import Pace

LOWER_IS_BETTER = ("spectral distance", "content lost")


def lines_of(selection: Selection, files: Sequence[Path]) -> Iterator[str]:
    """A line for each file, and one for each stretch of it that was dropped for more than being a pause."""
    for file in files:
        used = sum(segment.seconds for segment in selection.segments if segment.file == file)
        lost = [one for one in selection.dropped if one.file == file]
        quiet = sum(one.seconds for one in lost if one.reason == "silence")
        yield f"{file}: {used:.1f} s used" + (f", {quiet:.1f} s of pauses" if quiet else "")
        for one in lost:
            if one.reason != "silence":
                yield f"    dropped {one.seconds:4.1f} s at {one.start:.1f} s: {one.reason} ({ADVICE[one.reason]})"
    yield f"{selection.seconds:.0f} s of clean speech in {len(selection.segments)} segments"


def verdict_lines(result: Fitting) -> Iterator[str]:
    """What was decided about the fit, and the measures that decided it."""
    verdict, held = result.verdict, f"{result.held_out_seconds:.0f} s held out"
    if verdict.share:
        share = "the whole change" if verdict.share == 1 else f"{100 * verdict.share:g} % of the change"
        yield f"kept {share}: on the {held}, zero-shot and fitted"
    else:
        yield f"the fit is not kept, the voice is the zero-shot one: {verdict.why}; on the {held}, zero-shot and fitted"
    for name, before in verdict.before.items():
        after = verdict.after[name]
        better = (after < before) == (name in LOWER_IS_BETTER)
        mark = "" if abs(after - before) < 0.0005 else " better" if better else " worse"
        yield f"    {name:18} {before:6.3f} {after:6.3f}  ({after - before:+.3f}{mark})"


def to_json(selection: Selection, files: Sequence[Path]) -> dict[str, Any]:
    """The recordings' part of the report."""
    return {
        "seconds": round(selection.seconds, 2),
        "files": [
            {
                "file": str(file),
                "used": round(sum(s.seconds for s in selection.segments if s.file == file), 2),
                "dropped": [
                    {"start": round(one.start, 2), "seconds": round(one.seconds, 2), "reason": one.reason}
                    for one in selection.dropped if one.file == file
                ],
            }
            for file in files
        ],
    }  # fmt: skip


def fit_to_json(result: Fitting, pace: Pace) -> dict[str, Any]:
    """The fit's part of the report; times in seconds."""
    verdict = result.verdict
    return {
        "kept": verdict.share > 0, "share": verdict.share, "why": verdict.why or None, "steps": result.steps,
        "steps_wanted": pace.wanted, "limited": pace.limited, "fit_seconds": round(pace.elapsed, 1),
        "step_seconds": round(pace.step_seconds, 3),
        "learnt_from": round(result.seconds, 2), "held_out": round(result.held_out_seconds, 2),
        "measures": {
            name: {"zero_shot": round(before, 5), "fitted": round(verdict.after[name], 5)}
            for name, before in verdict.before.items()
        },
    }  # fmt: skip
