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

from streamvc.cli.fault import FaultError, debugging, describe_fault
from streamvc.cli.options import Settings
from streamvc.cli.plan import Job
from streamvc.errors import StreamVCError

if TYPE_CHECKING:
    from streamvc.plugin.midi.performance import Performance, Score
    from streamvc.plugin.processor import Processor
    from streamvc.plugin.render import RenderReport
    from streamvc.presets.format import Preset

_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Outcome:
    """What became of a job: a report, or the error that a user can act on."""

    job: Job
    report: RenderReport | None = None
    error: StreamVCError | None = None


def run(
    jobs: Sequence[Job],
    preset: Preset | None,
    settings: Settings,
    workers: int,
    progress: Callable[[float], None],
    score: Score | None = None,
) -> Iterator[Outcome]:
    """Render all jobs; one that fails with a `StreamVCError` does not keep the others from being rendered.

    Args:
        jobs: in any order of targets, which differ.
        preset: the voice; None where the chain of the settings brings one.
        settings: everything else.
        workers: processes; 1 works in this one.
        progress: called with the seconds of audio done since the last call.
        score: MIDI that plays the converter, from the beginning in every file.

    Yields:
        One outcome per job, in the order of the jobs for one worker, as they come for several.

    Raises:
        StreamVCError: the model or the preset cannot be used, so no job can be done.
    """
    # Also for several workers, so that what is wrong with all jobs alike is said once.
    renderer = _Renderer(preset, settings, score)
    workers = min(workers, len(jobs))
    if workers == 1:
        for job in jobs:
            yield renderer.attempt(job, progress)
        return
    del renderer
    new_folders = {folder for job in jobs for folder in job.target.parents if not folder.exists()}
    try:
        yield from _in_processes(jobs, (preset, settings, score), workers, progress)
    finally:
        # A worker that made a folder cannot remove it while another one is still writing there.
        for folder in sorted(new_folders, key=lambda path: len(path.parts), reverse=True):
            with suppress(OSError):
                folder.rmdir()


class _Renderer:
    """Renders one file after the other; all that is to be loaded is loaded when it is made."""

    def __init__(self, preset: Preset | None, settings: Settings, score: Score | None) -> None:
        self._preset, self._settings, self._score = preset, settings, score
        self._options = settings.render_options(preset)
        self._chain: Processor | None = None
        if settings.chain is not None:
            self._chain = _chain(settings, preset)
            return
        assert preset is not None
        self._engine = settings.engine(preset)
        if score is not None:
            self._performance(score)

    def attempt(self, job: Job, progress: Callable[[float], None]) -> Outcome:
        try:
            return Outcome(job, report=self._render(job, progress))
        except StreamVCError as error:
            return Outcome(job, error=error)
        except Exception as error:
            # A fault that one file brings to light is no reason to leave out the others.
            if debugging():
                raise
            return Outcome(job, error=FaultError(f"{job.source}: {describe_fault(error)}"))

    def _render(self, job: Job, progress: Callable[[float], None]) -> RenderReport:
        from streamvc.plugin.render import render_file, render_processor

        if self._chain is not None:
            return render_processor(job.source, job.target, self._chain, self._options, progress)
        if self._score is None:
            return render_file(job.source, job.target, self._engine, self._options, progress)
        performance = self._performance(self._score)
        return render_file(job.source, job.target, performance, self._options, progress, performance.levels)

    def _performance(self, score: Score) -> Performance:
        assert self._preset is not None
        return score.perform(self._settings.converter(self._preset, self._engine.runtime))


def _chain(settings: Settings, preset: Preset | None) -> Processor:
    from streamvc.cli.chains import chain_and_voice

    assert settings.chain is not None
    chain, converter = chain_and_voice(settings.chain)
    settings.parameters.check_voice(converter)
    if converter is not None:
        if preset is not None:
            converter.preset = preset
        settings.parameters.assign_to(converter)
    return chain


def _in_processes(
    jobs: Sequence[Job],
    task: tuple[Preset | None, Settings, Score | None],
    workers: int,
    progress: Callable[[float], None],
) -> Iterator[Outcome]:
    # A fresh interpreter each: ONNX Runtime and torch do not survive a fork of their threads.
    context = get_context("spawn")
    done, stop = context.Value("d", 0.0), context.Event()
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(task, done, stop))
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


def _start_worker(task: tuple[Preset | None, Settings, Score | None], done: Any, stop: Any) -> None:
    # Ctrl-C reaches the whole group of processes; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    _worker.update(renderer=_Renderer(*task), done=done, stop=stop)


def _work(job: Job) -> Outcome:
    def progress(seconds: float) -> None:
        if _worker["stop"].is_set():
            raise KeyboardInterrupt
        with _worker["done"].get_lock():
            _worker["done"].value += seconds

    outcome: Outcome = _worker["renderer"].attempt(job, progress)
    return outcome
