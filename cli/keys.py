"""Single keys from the terminal, without waiting for the return key."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

_ESCAPES = {"\x1b[A": "up", "\x1b[B": "down", "\x1bOA": "up", "\x1bOB": "down"}
_WINDOWS_ARROWS = {"H": "up", "P": "down"}


class Keys(Protocol):
    """Where keys come from."""

    def read(self, seconds: float) -> list[str]:
        """The keys pressed by now, "up" and "down" for the arrows; waits up to `seconds` for the first."""


class NoKeys:
    """No terminal, no keys: only the waiting."""

    def read(self, seconds: float) -> list[str]:
        """Wait, and return nothing."""
        time.sleep(seconds)
        return []


@contextmanager
def keyboard() -> Iterator[Keys]:
    """The keys of the terminal on standard input; of none when that is no terminal, or one that is not ours."""
    if not sys.stdin or not sys.stdin.isatty():
        yield NoKeys()
    elif sys.platform == "win32":
        yield _WindowsKeys()
    else:
        with _terminal_keys(sys.stdin.fileno()) as keys:
            yield keys


def split_keys(text: str) -> list[str]:
    """Take apart what a terminal sent: arrows become "up" and "down", other escape sequences nothing."""
    keys, position = [], 0
    while position < len(text):
        if text[position] != "\x1b":
            keys.append(text[position])
            position += 1
            continue
        sequence = text[position : position + 3]
        if sequence in _ESCAPES:
            keys.append(_ESCAPES[sequence])
        end = position + 2
        # The parameters of a sequence end with a letter or a tilde.
        while end < len(text) and not (text[end].isalpha() or text[end] == "~"):
            end += 1
        position = end + 1
    return keys


if sys.platform == "win32":

    class _WindowsKeys:
        def read(self, seconds: float) -> list[str]:
            import msvcrt

            until = time.monotonic() + seconds
            while not msvcrt.kbhit() and time.monotonic() < until:
                time.sleep(0.01)
            keys = []
            while msvcrt.kbhit():
                key = msvcrt.getwch()
                keys.append(_WINDOWS_ARROWS.get(msvcrt.getwch(), "") if key in ("\0", "\xe0") else key)
            return keys

else:
    import select
    import termios
    import tty

    class _TerminalKeys:
        def __init__(self, descriptor: int) -> None:
            self._descriptor = descriptor

        def read(self, seconds: float) -> list[str]:
            ready, _, _ = select.select([self._descriptor], [], [], seconds)
            # All at once: an arrow comes as three characters, which must not be torn apart.
            return split_keys(os.read(self._descriptor, 1024).decode(errors="replace")) if ready else []

    def _in_foreground(descriptor: int) -> bool:
        """Whether the terminal is ours to read from: a job in the background would be stopped for trying."""
        try:
            return os.tcgetpgrp(descriptor) == os.getpgrp()
        except OSError:
            return False

    @contextmanager
    def _terminal_keys(descriptor: int) -> Iterator[Keys]:
        if not _in_foreground(descriptor):
            yield NoKeys()
            return
        before = termios.tcgetattr(descriptor)
        tty.setcbreak(descriptor)
        try:
            yield _TerminalKeys(descriptor)
        finally:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
