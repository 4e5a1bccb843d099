"""An argument parser whose messages look like those of the other commands of `svc`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from typing import NoReturn


class Formatter(argparse.RawDescriptionHelpFormatter):
    """`Usage:` with a capital."""

    def add_usage(
        self, usage: str | None, actions: Iterable[argparse.Action], groups: Iterable[argparse._ArgumentGroup],
        prefix: str | None = None,
    ) -> None:  # fmt: skip
        """As argparse does."""
        super().add_usage(usage, actions, groups, "Usage: " if prefix is None else prefix)  # type: ignore[arg-type]


class Parser(argparse.ArgumentParser):
    """A parser, and the parser of its sub-commands, with `Formatter` and one-sentence errors."""

    def __init__(self, *arguments: object, **options: object) -> None:
        options.setdefault("formatter_class", Formatter)
        super().__init__(*arguments, **options)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        """Say how the command is used and what was wrong; exit code 2."""
        print(f"{self.format_usage()}\nError: {message[:1].upper()}{message[1:]}.", file=sys.stderr)
        sys.exit(2)


def positive(text: str) -> int:
    """A whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is less than 1")
    return value
