"""Which items are out, and which results may go to the caller."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic

from streamvc.executor.work import Done, Item, Result


class Window(Generic[Item, Result]):
    """Hands out items and takes results; neither holds nor reads more than `size` at a time.

    Args:
        items: read one by one.
        ordered: results that came early wait for those before them.
    """

    def __init__(self, items: Iterable[Item], ordered: bool) -> None:
        self._items: Iterator[tuple[int, Item]] = enumerate(items)
        self._ordered = ordered
        self._next = self._out = 0
        self._early: dict[int, Done[Item, Result]] = {}

    def take(self, size: int) -> tuple[int, Item] | None:
        """The next item with its number, or None: there is no room for it, or there is none left."""
        if self._out + len(self._early) >= size:
            return None
        found = next(self._items, None)
        self._out += found is not None
        return found

    def give(self, done: Done[Item, Result]) -> Iterator[Done[Item, Result]]:
        """Take a result; yields what the caller may have now."""
        self._out -= 1
        if not self._ordered:
            yield done
            return
        self._early[done.number] = done
        while self._next in self._early:
            yield self._early.pop(self._next)
            self._next += 1

    @property
    def out(self) -> int:
        """Items that are handed out and have no result yet."""
        return self._out
