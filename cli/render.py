"""`svc render`: files in, the same files in another voice out."""

from __future__ import annotations

import os
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
@click.option("-p", "--preset", "preset_name", metavar="NAME|PATH", help="The voice (svc preset list).")
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="File for one input, folder for several or with a / at its end; - is standard output.  [default: beside each "
    "input, named after the voice]",
)
@voice_options()
@click.option(
    "--chain",
    "chain_path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A chain of effects in a TOML file, the voice among them.",
)
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
    preset_name: str | None,
    output: str | None,
    chain_path: Path | None,
    workers: int,
    cluster: str | None,
    resume: bool,
    midi_path: Path | None,
    map_path: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Render INPUT (audio files, or folders of them) in the voice of a preset.

    The output is as long as the input and aligned with it, at the same rate and with the same channels. Reads wav,
    flac, aiff, ogg, opus, mp3 and more, and with pip install 'streamvc[formats]' m4a, aac, webm, mp4 and their kind;
    writes wav, flac, aiff, ogg and mp3 (which pads its audio by some milliseconds). Files that cannot be rendered are
    reported and the others are rendered all the same; the exit code is 0 only if all went well. With - as INPUT, a
    file is read from standard input.

    INPUT and output may be addresses such as s3://bucket/folder, where the package of fsspec for them is installed
    (docs/scale.md). Outputs appear whole or not at all; what an interrupt left undone, --resume does.

    With --midi, PRESET is the voice at the beginning, and the messages of the file take effect at their own times, to
    the frame of 20 ms. With --chain, PRESET and the options of the voice are for the first voice of the chain.
    """
    from streamvc.cli.pipes import PIPE, piped
    from streamvc.files import refuse_to_overwrite
    from streamvc.presets.store import resolve

    settings = Settings.from_options(**options, chain=chain_path)
    if preset_name is None and chain_path is None:
        raise click.UsageError("Give a voice with --preset (svc preset list) or a chain with --chain.")
    if chain_path is not None and midi_path is not None:
        raise click.UsageError("--midi plays a voice alone: leave --chain or --midi out.")
    if chain_path is not None and (settings.backend != "auto" or settings.weights is not None):
        raise click.UsageError("--backend and --weights do not reach into a --chain: leave them out.")
    preset = None if preset_name is None else resolve(preset_name)
    score = _score(midi_path, map_path)
    target, into_folder = output_place(output)
    check_ending(target, settings.format)
    if PIPE in inputs and (len(inputs) > 1 or target is None or into_folder):
        raise click.UsageError("Standard input is one file: give its output with -o FILE, or -o - for standard output.")
    if target == PIPE and (len(inputs) > 1 or inputs[0].is_dir()):
        raise click.UsageError("Standard output takes one file: give a folder with -o.")
    if PIPE in (*inputs, target) and cluster is not None:
        raise click.UsageError("Standard input and output are of this process alone: leave --cluster out.")
    if target == PIPE and resume:
        raise click.UsageError("Standard output has no place for records: leave --resume out, or give a file with -o.")
    if target == PIPE and settings.format not in (None, "wav"):
        raise click.UsageError("Standard output takes WAV: leave --format out, or give a file with -o.")
    executor = open_workers(workers, cluster)

    with piped(inputs[0], target) as (first, place):
        name = preset.name if preset is not None else chain_path.stem if chain_path is not None else ""
        jobs = plan(
            [first, *inputs[1:]], place, name, settings.format, into_folder=into_folder, on_left_out=_left_out(as_json)
        )
        protected = [path for path in (midi_path, map_path, chain_path) if path is not None]
        if preset_name is not None and Path(preset_name).is_file():
            protected.append(Path(preset_name))
        for job in jobs:
            if isinstance(job.target, Path):
                refuse_to_overwrite(job.target, *protected)
        code = render_jobs(jobs, preset, settings, executor, as_json, score, resume=resume)
    ctx.exit(code)


def output_place(output: str | None) -> tuple[Place | None, bool]:
    """The path or address that -o names, and whether it is a folder by its last character: paths forget that."""
    if output is None:
        return None, False
    return as_place(output), output.endswith((os.sep, "/"))


def check_ending(target: Place | None, form: str | None) -> None:
    """Ask whether a name that says another format than the option is meant so; where nobody can be asked, refuse it.

    Raises:
        click.UsageError: nobody can be asked.
        click.Abort: the answer was no.
    """
    from streamvc.plugin.formats import FORMAT_OF_SUFFIX

    if target is None or form is None:
        return
    named = FORMAT_OF_SUFFIX.get(target.suffix.lower())
    if named in (None, form):
        return
    contradiction = f"{target} is named as {named}, and --format says {form}"
    if not sys.stdin.isatty():
        raise click.UsageError(f"{contradiction}: change one of them.")
    click.confirm(f"{contradiction}. Write {form} under this name?", abort=True, err=True)


def _left_out(as_json: bool) -> Any:
    from streamvc.cli.console import print_json

    def tell(place: Place, why: str) -> None:
        if as_json:
            print_json({"input": str(place), "left_out": why})
        click.echo(f"Left out: {place} ({why}).", err=True)

    return tell


def _score(midi_path: Path | None, map_path: Path | None) -> Score | None:
    if midi_path is None:
        if map_path is not None:
            raise click.UsageError("--map says what a MIDI file means: give that with --midi.")
        return None
    from streamvc.cli.midi import load_map
    from streamvc.plugin.midi.file import read_midi_file
    from streamvc.plugin.midi.performance import Score

    def warn(sentence: str) -> None:
        click.echo(f"Warning: {sentence}", err=True)

    return Score(load_map(map_path), read_midi_file(midi_path, warn))


def render_jobs(
    jobs: list[Job],
    preset: Preset | None,
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
