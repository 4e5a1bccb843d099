"""`python -m streamvc.training.voice`: the same as `svc train voice`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from streamvc.errors import StreamVCError
from streamvc.training.voice.command import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    try:
        return run(arguments, "python -m streamvc.training.voice")
    except StreamVCError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
