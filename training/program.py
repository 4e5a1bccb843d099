"""Commands of this package as programs: what `python -m streamvc.training...` does with an error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from streamvc.errors import StreamVCError


def run_program(
    run: Callable[[Sequence[str] | None, str], int], arguments: Sequence[str] | None, name: str
) -> int:
    """The exit code of a command under the name by which it was called; a project's error is told in one sentence."""
    try:
        return run(arguments, name)
    except StreamVCError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
