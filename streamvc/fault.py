"""What to say when the program itself is at fault, and what to keep of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from streamvc import __version__
from streamvc.errors import StreamVCError

REPORT_TO: Final = "the issue tracker of the repository that StreamVC came from"
"""Where faults are reported."""


class FaultError(StreamVCError):
    """A fault of the program, told like an error of the user's, so that other work can go on."""

    exit_code = 1


def debugging() -> bool:
    """Whether SVC_DEBUG asks for tracebacks."""
    return os.environ.get("SVC_DEBUG", "") not in ("", "0")


def describe_fault(error: BaseException) -> str:
    """One sentence about an exception that nobody expected; its traceback is kept in a file that the sentence names."""
    log = _keep(error)
    where = f"with {log}" if log is not None else "with what SVC_DEBUG=1 shows"
    also = " (SVC_DEBUG=1 shows it here)" if log is not None else ""
    what = str(error).partition("\n")[0][:300]
    return (
        f"An unexpected {type(error).__name__} ({what}) is a fault of the program and not yours: "
        f"please report it to {REPORT_TO}, {where}{also}."
    )


def _keep(error: BaseException) -> Path | None:
    # Here, since every start of the command would pay for them.
    import platform
    import tempfile
    import time
    import traceback

    text = "".join(
        [
            f"StreamVC {__version__}, Python {sys.version.split()[0]}, {platform.platform()}\n",
            f"arguments: {sys.argv!a}\n\n",
            *traceback.format_exception(error),
        ]
    )
    try:
        with tempfile.NamedTemporaryFile(
            "w",
            prefix=f"streamvc-fault-{time.strftime('%Y%m%d-%H%M%S')}-",
            suffix=".log",
            delete=False,
            encoding="utf-8",
            errors="backslashreplace",
        ) as file:
            file.write(text)
    except OSError:
        return None
    return Path(file.name)
