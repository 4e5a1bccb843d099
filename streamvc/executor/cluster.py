"""Pieces on a cluster of Dask (`distributed`), whose scheduler and workers somebody has started: docs/scale.md.

Dask sends pieces to workers, and a piece of a worker that died to another one. What is added here:

- A piece that fails is tried once more by another worker, since a full disk or a folder that is not mounted is a
  worker's fault and not the piece's. A worker that fails where others do not gets no more pieces.
- Dask gives up a piece when its worker has died several times, and blames all pieces that the worker had. These are
  done again one by one at the end: only the piece that is alone with its worker is to blame.
- When the scheduler is lost, the pieces that are out are sent again once there is one.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import pickle
import queue
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic

from streamvc.errors import ClusterError, RuntimeUnavailableError, StreamVCError
from streamvc.executor.cluster_worker import Answer, do_piece, pieces_of
from streamvc.executor.versions import versions
from streamvc.executor.window import Window
from streamvc.executor.work import Done, Item, Result, Tell, Work
from streamvc.fault import debugging

_POLL: Final = 0.2
_LOOK: Final = 1.0
"""Seconds between looks at the list of workers."""
_ASIDE: Final = 3
"""Pieces that a worker may fail where another one succeeds, before it gets no more."""
_AHEAD: Final = 2
"""Pieces for each worker: one in work, one waiting there."""
_AHEAD_ORDERED: Final = 8
"""The same where results wait for earlier ones."""
_CONNECT: Final = 10.0
_QUIET: Final = 60.0


class Cluster:
    """The executor behind `--cluster`.

    Args:
        address: of the scheduler, or the path of its scheduler file.
        say: takes lines about workers and connections that are in trouble.
        patience: seconds to wait for a scheduler that was lost, or for the first worker.

    Raises:
        RuntimeUnavailableError: `distributed` is not installed.
    """

    def __init__(self, address: str, say: Callable[[str], None], patience: float = 600.0) -> None:
        try:
            import distributed  # noqa: F401
        except ImportError as error:
            raise RuntimeUnavailableError(
                "--cluster needs Dask, and the package distributed is missing: run pip install 'streamvc[cluster]'."
            ) from error
        if not debugging():
            # Dask tells of lost connections at length; here they are mended, or told in one sentence.
            for name in ("distributed", *(f"distributed.{part}" for part in ("client", "core", "comm", "batched"))):
                logging.getLogger(name).setLevel(logging.CRITICAL)
        self._address, self._say, self._patience = address, say, patience

    def map(
        self, work: Work[Item, Result], items: Iterable[Item], tell: Tell = lambda amount: None, *,
        ordered: bool = False, run: str | None = None,
    ) -> Generator[Done[Item, Result], None, None]:  # fmt: skip
        """As `Executor` says.

        Raises:
            ClusterError: the scheduler cannot be reached, or no worker can do the work.
        """
        mapping = _Mapping(work, Window[Item, Result](items, ordered), tell, self._say, ordered, run)
        connection = _Connection(self._address, self._patience, self._say)
        try:
            connection.open(_CONNECT)
            yield from mapping.through(connection)
        finally:
            connection.close(mapping.run)


@dataclass
class _Piece:
    """An item on its way.

    Attributes:
        only: the workers that may do it, None for all.
        tried: workers that failed.
        error: what the last of them said.
        alone: nothing else is out beside it.
    """

    number: int
    item: Any
    only: frozenset[str] | None = None
    tried: set[str] = field(default_factory=set)
    error: StreamVCError | None = None
    alone: bool = False


class _Connection:
    """A client of the scheduler that can be replaced by a new one.

    Attributes:
        finished: keys of futures that are done, in whatever way.
    """

    def __init__(self, address: str, patience: float, say: Callable[[str], None]) -> None:
        self._address, self.patience, self._say = address, patience, say
        self._client: Any = None
        self.futures: dict[str, Any] = {}
        self.finished: queue.SimpleQueue[str] = queue.SimpleQueue()

    def open(self, seconds: float) -> None:
        """Connect, trying for some seconds.

        Raises:
            ClusterError: nobody answers.
        """
        from distributed import Client

        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            try:
                place: dict[str, Any] = {"address": self._address}
                if "://" not in self._address:
                    # Read anew each time: a scheduler that was started again has another address in it.
                    place = {"scheduler_file": str(_scheduler_file(self._address))}
                self._client = Client(
                    **place, timeout=max(1.0, min(left, _CONNECT)), set_as_default=False, direct_to_workers=False
                )
                return
            except (OSError, ValueError, ImportError) as error:
                if time.monotonic() >= deadline or isinstance(error, ImportError):
                    raise ClusterError(
                        f"No Dask scheduler answers at {self._address}: start one with `dask scheduler`, or check the "
                        "address (docs/scale.md)."
                    ) from error
                time.sleep(_POLL)

    def reopen(self) -> None:
        """Drop what is out and connect again.

        Raises:
            ClusterError: there is no scheduler for too long.
        """
        self._say(
            f"The scheduler at {self._address} was lost: waiting up to {self.patience:.0f} s for it to come back; "
            "Ctrl-C ends."
        )
        self._drop()
        self.open(self.patience)
        self._say(f"The scheduler at {self._address} is back: going on.")

    def submit(self, key: str, only: frozenset[str] | None, *arguments: Any) -> None:
        """Send a piece."""
        future = self._client.submit(
            do_piece, *arguments, key=key, pure=False, workers=None if only is None else sorted(only)
        )
        self.futures[key] = future
        future.add_done_callback(lambda one: self.finished.put(one.key))

    def workers(self) -> frozenset[str]:
        """Addresses of the workers that there are now; raises OSError when the scheduler is lost."""
        if self._client.status != "running":
            raise OSError("not connected")
        return frozenset(self._client.sync(self._client.scheduler.ncores, callback_timeout=_CONNECT))

    def close(self, run: str) -> None:
        """Cancel what is out and wait until the workers have dropped it."""
        if self._client is None:
            return
        with suppress(Exception):  # without a scheduler there is nothing to cancel, and the workers stop by themselves
            if self.futures and self._client.status == "running":
                self._client.cancel(list(self.futures.values()), force=True)
                deadline = time.monotonic() + _QUIET
                while time.monotonic() < deadline:
                    # A worker that just died counts as quiet.
                    left = self._client.run(pieces_of, run, on_error="ignore")
                    if not any(left.values()):
                        break
                    time.sleep(_POLL)
        self._drop()

    def _drop(self) -> None:
        self.futures.clear()
        self.finished = queue.SimpleQueue()
        with suppress(Exception):  # it may be about to reconnect, or hold a broken connection
            self._client.close(timeout=2)
        self._client = None


class _Mapping(Generic[Item, Result]):
    """One call of `map`: which pieces wait, are out, or are to be tried again."""

    def __init__(
        self, work: Work[Item, Result], window: Window[Item, Result], tell: Tell, say: Callable[[str], None],
        ordered: bool, run: str | None,
    ) -> None:  # fmt: skip
        self._work, self._blob = work, pickle.dumps(work)
        self._versions = versions(work.packages)
        self._window, self._tell, self._say = window, tell, say
        self._ahead = _AHEAD_ORDERED if ordered else _AHEAD
        self.run = run or secrets.token_hex(8)
        self._out: dict[str, _Piece] = {}
        self._again: deque[_Piece] = deque()
        self._suspects: deque[_Piece] = deque()
        self._workers: frozenset[str] = frozenset()
        self._aside: set[str] = set()
        self._failures: Counter[str] = Counter()
        self._sent = 0
        self._bare: float | None = None  # since when there is no worker

    def through(self, connection: _Connection) -> Iterator[Done[Item, Result]]:
        """Send, gather, and mend until every item has its result."""
        looked, self._bare = -float("inf"), None
        while True:
            try:
                if time.monotonic() - looked >= _LOOK:
                    self._workers, looked = connection.workers(), time.monotonic()
                    self._check_workers(connection, looked)
                self._fill(connection)
                if not (self._out or self._again or self._suspects):
                    return
                try:
                    key = connection.finished.get(timeout=_POLL)
                except queue.Empty:
                    continue
                piece, future = self._out.get(key), connection.futures.pop(key, None)
                if piece is None or future is None:
                    continue
                if future.status in ("cancelled", "lost"):
                    raise OSError("the scheduler has forgotten a piece")
                done = self._judge(piece, future)
                del self._out[key]
            # A result that is cancelled while it is fetched: the scheduler went in that moment.
            except (OSError, TimeoutError, asyncio.CancelledError, concurrent.futures.CancelledError):
                self._again.extend(self._out.values())
                self._out.clear()
                connection.reopen()
                looked, self._bare = -float("inf"), None
                continue
            if done is not None:
                yield from self._window.give(done)

    def _check_workers(self, connection: _Connection, now: float) -> None:
        if self._workers:
            self._bare = None
        elif self._bare is None:
            self._bare = now
            self._say("The cluster has no worker: waiting for one; Ctrl-C ends.")
        elif now - self._bare >= connection.patience:
            raise ClusterError(
                f"The cluster has had no worker for {connection.patience:.0f} s: start some with `dask worker` "
                "(docs/scale.md); --resume goes on from what is done."
            )
        # Dask would keep a piece for ever whose workers are all gone.
        for key, piece in list(self._out.items()):
            if piece.only is not None and not piece.only & self._workers:
                del self._out[key]
                connection.futures.pop(key).cancel()
                self._again.append(piece)

    def _fill(self, connection: _Connection) -> None:
        if any(piece.alone for piece in self._out.values()):
            return
        # Without a worker some are sent all the same: they wait at the scheduler.
        room = self._ahead * max(1, len(self._workers - self._aside))
        while self._again:
            self._send(connection, self._again.popleft())
        while (taken := self._window.take(room)) is not None:
            self._send(connection, _Piece(*taken))
        if not self._out and self._suspects:
            suspect = self._suspects.popleft()
            suspect.alone = True
            self._send(connection, suspect)

    def _send(self, connection: _Connection, piece: _Piece) -> None:
        piece.only = None
        if self._aside or piece.tried:
            piece.only = (self._workers - self._aside - piece.tried) or (self._workers - self._aside) or None
        self._sent += 1
        key = f"streamvc-{self.run}-{piece.number}-{self._sent}"
        self._out[key] = piece
        connection.submit(key, piece.only, self._blob, piece.item, self.run, key, self._versions)

    def _judge(self, piece: _Piece, future: Any) -> Done[Item, Result] | None:
        """The end of a piece, or None: it is to be tried again."""
        name = self._work.name(piece.item)
        if future.status == "error":
            return self._died(piece, name, future.exception())
        answer: Answer = future.result()
        if answer.stopped:  # its worker was told to end
            self._again.append(piece)
        elif answer.unfit:
            assert answer.error is not None
            self._set_aside(answer.worker, answer.error)
            self._again.append(piece)
        elif answer.error is None:
            self._blame(piece, name, answer.worker)
            self._tell(answer.told)
            return Done(piece.number, piece.item, answer.result)
        else:
            piece.tried.add(answer.worker)
            # The first opinion is what a run on this machine would say.
            piece.error = piece.error or answer.error
            if len(piece.tried) >= 2 or not self._workers - self._aside - piece.tried:
                return Done(piece.number, piece.item, error=piece.error)
            self._again.append(piece)
        return None

    def _died(self, piece: _Piece, name: str, error: BaseException) -> Done[Item, Result] | None:
        from distributed import KilledWorker

        if not isinstance(error, KilledWorker):
            if debugging():
                raise error
            raise ClusterError(
                f"A worker cannot do this work ({type(error).__name__}: {error}): install the same streamvc and extras "
                "on all workers."
            ) from error
        if not piece.alone:
            self._suspects.append(piece)
            return None
        return Done(piece.number, piece.item, error=ClusterError(
            f"{name} ended every worker that took it up: check the file, and whether the workers have enough memory."
        ))  # fmt: skip

    def _blame(self, piece: _Piece, name: str, good: str) -> None:
        for bad in piece.tried - {good}:
            self._failures[bad] += 1
            self._say(f"Warning: the worker {bad} failed at {name} where {good} did not: {piece.error}")
            if self._failures[bad] >= _ASIDE and bad not in self._aside:
                self._aside.add(bad)
                self._say(f"Warning: the worker {bad} gets no more work: it failed where others did not.")

    def _set_aside(self, worker: str, error: StreamVCError) -> None:
        if worker not in self._aside:
            self._aside.add(worker)
            self._say(f"Warning: a worker gets no work: {error}")
        if not self._workers - self._aside:
            raise error


def _scheduler_file(path: str) -> Path:
    """The path of a scheduler file that is there; `Client` would wait for one without end."""
    found = Path(path)
    if not found.is_file():
        raise FileNotFoundError(path)
    return found
