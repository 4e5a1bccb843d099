"""Works for the tests, in a module that worker processes can import; items say what shall happen to them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streamvc.errors import AudioError, OutputError
from streamvc.executor import Call


@dataclass(frozen=True)
class Item:
    """A number, and what happens to it.

    Attributes:
        does: "square"; "bad" raises an error of the project, "fault" one of the program; "kill" ends its process
            as the kernel would; "kill once" the same, but only the first time; "hold" says that it has begun and goes
            on when the file `go` is there or it is stopped, which it says too; "unless told" fails where the
            environment has TESTS_FAIL.
    """

    value: int
    does: str = "square"


@dataclass(frozen=True)
class Squares:
    """Squares numbers and keeps a diary in a folder: a file for each start of a worker and for each event."""

    diary: Path
    packages: tuple[str, ...] = ("numpy",)

    def start(self) -> Callable[[Item, Call], int]:
        """Note that a worker loads."""
        self.note("start")

        def square(item: Item, call: Call) -> int:
            self.note(f"begun-{item.value}")
            if item.does == "bad":
                raise AudioError(f"number {item.value} is bad: take another.")
            if item.does == "fault":
                raise ZeroDivisionError("by nothing")
            if item.does == "kill" or (item.does == "kill once" and self.count(f"begun-{item.value}") == 1):
                os.kill(os.getpid(), signal.SIGKILL)
            if item.does == "unless told" and "TESTS_FAIL" in os.environ:
                self.note("refused")
                raise OutputError(f"number {item.value} cannot be written because the disk is full.")
            if item.does == "unless told":
                # Not faster than the other worker refuses, so that it is asked at least three times.
                while self.count("refused") < min(3, self.count("done-*") + 1):
                    call.tell(0.0)
                    time.sleep(0.01)
            if item.does == "hold":
                try:
                    while not (self.diary / "go").exists():
                        call.tell(0.0)
                        time.sleep(0.01)
                except BaseException:
                    self.note(f"stopped-{item.value}")
                    raise
            call.tell(1.0)
            self.note(f"done-{item.value}")
            return item.value**2

        return square

    def name(self, item: Item) -> str:
        """For messages."""
        return f"number {item.value}"

    def note(self, what: str) -> None:
        """Write an entry of the diary; several processes may write the same at once."""
        (self.diary / f"{what}.{os.getpid()}.{time.monotonic_ns()}").touch()

    def count(self, what: str) -> int:
        """How often something was written."""
        return sum(1 for _ in self.diary.glob(f"{what}.*"))

    def processes(self, what: str) -> set[int]:
        """Who wrote it."""
        return {int(path.name.split(".")[1]) for path in self.diary.glob(f"{what}.*")}
