"""Rendering many files, one after the other or in several processes."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from streamvc.cli.options import Settings
from streamvc.cli.plan import Job
from streamvc.errors import StreamVCError

if TYPE_CHECKING:
    from streamvc.engine import Engine
    from streamvc.plugin.render import RenderOptions, RenderReport
    from streamvc.presets.format import Preset

_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Outcome:
    """What became of a job: a report, or the error that a user can act on."""

    job: Job
    report: RenderReport | None = None
    error: StreamVCError | None = None


def run(
    jobs: Sequence[Job], preset: Preset, settings: Settings, workers: int, progress: Callable[[float], None]
) -> Iterator[Outcome]:
    """Render all jobs; one that fails with a `StreamVCError` does not keep the others from being rendered.

    Args:
        jobs: in any order of targets, which differ.
        preset: the voice.
        settings: everything else.
        workers: processes; 1 works in this one.
        progress: called with the seconds of audio done since the last call.

    Yields:
        One outcome per job, in the order of the jobs for one worker, as they come for several.

    Raises:
        StreamVCError: the model or the preset cannot be used, so no job can be done.
    """
    # Also for several workers, so that what is wrong with all jobs alike is said once.
    engine = settings.engine(preset)
    options = settings.render_options(preset)
    workers = min(workers, len(jobs))
    if workers == 1:
        for job in jobs:
            yield _attempt(job, engine, options, progress)
        return
    del engine
    new_folders = {folder for job in jobs for folder in job.target.parents if not folder.exists()}
    try:
        yield from _in_processes(jobs, preset, settings, workers, progress)
    finally:
        # A worker that made a folder cannot remove it while another one is still writing there.
        for folder in sorted(new_folders, key=lambda path: len(path.parts), reverse=True):
            with suppress(OSError):
                folder.rmdir()


def _attempt(job: Job, engine: Engine, options: RenderOptions, progress: Callable[[float], None]) -> Outcome:
    from streamvc.plugin.render import render_file

    try:
        return Outcome(job, report=render_file(job.source, job.target, engine, options, progress))
    except StreamVCError as error:
        return Outcome(job, error=error)


def _in_processes(
    jobs: Sequence[Job], preset: Preset, settings: Settings, workers: int, progress: Callable[[float], None]
) -> Iterator[Outcome]:
    # A fresh interpreter each: ONNX Runtime and torch do not survive a fork of their threads.
    context = get_context("spawn")
    done, stop = context.Value("d", 0.0), context.Event()
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(preset, settings, done, stop))
    seen = 0.0
    try:
        waiting: set[Future[Outcome]] = {pool.submit(_work, job) for job in jobs}
        while waiting:
            finished, waiting = wait(waiting, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
            if done.value > seen:
                progress(done.value - seen)
                seen = done.value
            for future in finished:
                yield future.result()
    except BrokenProcessPool as error:
        raise StreamVCError(
            "A worker process ended, perhaps for lack of memory: use a smaller number of --jobs."
        ) from (error)
    finally:
        # After an interrupt the workers stop at their next block and remove what they had begun.
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


_worker: dict[str, Any] = {}


def _start_worker(preset: Preset, settings: Settings, done: Any, stop: Any) -> None:
    # Ctrl-C reaches the whole group of processes; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    _worker.update(engine=settings.engine(preset), options=settings.render_options(preset), done=done, stop=stop)


def _work(job: Job) -> Outcome:
    def progress(seconds: float) -> None:
        if _worker["stop"].is_set():
            raise KeyboardInterrupt
        with _worker["done"].get_lock():
            _worker["done"].value += seconds

    return _attempt(job, _worker["engine"], _worker["options"], progress)
