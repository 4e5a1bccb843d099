"""Options that say who does the work of a command: this process, several, or a cluster."""

from __future__ import annotations

import argparse
from typing import Any

from streamvc.executor import Executor, open_executor
from streamvc.training.corpora.parsing import positive
from streamvc.training.corpora.progress import tell


def add_options(to: Any, jobs: str) -> None:
    """Add `--jobs`, with its help, and `--cluster` to a parser or a group of one."""
    one = to.add_mutually_exclusive_group()
    one.add_argument("--jobs", type=positive, default=1, metavar="N", help=f"{jobs} (default: 1)")
    one.add_argument("--cluster", metavar="ADDRESS|FILE", help="of a Dask scheduler, instead (docs/scale.md)")


def executor_of(options: argparse.Namespace) -> Executor:
    """Who shall work; words about workers in trouble go to the error output.

    Raises:
        RuntimeUnavailableError: a cluster is asked for and Dask is not installed.
    """
    return open_executor(options.jobs, options.cluster, tell)


def elsewhere(options: argparse.Namespace) -> bool:
    """Whether other processes than this one work."""
    return options.cluster is not None or options.jobs > 1
