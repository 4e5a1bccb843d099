"""A map over recordings by several processes that neither reads nor holds more than it needs."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from streamvc.errors import CorpusError

Item = TypeVar("Item")
Result = TypeVar("Result")
AHEAD = 8
"""Items in work or waiting for each process; the executor's own `map` would read all of a stream at once."""


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], jobs: int
) -> Generator[Result, None, None]:
    """`map(function, items)` in `jobs` processes, results in order; in this process where there is only one job.

    Raises:
        CorpusError: a process was killed, most likely for want of memory.
    """
    if jobs <= 1:
        yield from map(function, items)
        return
    # Libraries that stream have threads, and a fork of a process with threads may hang.
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context(method)) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= AHEAD * jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise CorpusError(
                "a process that decodes recordings was killed; run the same command with fewer --jobs to go on."
            ) from error
        finally:
            for future in waiting:
                future.cancel()
