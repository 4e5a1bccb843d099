"""`python -m streamvc.training RECIPE`: the same as `svc train run`, for `accelerate launch -m` and `torchrun -m`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from streamvc.errors import StreamVCError
from streamvc.training.trainer.command import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Train a recipe; returns the exit code."""
    try:
        return run(arguments, "python -m streamvc.training")
    except StreamVCError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
