"""Small text files beside recordings."""

from __future__ import annotations

from pathlib import Path

from streamvc.errors import CorpusError
from streamvc.presets.files import reason


def read_text(path: Path) -> str | None:
    """What a file says, without space around it; None where it is missing or empty. Bytes that are no UTF-8 are marked.

    Raises:
        CorpusError: it is there and cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace").strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CorpusError(f"{path} cannot be read ({reason(error)}); check its permissions.") from error
