"""Pieces in several processes of this machine.

Each process has a pipe of its own and shares no queue and no lock with the others: one that is killed in the middle of
a message spoils that pipe, and the parent reads its end, where the lock of a shared queue would stay taken for ever.
The end of the pipe also tells a process that its parent has gone.
"""

from __future__ import annotations

import secrets
import signal
import sys
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Final

from streamvc.errors import StreamVCError
from streamvc.executor.window import Window
from streamvc.executor.work import Call, Done, Item, Result, Stopped, Tell, Work, WorkerLost, attempt

AHEAD: Final = 8
"""Results that may wait for an earlier one, for each process."""
_TELL_SECONDS: Final = 0.1
_PATIENCE: Final = 60.0


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: Connection
    busy: tuple[int, Any] | None = None


class Processes:
    """The executor behind `--jobs`.

    Args:
        jobs: how many processes, at most one for each item.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs

    def map(
        self, work: Work[Item, Result], items: Iterable[Item], tell: Tell = lambda amount: None, *,
        ordered: bool = False, run: str | None = None,
    ) -> Generator[Done[Item, Result], None, None]:  # fmt: skip
        """As `Executor` says.

        Raises:
            WorkerLost: a process was killed.
            StreamVCError: a process cannot start its work.
        """
        run = run or secrets.token_hex(8)
        window: Window[Item, Result] = Window(items, ordered)
        workers: list[_Worker] = []
        try:
            while True:
                self._hand_out(window, workers, work, run)
                if not window.out:
                    return
                for pipe in wait([one.pipe for one in workers]):
                    worker = next(one for one in workers if one.pipe is pipe)
                    kind, *content = _receive(worker)
                    if kind == "told":
                        tell(content[0])
                    elif kind == "failed":
                        raise content[0]
                    else:
                        assert worker.busy is not None
                        number, item = worker.busy
                        worker.busy = None
                        yield from window.give(Done(number, item, *content))
        finally:
            _end(workers)

    def _hand_out(self, window: Window[Item, Result], workers: list[_Worker], work: Any, run: str) -> None:
        while True:
            idle = next((one for one in workers if one.busy is None), None)
            if idle is None and len(workers) == self._jobs:
                return
            taken = window.take(AHEAD * self._jobs)
            if taken is None:
                return
            if idle is None:
                idle = _start(work, run)
                workers.append(idle)
            idle.busy = taken
            try:
                idle.pipe.send(taken[1])
            except OSError:
                continue  # its end is read as that of any other process that died


def _start(work: Any, run: str) -> _Worker:
    # A fresh interpreter each: ONNX Runtime and torch do not survive a fork of their threads.
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, work, run))
    process.start()
    # With the only other end in the process, its death is the end of the pipe.
    theirs.close()
    return _Worker(process, ours)


def _receive(worker: _Worker) -> tuple[Any, ...]:
    try:
        message: tuple[Any, ...] = worker.pipe.recv()
        return message
    except (EOFError, OSError) as error:
        raise WorkerLost(
            "A worker process ended, perhaps for lack of memory: use a smaller number of --jobs."
        ) from error


def _end(workers: list[_Worker]) -> None:
    """Let all processes stop at their next word, and wait until they have."""
    for worker in workers:
        worker.pipe.close()
    deadline = time.monotonic() + _PATIENCE
    for worker in workers:
        worker.process.join(max(0.0, deadline - time.monotonic()))
        if worker.process.is_alive():
            # It does not say a word in a minute: a library hangs.
            worker.process.kill()
            worker.process.join()


def _serve(pipe: Connection, work: Any, run: str) -> None:
    # Ctrl-C reaches the whole group of processes; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        try:
            do = work.start()
        except StreamVCError as error:
            pipe.send(("failed", error))
            return
        teller = _Teller(pipe)
        call = Call(run, teller)
        while True:
            item = pipe.recv()
            result, failure = attempt(do, item, call, work.name(item))
            teller.flush()
            pipe.send(("done", result, failure))
    except (Stopped, EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent has closed its end


class _Teller:
    """Sends progress now and then, and notices when the parent has closed its end."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._amount = 0.0
        self._sent = time.monotonic()

    def __call__(self, amount: float) -> None:
        self._amount += amount
        # The parent sends nothing in the middle of a piece: what can be read is the end of the pipe.
        if self._pipe.poll():
            raise Stopped
        if time.monotonic() - self._sent >= _TELL_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Send what has come together."""
        if self._amount:
            try:
                self._pipe.send(("told", self._amount))
            except OSError as error:
                raise Stopped from error
        self._amount, self._sent = 0.0, time.monotonic()
