"""`svc evaluate`: judge conversions. The options and the work are those of `streamvc.training.evaluation`."""

from __future__ import annotations

import click


@click.command(
    add_help_option=False,
    # One parser for this command and for `python -m streamvc.training.evaluation`: everything is handed on to it.
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def evaluate(arguments: tuple[str, ...]) -> None:
    """Judge conversions, with tables and a page to listen to."""
    from streamvc.training.evaluation.command import run

    run(arguments, "svc evaluate")
