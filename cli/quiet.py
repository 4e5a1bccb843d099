"""Libraries below Python that talk to the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep what PortAudio, ALSA and JACK print about themselves off the terminal; SVC_DEBUG=1 lets it through.

    They write to descriptor 2 at any time, in the middle of the view. Python's own messages go on.
    """
    try:
        own = sys.stderr.fileno() == 2
    except (AttributeError, OSError, ValueError):
        own = False
    if not own or os.environ.get("SVC_DEBUG", "") not in ("", "0"):
        yield
        return
    before, kept = sys.stderr, os.dup(2)
    sys.stderr = os.fdopen(kept, "w", buffering=1, encoding=before.encoding, errors=before.errors, closefd=False)
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        sys.stderr.flush()
        sys.stderr = before
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
