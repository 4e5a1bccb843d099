"""Rendering many files, one after the other, in several processes, or on a cluster."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from streamvc.cli.options import Settings
from streamvc.cli.plan import Job
from streamvc.errors import StreamVCError

if TYPE_CHECKING:
    from streamvc.executor import Executor
    from streamvc.plugin.midi.performance import Performance, Score
    from streamvc.plugin.processor import Processor
    from streamvc.plugin.render import RenderReport
    from streamvc.presets.format import Preset
    from streamvc.runtimes import Runtime


@dataclass(frozen=True)
class Outcome:
    """What became of a job: a report, or the error that a user can act on; `skipped` if it was done before."""

    job: Job
    report: RenderReport | None = None
    error: StreamVCError | None = None
    skipped: bool = False


def run(
    jobs: Sequence[Job],
    preset: Preset | None,
    settings: Settings,
    executor: Executor,
    progress: Callable[[float], None],
    score: Score | None = None,
    *,
    resume: bool = False,
) -> Iterator[Outcome]:
    """Render all jobs; one that fails with a `StreamVCError` does not keep the others from being rendered.

    Args:
        jobs: in any order of targets, which differ.
        preset: the voice; None where the chain of the settings brings one.
        settings: everything else.
        executor: who works.
        progress: called with the seconds of audio done since the last call.
        score: MIDI that plays the converter, from the beginning in every file.
        resume: keep records, and skip what they show to be done.

    Yields:
        One outcome per job, as they come.

    Raises:
        StreamVCError: the model or the preset cannot be used, so no job can be done.
    """
    from streamvc.cli.render_work import Model, RenderWork, for_others, render_key
    from streamvc.executor.here import Here
    from streamvc.executor.processes import Processes
    from streamvc.storage.files import sweep

    work = RenderWork(preset, settings, score)
    if isinstance(executor, Processes) and len(jobs) == 1:
        executor = Here()
    cluster = not isinstance(executor, Here | Processes)
    if resume or not isinstance(executor, Here):
        # Loaded here too, so that what is wrong with all jobs alike is said once.
        model = Model.of(Renderer(preset, settings, score).runtime)
        # On a cluster a piece may be taken up again, and must then find what the first attempt has done.
        key = render_key(preset, settings, score, model) if resume or cluster else None
        work = RenderWork(preset, for_others(settings, model), score, model, key, resume)
    if cluster:
        # The longest first: a long file that comes last keeps one worker busy while all others have done.
        jobs = sorted(jobs, key=_size, reverse=True)
    sent = [_absolute(job) for job in jobs] if cluster else jobs
    folders = {job.target.parent for job in jobs if isinstance(job.target, Path)}
    new_folders = {folder for parent in folders for folder in (parent, *parent.parents) if not folder.exists()}
    name = secrets.token_hex(8)
    try:
        for done in executor.map(work, sent, progress, run=name):
            job = jobs[done.number]
            if done.result is None:
                yield Outcome(job, error=_as_given(done.error, done.item, job))
            else:
                yield Outcome(job, report=done.result.report, skipped=done.result.skipped)
                if done.result.skipped:
                    progress(done.result.report.seconds)
    finally:
        # What a worker that was killed could not remove.
        for folder in folders if work.key is not None else ():
            sweep(folder, name)
        # A worker that made a folder cannot remove it while another one is still writing there.
        for folder in sorted(new_folders, key=lambda path: len(path.parts), reverse=True):
            with suppress(OSError):
                folder.rmdir()


def _size(job: Job) -> int:
    """Bytes of a source; none of one that is missing, or not here to look at."""
    try:
        return job.source.stat().st_size if isinstance(job.source, Path) else 0
    except OSError:
        return 0


def _absolute(job: Job) -> Job:
    """The job for whoever works in another folder."""
    source, target = (Path(os.path.abspath(p)) if isinstance(p, Path) else p for p in (job.source, job.target))
    return Job(source, target)


def _as_given(error: StreamVCError | None, sent: Job, job: Job) -> StreamVCError | None:
    """An error with the names that the user gave."""
    if error is None or sent == job:
        return error
    text = str(error).replace(str(sent.source), str(job.source)).replace(str(sent.target), str(job.target))
    return type(error)(text)


class Renderer:
    """Renders one file after the other; all that is to be loaded is loaded when it is made.

    Attributes:
        runtime: what runs the model; None in a chain without a voice.
    """

    def __init__(self, preset: Preset | None, settings: Settings, score: Score | None) -> None:
        self._preset, self._settings, self._score = preset, settings, score
        self._options = settings.render_options(preset)
        self._chain: Processor | None = None
        self.runtime: Runtime | None = None
        if settings.chain is not None:
            self._chain, self.runtime = _chain(settings, preset)
            return
        assert preset is not None
        self._engine = settings.engine(preset)
        self.runtime = self._engine.runtime
        if score is not None:
            self._performance(score)

    def render(self, source: Path, target: Path, progress: Callable[[float], None]) -> RenderReport:
        """Render one file; raises as `render_file` does."""
        from streamvc.plugin.render import render_file, render_processor

        if self._chain is not None:
            return render_processor(source, target, self._chain, self._options, progress)
        if self._score is None:
            return render_file(source, target, self._engine, self._options, progress)
        performance = self._performance(self._score)
        return render_file(source, target, performance, self._options, progress, performance.levels)

    def _performance(self, score: Score) -> Performance:
        assert self._preset is not None
        return score.perform(self._settings.converter(self._preset, self._engine.runtime))


def _chain(settings: Settings, preset: Preset | None) -> tuple[Processor, Runtime | None]:
    from streamvc.cli.chains import chain_and_voice

    assert settings.chain is not None
    chain, converter = chain_and_voice(settings.chain)
    settings.parameters.check_voice(converter)
    if converter is None:
        return chain, None
    if preset is not None:
        converter.preset = preset
    settings.parameters.assign_to(converter)
    return chain, converter.engine.runtime
