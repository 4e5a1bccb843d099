"""The thread that runs the processor of a live session."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from streamvc.plugin.live.session import LiveSession

SWITCH_INTERVAL: Final = 0.0005
"""Seconds after which a thread that runs Python code has to let another one in. With Python's own 5 ms, an audio
callback could wait half a block of 10 ms for nothing but the interpreter."""


class Worker:
    """Calls `session.work` whenever something was fed, until it is stopped or the processor fails.

    Attributes:
        error: what ended the thread, or None.
    """

    def __init__(self, session: LiveSession) -> None:
        self.error: Exception | None = None
        self._session = session
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="streamvc-live", daemon=True)

    def start(self) -> None:
        """Begin; once only."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the block at hand and end; returns when the thread has ended."""
        self._stopping = True
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping:
                if not self._session.work():
                    self._session.wait(0.1)
        except Exception as error:
            self.error = error


@contextmanager
def steady_interpreter() -> Iterator[None]:
    """Keep Python's own work from holding up audio threads while the `with` block runs.

    What was allocated before is frozen, so that a collection of garbage looks at young objects only, and threads
    change more often. Both hold for the whole process and are set back at the end, which is why the commands do this
    and the classes do not. The collector stays on: a processor that leaves cycles behind must not eat the memory.
    docs/live.md has the measurement.
    """
    interval = sys.getswitchinterval()
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(min(interval, SWITCH_INTERVAL))
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        gc.unfreeze()
