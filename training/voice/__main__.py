"""`python -m streamvc.training.voice`: the same as `svc train voice`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from streamvc.training.program import run_program
from streamvc.training.voice.command import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    return run_program(run, arguments, "python -m streamvc.training.voice")


if __name__ == "__main__":
    sys.exit(main())
