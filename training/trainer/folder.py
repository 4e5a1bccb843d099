"""The folder of one stage of a run, and what may be lost of it: nothing that was whole once.

    state.pt            everything that a resumed run needs
    last.safetensors    the averaged weights of the last checkpoint
    best.safetensors    those that did best on held-out speech
    metrics.jsonl       a line for each line of the log
    tensorboard/        the same and more, as pictures
"""

from __future__ import annotations

import io
import json
import os
import pickle
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from streamvc.errors import TrainingError

FORMAT = 2
STATE, LAST, BEST, METRICS = "state.pt", "last.safetensors", "best.safetensors", "metrics.jsonl"


class StageFolder:
    """Reads and writes the files of a stage.

    Raises (on construction):
        TrainingError: the folder cannot be made.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)

    @property
    def state(self) -> Path:
        """The resumable state."""
        return self.path / STATE

    @property
    def best(self) -> Path:
        """The weights that did best on held-out speech."""
        return self.path / BEST

    @property
    def last(self) -> Path:
        """The weights of the last checkpoint."""
        return self.path / LAST

    def save(self, state: dict[str, Any]) -> None:
        """Write the state; a kill or a full disk at any moment leaves the last good one.

        Raises:
            TrainingError: it cannot be written.
        """
        # Serialised in memory first: a full disk is then an OSError of a write, and not an assertion of the archive.
        buffer = io.BytesIO()
        torch.save({"format": FORMAT, **state}, buffer)
        temporary = self.path / f".{STATE}.tmp"
        try:
            with writing(self.state):
                with open(temporary, "wb") as file:
                    file.write(buffer.getbuffer())
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, self.state)
        except TrainingError:
            temporary.unlink(missing_ok=True)
            raise

    def load(self) -> dict[str, Any] | None:
        """The state, or None where there is none yet.

        Raises:
            TrainingError: the file is damaged or of another version.
        """
        if not self.state.exists():
            return None
        state = read_state(self.state)
        if state.get("format") != FORMAT:
            raise TrainingError(f"{self.state} was written by another version; start afresh with --fresh.")
        return state

    def log(self, values: dict[str, float | str]) -> str:
        """Append a line to metrics.jsonl; returns it.

        Raises:
            TrainingError: it cannot be written.
        """
        line = json.dumps({k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in values.items()})
        with writing(self.path / METRICS), open(self.path / METRICS, "a", encoding="utf-8") as file:
            file.write(line + "\n")
        return line

    def forget_after(self, step: int) -> None:
        """Drop the lines of the log that a killed run wrote after its last checkpoint: they will be written again."""
        path = self.path / METRICS
        if not path.exists():
            return
        kept = []
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line)
            except (ValueError, KeyError, TypeError):
                continue  # half a line, from a kill in the midst of it
        temporary = path.with_suffix(".tmp")
        with writing(path):
            temporary.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
            os.replace(temporary, path)


def read_state(path: Path) -> dict[str, Any]:
    """A state as it was saved, on the CPU; nothing in it can run code.

    Raises:
        TrainingError: the file is missing or damaged.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise TrainingError(f"There is no training state at {path}; check the path.") from None
    except (RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TrainingError(
            f"The training state {path} is damaged ({reason}); delete it, or start afresh with --fresh."
        ) from error
    if not isinstance(state, dict):
        raise TrainingError(f"{path} is no training state; check the path.")
    return state


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what an operating system says about a failed write into a sentence.

    Raises:
        TrainingError: the disk is full, or may not be written.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise TrainingError(
            f"{path} cannot be written ({reason}); the last whole checkpoint is kept. Make room or rights, then run "
            "the same command again."
        ) from error


class Clock:
    """Minutes of training over all resumed runs."""

    def __init__(self, spent: float = 0.0) -> None:
        self.spent, self.started = spent, time.monotonic()

    @property
    def minutes(self) -> float:
        """Minutes, earlier runs included."""
        return self.spent + (time.monotonic() - self.started) / 60
