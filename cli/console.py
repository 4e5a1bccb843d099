"""Output that no console can refuse."""

from __future__ import annotations

import sys
from typing import Any, TextIO

import click


def never_fail_to_print() -> None:
    """Have characters that a console's encoding lacks, and names that are no text, written as escapes."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def can_print(text: str, stream: TextIO | None = None) -> bool:
    """Whether a stream, by default the standard output, has all characters of a text."""
    encoding = getattr(stream or sys.stdout, "encoding", None) or "ascii"
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def print_json(value: Any, indent: int | None = None) -> None:
    """Print a value as JSON that is valid in any encoding."""
    import json

    text = json.dumps(value, ensure_ascii=False, indent=indent)
    # Escapes of Python are none of JSON.
    click.echo(text if can_print(text) else json.dumps(value, indent=indent))
