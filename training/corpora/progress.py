"""How far a long task is: a bar on a terminal, and a line each minute elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY = 60.0
"""Seconds between lines where there is no terminal."""

Say = Callable[[str], None]


def silent(_: str) -> None:
    """Say nothing."""


def tell(line: str) -> None:
    """Print a line to the error output at once."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def progress(
    label: str, unit: str, total: int | None, done: int = 0, say: Say = silent
) -> Iterator[Callable[[], None]]:
    """Follow a task of `total` steps, of which `done` were done before.

    Yields:
        A function to call after each step.
    """
    if sys.stderr.isatty():
        from tqdm import tqdm

        with tqdm(total=total, initial=done, desc=label, unit=unit, dynamic_ncols=True, file=sys.stderr) as bar:
            yield lambda: bar.update() and None
        return
    count, last = done, time.monotonic()

    def step() -> None:
        nonlocal count, last
        count += 1
        if time.monotonic() - last >= EVERY:
            last = time.monotonic()
            say(f"{label}: {count}{f' of {total}' if total else ''} {unit.strip()}")

    yield step
