"""`svc convert`: one source, one target speaker, no preset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from streamvc.cli.options import Settings, model_options, voice_options
from streamvc.cli.plan import plan
from streamvc.cli.several import SeveralValues


@click.command(cls=SeveralValues)
@click.option("-s", "--source", required=True, type=click.Path(path_type=Path), help="The speech to convert.")
@click.option(
    "-t",
    "--target",
    "targets",
    metavar="RECORDING...",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="Recordings of the person whose voice it shall have, one or more: 3 s of speech at least.",
)
@click.option("-o", "--output", metavar="PATH", required=True, help="File to write, or a folder with a / at its end.")
@voice_options("0")
@model_options
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.pass_context
def convert(
    ctx: click.Context, /, source: Path, targets: tuple[Path, ...], output: str, as_json: bool, **options: Any
) -> None:
    """Say what is said in one recording with the voice of another.

    A voice that is used again is better made once: svc preset create --help.
    """
    from streamvc.cli.render import check_ending, output_place, render_jobs
    from streamvc.files import refuse_to_overwrite
    from streamvc.presets.create import create_preset

    settings = Settings.from_options(**options)
    place, into_folder = output_place(output)
    check_ending(place, settings.format)
    (job,) = plan([source], place, "target", settings.format, into_folder=into_folder)
    if isinstance(job.target, Path):
        refuse_to_overwrite(job.target, source, *targets)
    creation = create_preset("target", targets, settings.weights)
    for warning in creation.warnings:
        click.echo(f"Warning: {warning}", err=True)
    ctx.exit(render_jobs([job], creation.preset, settings, as_json=as_json))
