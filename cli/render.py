"""`svc render`: files in, the same files in another voice out."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamvc.cli.options import Settings, model_options, voice_options
from streamvc.cli.plan import Job, plan
from streamvc.cli.spread import open_workers, spread_options
from streamvc.storage.address import as_place

if TYPE_CHECKING:
    from streamvc.executor import Executor
    from streamvc.plugin.midi.performance import Score
    from streamvc.presets.format import Preset
    from streamvc.storage.address import Place


@click.command()
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, type=as_place)
@click.option("-p", "--preset", "preset_name", metavar="NAME|PATH", required=True, help="The voice (svc preset list).")
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    type=as_place,
    help="File for one input, folder for several.  [default: beside each input, named after the voice]",
)
@voice_options
@spread_options
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
    inputs: tuple[Place, ...],
    preset_name: str,
    output: Place | None,
    workers: int,
    cluster: str | None,
    resume: bool,
    midi_path: Path | None,
    map_path: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Render INPUT (audio files, or folders of them) in the voice of a preset.

    The output is as long as the input and aligned with it, at the same rate and with the same channels. Reads and
    writes wav, flac, aiff, ogg and mp3 (which pads its audio by some milliseconds). Files that cannot be rendered are
    reported and the others are rendered all the same; the exit code is 0 only if all went well.

    INPUT and output may be addresses such as s3://bucket/folder, where the package of fsspec for them is installed
    (docs/scale.md). Outputs appear whole or not at all; what an interrupt left undone, --resume does.

    With --midi, PRESET is the voice at the beginning, and the messages of the file take effect at their own times, to
    the frame of 20 ms.
    """
    from streamvc.presets.store import resolve

    settings = Settings.from_options(**options)
    preset = resolve(preset_name)
    score = _score(midi_path, map_path)
    jobs = plan(inputs, output, preset.name, settings.format)
    executor = open_workers(workers, cluster)
    ctx.exit(render_jobs(jobs, preset, settings, executor, as_json, score, resume=resume))


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
    executor: Executor | None = None,
    as_json: bool = False,
    score: Score | None = None,
    *,
    resume: bool = False,
) -> int:
    """Render, show progress and results, and return the exit code: that of the first error, or 0.

    Raises:
        StreamVCError: no job can be done.
    """
    from streamvc.cli import report
    from streamvc.cli.batch import Outcome, run
    from streamvc.executor.here import Here

    began = time.perf_counter()
    # Lines in between would break the progress bar.
    hold_back = sys.stderr.isatty() and not as_json
    outcomes: list[Outcome] = []
    label = jobs[0].source.name if len(jobs) == 1 else f"{len(jobs)} files"
    with report.progress_bar(jobs, label) as progress:
        for outcome in run(jobs, preset, settings, executor or Here(), progress, score, resume=resume):
            outcomes.append(outcome)
            if not hold_back:
                report.describe(outcome, as_json)
    if hold_back:
        for outcome in outcomes:
            report.describe(outcome, as_json)
    if len(outcomes) > 1 and not as_json:
        report.summarise(outcomes, time.perf_counter() - began)
    return next((outcome.error.exit_code for outcome in outcomes if outcome.error is not None), 0)
