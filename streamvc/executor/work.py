"""What is done, with what, and what came of it: the words that all executors share."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from streamvc.errors import StreamVCError
from streamvc.fault import FaultError, debugging, describe_fault

Item = TypeVar("Item")
Result = TypeVar("Result")
Tell = Callable[[float], None]
"""Takes how much was done since its last call, in a unit of the work's own (seconds of audio, say)."""


class Stopped(BaseException):
    """Nobody waits for this piece any more; what it has begun is to be removed. No `Exception`, as an interrupt."""


class WorkerLost(StreamVCError):
    """A process of this machine ended in the middle of a piece."""


@dataclass(frozen=True)
class Call:
    """What a piece may ask of whoever runs it.

    Attributes:
        run: names this run of the command, the same for all its pieces and for every attempt at them.
        tell: takes progress, and raises `Stopped` when nobody waits for the piece any more: call it often.
    """

    run: str
    tell: Tell


ItemIn = TypeVar("ItemIn", contravariant=True)
ResultOut = TypeVar("ResultOut", covariant=True)


class Work(Protocol[ItemIn, ResultOut]):
    """What is done with every item. It is pickled, so it holds settings and paths, not models.

    Attributes:
        packages: distributions on whose versions the results depend; workers of a cluster must have the same.
    """

    @property
    def packages(self) -> tuple[str, ...]: ...

    def start(self) -> Callable[[ItemIn, Call], ResultOut]:
        """Load what all pieces share, once for each worker; the function raises `StreamVCError` for a bad item.

        Raises:
            StreamVCError: no piece can be done here.
        """
        ...

    def name(self, item: ItemIn) -> str:
        """What a message calls an item."""
        ...


@dataclass(frozen=True)
class Done(Generic[Item, Result]):
    """What became of an item: a result, or the error that a user can act on.

    Attributes:
        number: place of the item among all, from 0.
    """

    number: int
    item: Item
    result: Result | None = None
    error: StreamVCError | None = None

    def value(self) -> Result:
        """The result.

        Raises:
            StreamVCError: there is none.
        """
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]  # a Result may be None itself


class Executor(Protocol):
    """Where pieces are worked on."""

    def map(
        self, work: Work[Item, Result], items: Iterable[Item], tell: Tell = ..., *, ordered: bool = False,
        run: str | None = None,
    ) -> Generator[Done[Item, Result], None, None]:  # fmt: skip
        """Do the work with every item and yield what came of each, exactly once.

        Items are taken as they are needed, some ahead of the results. Closing the generator, or an exception while it
        waits, stops the pieces at their next `Call.tell` and returns when they have removed what they had begun.

        Args:
            work: see `Work`.
            items: anything that can be pickled.
            tell: takes the progress of all pieces together.
            ordered: yield in the order of the items, not as they are done.
            run: what `Call.run` shall be; a random word by default.

        Raises:
            StreamVCError: nothing can be done at all, or the workers are lost.
        """
        ...


def attempt(do: Callable[[Item, Call], Result], item: Item, call: Call, name: str) -> tuple[
    Result | None, StreamVCError | None
]:
    """A result or an error of one item; with SVC_DEBUG=1 a fault of the program shows its traceback instead."""
    try:
        return do(item, call), None
    except StreamVCError as error:
        return None, error
    except Exception as error:
        if debugging():
            raise
        return None, FaultError(f"{name}: {describe_fault(error)}")
