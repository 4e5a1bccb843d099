"""A clean stop: the first SIGTERM or Ctrl-C ends the step that is under way, a second one ends the program."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType


class Stop:
    """While it is entered, signals set `asked` instead of ending the process."""

    def __init__(self) -> None:
        self.asked: int = 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = number

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
