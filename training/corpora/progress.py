"""How far a long task is: a bar on a terminal, and a line each minute elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY = 60.0
"""Seconds between lines where there is no terminal."""

Say = Callable[[str], None]
Step = Callable[..., None]
"""Called after each step; may be given a new `total`, where the plan has changed, and how long is `left`, in words."""


def silent(_: str) -> None:
    """Say nothing."""


def tell(line: str) -> None:
    """Print a line to the error output at once."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def progress(
    label: str, unit: str, total: int | None, done: int = 0, say: Say = silent
) -> Iterator[Step]:
    """Follow a task of `total` steps, of which `done` were done before.

    Yields:
        A function to call after each step (see :data:`Step`).
    """
    if sys.stderr.isatty():
        from tqdm import tqdm

        with tqdm(total=total, initial=done, desc=label, unit=unit, dynamic_ncols=True, file=sys.stderr) as bar:

            def move(total: int | None = None, left: str | None = None) -> None:
                if total is not None:
                    bar.total = total
                bar.update()

            yield move
        return
    count, last = done, time.monotonic()

    def step(total: int | None = total, left: str | None = None) -> None:
        nonlocal count, last
        count += 1
        if time.monotonic() - last >= EVERY:
            last = time.monotonic()
            place = f"{count}{f' of {total}' if total else ''} {unit.strip()}"
            say(f"{label}: {place}{f', about {left} left' if left else ''}")

    yield step
