"""`python -m streamvc.training.corpora`: the same as `svc train corpus`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from streamvc.training.corpora.command import run
from streamvc.training.program import run_program


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    return run_program(run, arguments, "python -m streamvc.training.corpora")


if __name__ == "__main__":
    sys.exit(main())
