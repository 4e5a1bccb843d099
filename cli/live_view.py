"""What the terminal shows of a live session."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

import click

from streamvc.cli.live_controls import KEYS_HELP, LiveControls

if TYPE_CHECKING:
    from streamvc.plugin.live.recorder import Recorder
    from streamvc.plugin.live.runner import LiveStatus

FLOOR_DB: Final = -99.0
"""What silence shows as."""

Peaks = tuple[float, float]
"""Largest magnitudes of input and output since the last view; full scale is 1."""

_METER = 16
_METER_RANGE_DB = 48.0


class View(Protocol):
    """Shows one status after the other."""

    seconds: float
    """Between two of them."""

    def show(
        self, elapsed: float, status: LiveStatus, peaks: Peaks, controls: LiveControls, notes: Sequence[str]
    ) -> None:
        """Show how things stand after `elapsed` seconds, with sentences that matter just now."""


def decibels(peak: float) -> float:
    """Level of a magnitude in dB of full scale, at least `FLOOR_DB`."""
    return max(FLOOR_DB, 20.0 * math.log10(peak)) if peak > 0.0 else FLOOR_DB


def as_dict(
    elapsed: float, status: LiveStatus, peaks: Peaks, controls: LiveControls, recorder: Recorder | None
) -> dict[str, Any]:
    """A status in plain values: ms, dB of full scale, shares of 1, and counts since the start."""
    counts, latency, converter = status.statistics, status.latency, controls.converter
    return {
        "seconds": round(elapsed, 3),
        "running": status.running,
        "problem": status.problem,
        "voice": None if converter is None else converter.preset.name,
        "pitch_semitones": None if converter is None else converter.pitch_semitones,
        "bypass": None if converter is None else converter.bypass,
        "level_in_db": round(decibels(peaks[0]), 1),
        "level_out_db": round(decibels(peaks[1]), 1),
        "latency_ms": {
            "device_in": round(latency.device_in, 1),
            "queue": round(latency.queue, 1),
            "algorithm": round(latency.algorithm, 1),
            "device_out": round(latency.device_out, 1),
            "total": round(latency.total, 1),
        },
        "nominal_queue_ms": round(status.nominal_queue_ms, 1),
        "load": round(status.load, 3),
        "longest_ms": round(1000.0 * counts.longest_seconds, 2),
        "underruns": counts.underruns,
        "missing_samples": counts.missing,
        "overruns": counts.overruns,
        "lost_samples": counts.lost,
        "cuts": counts.cuts,
        "cut_samples": counts.cut,
        "device_dropouts": status.device_dropouts,
        "device_losses": status.device_losses,
        "recorded_seconds": None if recorder is None else round(recorder.seconds, 3),
    }


class JsonView:
    """One JSON object a second."""

    seconds = 1.0

    def __init__(self, recorder: Recorder | None) -> None:
        self._recorder = recorder

    def show(
        self, elapsed: float, status: LiveStatus, peaks: Peaks, controls: LiveControls, notes: Sequence[str]
    ) -> None:
        """Print a line."""
        facts = as_dict(elapsed, status, peaks, controls, self._recorder) | {"notes": list(notes)}
        click.echo(json.dumps(facts))
        sys.stdout.flush()


class LineView:
    """One line of text a second, for logs and pipes."""

    seconds = 1.0

    def show(
        self, elapsed: float, status: LiveStatus, peaks: Peaks, controls: LiveControls, notes: Sequence[str]
    ) -> None:
        """Print a line."""
        parts = [
            f"{elapsed:.0f} s",
            _voice(controls),
            f"in {decibels(peaks[0]):.0f} dB, out {decibels(peaks[1]):.0f} dB",
            _latency(status),
            _health(status),
            *_trouble(status),
            *notes,
        ]
        click.echo("; ".join(parts))
        sys.stdout.flush()


class ScreenView:
    """A few lines of the terminal, written again and again at the same place."""

    seconds = 0.1

    def __init__(self) -> None:
        self._lines = 0

    def show(
        self, elapsed: float, status: LiveStatus, peaks: Peaks, controls: LiveControls, notes: Sequence[str]
    ) -> None:
        """Write the lines over those of the last time."""
        width = max(20, shutil.get_terminal_size().columns)
        lines = [
            f"{_clock(elapsed)}  {_voice(controls)}",
            f"in  {_meter(peaks[0])}   out {_meter(peaks[1])}",
            _latency(status),
            _health(status),
            "; ".join([*_trouble(status), *notes]),
            KEYS_HELP,
        ]
        # Back to the first line; each line is cleared to its end, and cut so that none wraps and moves the others.
        up = f"\x1b[{self._lines}A\r" if self._lines else ""
        sys.stdout.write(up + "".join(f"{line[: width - 1]}\x1b[K\n" for line in lines))
        sys.stdout.flush()
        self._lines = len(lines)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"


def _voice(controls: LiveControls) -> str:
    converter = controls.converter
    if converter is None:
        return "no voice in the chain"
    place = controls.number
    number = "" if place is None else f" ({place + 1} of {len(controls.voices)})"
    bypass = ", BYPASS" if converter.bypass else ""
    return f"{converter.preset.name}{number}, pitch {converter.pitch_semitones:+g}{bypass}"


def _meter(peak: float) -> str:
    level = decibels(peak)
    filled = round(_METER * min(1.0, max(0.0, 1.0 + level / _METER_RANGE_DB)))
    over = "!" if peak > 1.0 else " "
    return f"{level:4.0f} dB [{'#' * filled}{'.' * (_METER - filled)}]{over}"


def _latency(status: LiveStatus) -> str:
    latency = status.latency
    return (
        f"delay {latency.total:.0f} ms = {latency.device_in:.0f} device in + {latency.queue:.0f} queue "
        f"(up to {status.nominal_queue_ms:.0f}) + {latency.algorithm:.0f} voice + {latency.device_out:.0f} device out"
    )


def _health(status: LiveStatus) -> str:
    counts = status.statistics
    return (
        f"load {100.0 * status.load:.0f} %, drop-outs {counts.underruns + counts.overruns}, cuts {counts.cuts}, "
        f"device drop-outs {status.device_dropouts}"
    )


def _trouble(status: LiveStatus) -> list[str]:
    if status.running:
        return []
    return [f"{status.problem} Trying again in {status.retry_seconds:.1f} s."]
