"""`svc train`: corpora and content units. The options and the work are those of `streamvc.training`."""

from __future__ import annotations

import click

#: One parser for a command and for its `python -m streamvc.training...`: everything is handed on to it.
PASS_ON = {"ignore_unknown_options": True, "allow_interspersed_args": False}


@click.group()
def train() -> None:
    """Build corpora and train models."""


@train.command(add_help_option=False, context_settings=PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def corpus(arguments: tuple[str, ...]) -> int:
    """Build, check and describe training corpora."""
    from streamvc.training.corpora.command import run

    return run(arguments, "svc train corpus")


@train.command(add_help_option=False, context_settings=PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def units(arguments: tuple[str, ...]) -> int:
    """Label the content of a corpus: units of a teacher, and phones."""
    from streamvc.training.units.command import run

    return run(arguments, "svc train units")
