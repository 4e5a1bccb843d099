"""The thread that runs the processor of a live session."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from streamvc.plugin.live.session import LiveSession


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
def quiet_collector() -> Iterator[None]:
    """Keep the collector of garbage from holding up audio threads while the `with` block runs.

    What was allocated before is frozen, so that a collection looks at young objects only (docs/live.md has the
    measurement). The collector stays on, for processors that leave cycles behind. This holds for the whole process and
    is set back at the end, which is why the commands do it and the classes do not.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
