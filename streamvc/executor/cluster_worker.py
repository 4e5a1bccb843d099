"""What runs on a worker of a Dask cluster: it loads the work once, keeps it, and stops when nobody waits any more."""

from __future__ import annotations

import hashlib
import pickle
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from streamvc.errors import ClusterError, StreamVCError
from streamvc.executor.versions import difference
from streamvc.executor.work import Call, Stopped, attempt

_KEPT: Final = 2
"""Works that stay loaded: the last one, and one that takes turns with it."""

_kept: OrderedDict[str, tuple[Any, Callable[[Any, Call], Any]]] = OrderedDict()
_busy: Counter[str] = Counter()
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Answer:
    """What a worker says about a piece.

    Attributes:
        worker: its address.
        told: the progress of the piece, all of it.
        unfit: the error is the worker's own: it can do no piece of this work.
        stopped: the worker was told to stop in the middle; nothing is left of the piece.
    """

    worker: str
    result: Any = None
    error: StreamVCError | None = None
    told: float = 0.0
    unfit: bool = False
    stopped: bool = False


def do_piece(blob: bytes, item: Any, run: str, key: str, wanted: dict[str, str]) -> Answer:
    """Do one piece. Called by Dask.

    Args:
        blob: the pickled work.
        item: what to do it with.
        run: names the run of the command.
        key: Dask's name for this piece.
        wanted: versions that the results depend on.
    """
    from distributed import get_worker

    worker = get_worker()
    address = str(worker.address)
    threads = worker.state.nthreads
    if threads != 1:
        return Answer(address, unfit=True, error=ClusterError(
            f"The worker {address} has {threads} threads where a piece of work needs one: start it with --nthreads 1, "
            "and one worker for each core."
        ))  # fmt: skip
    other = difference(wanted)
    if other is not None:
        return Answer(address, unfit=True, error=ClusterError(
            f"The worker {address} has {other}, so that its results could differ: install the same there."
        ))  # fmt: skip
    told = 0.0

    def tell(amount: float) -> None:
        nonlocal told
        told += amount
        # A cancelled task stays known to its worker until its function returns; a worker that closes waits for it.
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled" or str(worker.status.name) not in ("running", "paused"):
            raise Stopped

    # Never contended with one thread; if Dask ever ran two pieces at once, they would share a model's state.
    with _one_at_a_time:
        _busy[run] += 1
        try:
            try:
                work, do = _start(blob)
            except StreamVCError as error:
                return Answer(address, unfit=True, error=error)
            result, failure = attempt(do, item, Call(run, tell), work.name(item))
            return Answer(address, result, failure, told)
        except Stopped:
            return Answer(address, stopped=True)
        finally:
            _busy[run] -= 1


def _start(blob: bytes) -> tuple[Any, Callable[[Any, Call], Any]]:
    name = hashlib.blake2b(blob, digest_size=16).hexdigest()
    if name not in _kept:
        # First, so that two models are never in memory beside a third.
        while len(_kept) >= _KEPT:
            _kept.popitem(last=False)
        work = pickle.loads(blob)
        _kept[name] = work, work.start()
    _kept.move_to_end(name)
    return _kept[name]


def pieces_of(run: str) -> int:
    """How many pieces of a run this worker still works on."""
    return _busy[run]
