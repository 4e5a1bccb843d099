"""Keeps a live session going: starts it, watches it, and opens the device again when it was lost and came back."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from streamvc.errors import RuntimeUnavailableError
from streamvc.plugin.fifo import Samples
from streamvc.plugin.live.host import AudioHost
from streamvc.plugin.live.session import LiveSession
from streamvc.plugin.live.statistics import Statistics
from streamvc.plugin.live.worker import Worker
from streamvc.plugin.processor import Processor

PATIENCE_SECONDS: Final = 5.0
"""How long a stream may neither give nor take anything before it counts as lost. Idle servers start up in two."""

FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 2.0
"""Between attempts to open a lost device; the pause doubles from the first to the longest."""

_AVERAGE_SECONDS = 1.0
"""Over which the fill is averaged: it falls and rises by a block, and its mean over time is the delay."""


@dataclass(frozen=True)
class LiveLatency:
    """Where the time from microphone to loudspeaker goes, in ms.

    Attributes:
        device_in: as reported by the host.
        queue: what lies in the session's rings, averaged over about a second.
        algorithm: of the processor.
        device_out: as reported by the host.
    """

    device_in: float
    queue: float
    algorithm: float
    device_out: float

    @property
    def total(self) -> float:
        """The sum."""
        return self.device_in + self.queue + self.algorithm + self.device_out


@dataclass(frozen=True)
class LiveStatus:
    """How things stand.

    Attributes:
        running: whether sound flows; if not, the device is lost.
        problem: what happened to it, one sentence; None while running.
        retry_seconds: until the next attempt to open it.
        latency: in its parts.
        nominal_queue_ms: what the queue is cut back to: the reserve, and up to one block that waits for its turn.
        load: time spent computing as a share of real time, over about a second.
        statistics: counts over all sessions of this run.
        device_dropouts: losses of sound that the host has reported.
        device_losses: how often the device was lost.
    """

    running: bool
    problem: str | None
    retry_seconds: float
    latency: LiveLatency
    nominal_queue_ms: float
    load: float
    statistics: Statistics
    device_dropouts: int
    device_losses: int


class LiveRunner:
    """Runs one session after the other on a host. All methods are for one thread, which calls `poll` all the time.

    Args:
        processor: a `VoiceConverter`, an `EffectChain`, or what is like them; begins a new stream with every session.
        host: where sound comes from and goes to; its `connect` has been called.
        safety_ms: see `LiveSession`; None for the usual one.
        monitor_db: see `LiveSession`.
        before_block: see `LiveSession`.
        tap: see `LiveSession`.
        clock: seconds.
    """

    def __init__(
        self,
        processor: Processor,
        host: AudioHost,
        *,
        safety_ms: float | None = None,
        monitor_db: float | None = None,
        before_block: Callable[[], object] | None = None,
        tap: Callable[[Samples], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._processor, self._host, self._clock = processor, host, clock
        self._safety_ms, self._before_block, self._tap = safety_ms, before_block, tap
        self._monitor_db = monitor_db
        self._session: LiveSession | None = None
        self._worker: Worker | None = None
        self._before = Statistics()
        self._problem: str | None = None
        self._losses = 0
        self._pause = FIRST_PAUSE_SECONDS
        self._next_attempt = 0.0

    @property
    def monitor_db(self) -> float | None:
        """Gain in dB of the dry input in what is heard; None is none. May change while sound flows."""
        return self._monitor_db

    @monitor_db.setter
    def monitor_db(self, gain: float | None) -> None:
        self._monitor_db = gain
        if self._session is not None:
            self._session.monitor_db = gain

    def start(self) -> None:
        """Let sound flow for the first time.

        Raises:
            RuntimeUnavailableError: the device cannot be opened.
            ConfigError: the block or the safety is out of range.
        """
        self._begin()

    def poll(self) -> LiveStatus:
        """See whether all is well, do something about it if not, and say how things stand.

        Raises:
            Exception: whatever the processor raised.
        """
        now = self._clock()
        if self._worker is not None and self._worker.error is not None:
            error = self._worker.error
            self.stop()
            raise error
        if self._session is not None:
            self._watch(self._session, now)
        elif self._problem is not None and now >= self._next_attempt:
            self._try_again(now)
        return self._status(now)

    def take_peaks(self) -> tuple[float, float]:
        """Largest magnitudes of input and output since the last call; full scale is 1."""
        return (0.0, 0.0) if self._session is None else self._session.take_peaks()

    def stop(self) -> None:
        """Close the device and finish the block at hand."""
        self._host.close()
        if self._worker is not None:
            self._worker.stop()
        if self._session is not None:
            self._before = self._before + self._session.statistics()
        self._session = self._worker = None

    def _begin(self) -> None:
        host = self._host
        safety = None if self._safety_ms is None else round(self._safety_ms * host.sample_rate / 1000.0)
        session = LiveSession(
            self._processor,
            host.sample_rate,
            block=host.block,
            channels=host.channels,
            safety=safety,
            monitor_db=self._monitor_db,
            before_block=self._before_block,
            tap=self._tap,
        )
        self._worker = Worker(session)
        self._worker.start()
        try:
            host.start(session)
        except BaseException:
            self._worker.stop()
            self._worker = None
            raise
        self._session = session
        self._problem, self._pause = None, FIRST_PAUSE_SECONDS
        now = self._clock()
        self._seen = (0, 0)
        self._progress = [now, now]
        self._fills = deque([(now, session.fill)])
        self._nominal_queue_ms = 1000.0 * (session.safety + host.block) / host.sample_rate
        self._algorithm_ms = 1000.0 * self._processor.latency_samples(host.sample_rate) / host.sample_rate
        self._load, self._measured, self._measured_at = 0.0, session.statistics(), now

    def _watch(self, session: LiveSession, now: float) -> None:
        counts = session.statistics()
        for number, (before, count) in enumerate(zip(self._seen, (counts.fed, counts.fetched), strict=True)):
            if count != before:
                self._progress[number] = now
        self._seen = (counts.fed, counts.fetched)
        if not self._host.alive:
            self._lose("The sound device has gone.", now)
        elif now - min(self._progress) > PATIENCE_SECONDS:
            direction = "input" if self._progress[0] < self._progress[1] else "output"
            self._lose(f"The sound {direction} stands still.", now)

    def _lose(self, problem: str, now: float) -> None:
        self.stop()
        self._losses += 1
        self._problem, self._next_attempt = problem, now + self._pause

    def _try_again(self, now: float) -> None:
        try:
            self._host.connect()
            self._begin()
        except RuntimeUnavailableError as error:
            self._pause = min(2.0 * self._pause, LONGEST_PAUSE_SECONDS)
            self._problem, self._next_attempt = str(error), self._clock() + self._pause

    def _status(self, now: float) -> LiveStatus:
        rate = self._host.sample_rate
        session = self._session
        totals = self._before
        if session is not None:
            counts = session.statistics()
            totals = totals + counts
            self._fills.append((now, counts.fill))
            while now - self._fills[0][0] > _AVERAGE_SECONDS:
                self._fills.popleft()
            if now - self._measured_at >= _AVERAGE_SECONDS:
                seconds = (counts.processed - self._measured.processed) / rate
                self._load = (counts.busy_seconds - self._measured.busy_seconds) / seconds if seconds else 0.0
                self._measured, self._measured_at = counts, now
        device_in, device_out = self._host.latency_seconds
        return LiveStatus(
            running=session is not None,
            problem=self._problem,
            retry_seconds=0.0 if session is not None else max(0.0, self._next_attempt - now),
            latency=LiveLatency(
                device_in=1000.0 * device_in,
                queue=1000.0 * sum(fill for _, fill in self._fills) / (len(self._fills) * rate),
                algorithm=self._algorithm_ms,
                device_out=1000.0 * device_out,
            ),
            nominal_queue_ms=self._nominal_queue_ms,
            load=self._load,
            statistics=totals,
            device_dropouts=self._host.dropouts,
            device_losses=self._losses,
        )
