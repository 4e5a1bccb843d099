"""`svc render`: files in, the same files in another voice out."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamvc.cli.options import Settings, model_options, voice_options
from streamvc.cli.plan import Job, plan

if TYPE_CHECKING:
    from streamvc.plugin.midi.performance import Score
    from streamvc.presets.format import Preset


@click.command()
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-p", "--preset", "preset_name", metavar="NAME|PATH", required=True, help="The voice (svc preset list).")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="File for one input, folder for several.  [default: beside each input, named after the voice]",
)
@voice_options
@click.option(
    "-j", "--jobs", "workers", type=click.IntRange(1), default=1, show_default=True, help="Files at the same time."
)
@click.option(
    "--midi", "midi_path", metavar="FILE", type=click.Path(path_type=Path), help="MIDI file that switches voices."
)
@click.option(
    "--map",
    "map_path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="What its messages mean (svc midi learn).  [default: program n is the n-th built-in voice, and more]",
)
@model_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per file.")
@click.pass_context
def render(
    ctx: click.Context,
    /,
    inputs: tuple[Path, ...],
    preset_name: str,
    output: Path | None,
    workers: int,
    midi_path: Path | None,
    map_path: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Render INPUT (audio files, or folders of them) in the voice of a preset.

    The output is as long as the input and aligned with it, at the same rate and with the same channels. Reads and
    writes wav, flac, aiff, ogg and mp3 (which pads its audio by some milliseconds). Files that cannot be rendered are
    reported and the others are rendered all the same; the exit code is 0 only if all went well.

    With --midi, PRESET is the voice at the beginning, and the messages of the file take effect at their own times, to
    the frame of 20 ms.
    """
    from streamvc.presets.store import resolve

    settings = Settings.from_options(**options)
    preset = resolve(preset_name)
    score = _score(midi_path, map_path)
    jobs = plan(inputs, output, preset.name, settings.format)
    ctx.exit(render_jobs(jobs, preset, settings, workers, as_json, score))


def _score(midi_path: Path | None, map_path: Path | None) -> Score | None:
    if midi_path is None:
        if map_path is not None:
            raise click.UsageError("--map says what a MIDI file means: give that with --midi.")
        return None
    from streamvc.cli.midi import load_map
    from streamvc.plugin.midi.file import read_midi_file
    from streamvc.plugin.midi.performance import Score

    return Score(load_map(map_path), read_midi_file(midi_path))


def render_jobs(
    jobs: list[Job],
    preset: Preset,
    settings: Settings,
    workers: int = 1,
    as_json: bool = False,
    score: Score | None = None,
) -> int:
    """Render, show progress and results, and return the exit code: that of the first error, or 0.

    Raises:
        StreamVCError: no job can be done.
    """
    from streamvc.cli import report
    from streamvc.cli.batch import Outcome, run

    began = time.perf_counter()
    # Lines in between would break the progress bar.
    hold_back = sys.stderr.isatty() and not as_json
    outcomes: list[Outcome] = []
    label = jobs[0].source.name if len(jobs) == 1 else f"{len(jobs)} files"
    with report.progress_bar(report.total_seconds(jobs), label) as progress:
        for outcome in run(jobs, preset, settings, workers, progress, score):
            outcomes.append(outcome)
            if not hold_back:
                report.describe(outcome, as_json)
    if hold_back:
        for outcome in outcomes:
            report.describe(outcome, as_json)
    if len(outcomes) > 1 and not as_json:
        report.summarise(outcomes, time.perf_counter() - began)
    return next((outcome.error.exit_code for outcome in outcomes if outcome.error is not None), 0)
