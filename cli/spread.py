"""Options that say who does the work: `--jobs`, `--cluster` and `--resume`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from streamvc.executor import Executor

Command = TypeVar("Command", bound=Callable[..., Any])


def spread_options(command: Command) -> Command:
    """`--jobs`, `--cluster` and `--resume`: what `open_workers` takes, and `resume`."""
    for option in reversed(
        [
            click.option(
                "-j",
                "--jobs",
                "workers",
                type=click.IntRange(1),
                default=1,
                show_default=True,
                help="Files at the same time.",
            ),
            click.option(
                "--cluster",
                metavar="ADDRESS|FILE",
                help="Work on the cluster of this Dask scheduler (tcp://host:8786, or its scheduler file) instead.",
            ),
            click.option(
                "--resume",
                is_flag=True,
                help="Note what is done (in .streamvc beside the outputs), and skip what was done from the same input "
                "with the same settings.",
            ),
        ]
    ):
        command = option(command)
    return command


def open_workers(workers: int, cluster: str | None) -> Executor:
    """The executor for the options; what it says of workers in trouble goes to the error output.

    Raises:
        click.UsageError: both were given.
        RuntimeUnavailableError: Dask is not installed.
    """
    if cluster is not None and workers > 1:
        raise click.UsageError("--jobs counts processes of this machine and --cluster names others: give one of them.")
    from streamvc.executor import open_executor

    return open_executor(workers, cluster, lambda line: click.echo(line, err=True))
