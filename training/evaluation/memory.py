"""What judges said about a wave, kept so that it need not be asked again: the floor and the ceiling never change."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from streamvc.errors import OutputError
from streamvc.presets.files import write_whole
from streamvc.training.evaluation.pairs import Wave

VERSION: Final = 1
"""Raise it when a judge or its features change: older answers are then no longer found."""


class Memory:
    """Answers (arrays, numbers or strings) by question and wave, in memory and, if wanted, in a folder.

    Args:
        folder: where to keep the answers over several runs, one small .npy file each; None keeps them in memory only.

    Raises:
        OutputError: the folder cannot be made, or an answer cannot be written.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._known: dict[str, Any] = {}
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(f"The folder {folder} cannot be made ({error.strerror}): choose another.") from error

    def ask(self, question: str, wave: Wave, judge: Callable[[], Any]) -> Any:
        """The answer to `question` about `wave` [samples], from `judge` if it is not known yet."""
        content = np.ascontiguousarray(wave, dtype=np.float32).tobytes()
        key = f"{question}-{VERSION}-{hashlib.blake2b(content, digest_size=16).hexdigest()}"
        if key not in self._known:
            kept = self._read(key)
            self._known[key] = judge() if kept is None else kept
            if kept is None:
                self._write(key, self._known[key])
        return self._known[key]

    def _read(self, key: str) -> Any:
        if self._folder is None:
            return None
        try:
            answer = np.load(self._folder / f"{key}.npy", allow_pickle=False)
        except (OSError, ValueError, EOFError):  # absent, or damaged: asked again
            return None
        return answer.item() if answer.ndim == 0 else answer

    def _write(self, key: str, answer: Any) -> None:
        if self._folder is None:
            return
        buffer = io.BytesIO()
        np.save(buffer, np.asarray(answer), allow_pickle=False)
        write_whole(self._folder / f"{key}.npy", buffer.getvalue(), overwrite=True)
