"""`svc train`: corpora, content units, recipes. The options and the work are those of `streamvc.training`."""

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


@train.command(name="run", add_help_option=False, context_settings=PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run_recipe(arguments: tuple[str, ...]) -> int:
    """Train a recipe, or go on with it."""
    from streamvc.training.trainer.command import run

    return run(arguments, "svc train run")


@train.command(add_help_option=False, context_settings=PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def recipes(arguments: tuple[str, ...]) -> int:
    """List the shipped recipes and every key of them."""
    from streamvc.training.trainer.command import recipes

    return recipes(arguments, "svc train recipes")


@train.command(add_help_option=False, context_settings=PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def export(arguments: tuple[str, ...]) -> int:
    """Write weights and ONNX graphs of a run, for --weights."""
    from streamvc.training.trainer.command import export

    return export(arguments, "svc train export")


@train.command(add_help_option=False, context_settings=PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def voice(arguments: tuple[str, ...]) -> int:
    """Make a voice from minutes of speech of one person."""
    from streamvc.training.voice.command import run

    return run(arguments, "svc train voice")
