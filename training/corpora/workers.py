"""A map over recordings by whoever works, that neither reads nor holds more than it needs."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Generic, TypeVar

from streamvc.errors import CorpusError
from streamvc.executor import Call, Executor, WorkerLost, open_executor

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class _Mapped(Generic[Item, Result]):
    """A function as a work: there is nothing to load."""

    function: Callable[[Item], Result]
    packages: tuple[str, ...] = ("numpy", "scipy", "soundfile", "soxr")

    def start(self) -> Callable[[Item, Call], Result]:
        return lambda item, call: self.function(item)

    def name(self, item: Item) -> str:
        return str(getattr(item, "path", item))


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int | Executor
) -> Generator[Result, None, None]:
    """`map(function, items)` by so many processes, or by an executor; results in order.

    Raises:
        CorpusError: a process was killed, most likely for want of memory.
        StreamVCError: as the function does, and as the executor does.
    """
    executor = open_executor(workers) if isinstance(workers, int) else workers
    try:
        with closing(executor.map(_Mapped(function), items, ordered=True)) as work:
            for done in work:
                yield done.value()
    except WorkerLost as error:
        raise CorpusError(
            "a process that decodes recordings was killed; run the same command with fewer --jobs to go on."
        ) from error
