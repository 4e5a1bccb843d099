"""`svc convert`: one source, one target speaker, no preset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from streamvc.cli.options import Settings, model_options, voice_options
from streamvc.cli.plan import Job
from streamvc.cli.preset import SeveralValues


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
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The file to write.")
@voice_options
@model_options
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.pass_context
def convert(
    ctx: click.Context, /, source: Path, targets: tuple[Path, ...], output: Path, as_json: bool, **options: Any
) -> None:
    """Say what is said in one recording with the voice of another.

    For a voice that is used again, make a preset of it: `svc preset create NAME --from RECORDING`.
    """
    from streamvc.cli.render import render_jobs
    from streamvc.presets.create import create_preset

    settings = Settings.from_options(**options)
    creation = create_preset("target", targets, settings.weights)
    for warning in creation.warnings:
        click.echo(f"Warning: {warning}", err=True)
    ctx.exit(render_jobs([Job(source, output)], creation.preset, settings, as_json=as_json))
