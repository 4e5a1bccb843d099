"""Judge conversions: `python -m streamvc.training.evaluation` is `svc evaluate`, without the command-line package."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from streamvc.errors import StreamVCError
from streamvc.training.evaluation.command import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code. The table goes to standard output, progress to standard error."""
    try:
        run(arguments, "python -m streamvc.training.evaluation")
    except StreamVCError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
