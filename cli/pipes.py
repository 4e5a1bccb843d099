"""Standard input and output as audio files: `-`."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamvc.errors import AudioError, OutputError

if TYPE_CHECKING:
    from streamvc.storage.address import Place

PIPE: Final = Path("-")
"""How standard input and output are named."""


@contextmanager
def piped(source: Place, target: Place | None) -> Iterator[tuple[Place, Place | None]]:
    """Files in the place of pipes, which cannot be measured beforehand nor completed afterwards.

    Args:
        source: `PIPE` is read into a temporary file.
        target: what stands there at the end is copied to standard output if this is `PIPE`.

    Yields:
        Both paths, with temporary ones for pipes. While the second is one, what is printed goes to standard error.

    Raises:
        AudioError: standard input is a terminal, or empty.
        OutputError: standard output is a terminal, or there is no room for temporary files.
    """
    if source != PIPE and target != PIPE:
        yield source, target
        return
    out = sys.stdout.buffer
    if source == PIPE and sys.stdin.isatty():
        raise AudioError("Standard input is a terminal: pipe a WAV file into it, or name a file.")
    if target == PIPE and sys.stdout.isatty():
        raise OutputError("Standard output is a terminal: send it to a file or a program, or name a file with -o.")
    with tempfile.TemporaryDirectory(prefix="streamvc-") as name:
        folder = Path(name)
        try:
            if source == PIPE:
                source = folder / "standard-input"
                with source.open("xb") as file:
                    shutil.copyfileobj(sys.stdin.buffer, file)
        except OSError as error:
            raise OutputError(
                f"Standard input cannot be kept in {folder} ({error.strerror}): set TMPDIR to a folder with room."
            ) from error
        if target != PIPE:
            yield source, target
            return
        # Standard output belongs to the audio.
        sys.stdout.flush()
        with redirect_stdout(sys.stderr):
            place = folder / "standard-output.wav"
            yield source, place
        if place.exists():
            with place.open("rb") as file:
                shutil.copyfileobj(file, out)
            out.flush()
