"""`python -m streamvc.training.units`: the same as `svc train units`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from streamvc.training.program import run_program
from streamvc.training.units.command import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    return run_program(run, arguments, "python -m streamvc.training.units")


if __name__ == "__main__":
    sys.exit(main())
