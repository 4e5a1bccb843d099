"""`python -m streamvc.training RECIPE`: the same as `svc train run`, for `accelerate launch -m` and `torchrun -m`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from streamvc.training.program import run_program
from streamvc.training.trainer.command import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Train a recipe; returns the exit code."""
    return run_program(run, arguments, "python -m streamvc.training")


if __name__ == "__main__":
    sys.exit(main())
