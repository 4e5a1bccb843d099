"""What every training loop needs: a clock, checkpoints that survive a kill, a moving average, a log."""

from __future__ import annotations

import json
import math
import os
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from streamvc.errors import TrainingError

SAVE_EVERY = 300.0
"""Seconds between resumable checkpoints."""


class Clock:
    """Training time in minutes over all resumed runs, and a clean stop at its end, at SIGTERM or at Ctrl-C."""

    def __init__(self, minutes: float, spent: float = 0.0) -> None:
        self.minutes, self.spent, self.started = minutes, spent, time.monotonic()
        self.stopped = False
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._stop)

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        self.stopped = True

    @property
    def elapsed(self) -> float:
        """Minutes, earlier runs included."""
        return self.spent + (time.monotonic() - self.started) / 60

    @property
    def progress(self) -> float:
        """0 at the start, 1 at the end of the planned time."""
        return min(1.0, self.elapsed / self.minutes) if self.minutes > 0 else 1.0

    @property
    def running(self) -> bool:
        """False once the time is over or a stop was asked for."""
        return not self.stopped and self.elapsed < self.minutes


def learning_rate(progress: float, peak: float, warm_up: float = 0.03, floor: float = 0.02) -> float:
    """Linear warm-up, then half a cosine down to `floor * peak`."""
    if progress < warm_up:
        return peak * (0.05 + 0.95 * progress / warm_up)
    fall = (progress - warm_up) / (1 - warm_up)
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * fall)))


class Average:
    """Exponential moving average of a module's parameters (Polyak averaging)."""

    def __init__(self, module: nn.Module, decay: float = 0.999) -> None:
        self.decay, self.steps = decay, 0
        self.values = {k: v.detach().clone() for k, v in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Move towards the module; faster in the first steps."""
        self.steps += 1
        keep = min(self.decay, self.steps / (self.steps + 10))
        for key, value in module.state_dict().items():
            if value.is_floating_point():
                self.values[key].lerp_(value, 1 - keep)
            else:
                self.values[key].copy_(value)

    def state(self) -> dict[str, Any]:
        """What :meth:`load` needs."""
        return {"steps": self.steps, "values": self.values}

    def load(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state`."""
        self.steps, self.values = state["steps"], state["values"]


class Run:
    """A folder of one training: `state.pt` (resumable), `metrics.jsonl`."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.saved = time.monotonic()

    def due(self) -> bool:
        """Whether it is time for a resumable checkpoint."""
        return time.monotonic() - self.saved > SAVE_EVERY

    def save(self, state: dict[str, Any]) -> None:
        """Write `state.pt`, atomically: a kill at any moment leaves the last good one."""
        path = self.folder / "state.pt"
        temporary = path.with_suffix(".tmp")
        torch.save(state, temporary)
        os.replace(temporary, path)
        self.saved = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """The last state, or None in a new folder.

        Raises:
            TrainingError: the file cannot be read.
        """
        path = self.folder / "state.pt"
        if not path.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, OSError) as error:
            raise TrainingError(f"{path} cannot be read ({error}); delete it to start afresh.") from error
        return state

    def log(self, **values: float | str) -> None:
        """Append one line to metrics.jsonl and print it."""
        line = {k: round(v, 5) if isinstance(v, float) else v for k, v in values.items()}
        with open(self.folder / "metrics.jsonl", "a") as file:
            file.write(json.dumps(line) + "\n")
        print(time.strftime("%H:%M:%S"), json.dumps(line), flush=True)


class Means:
    """Running means of named losses between two log lines."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.counts: dict[str, int] = {}

    def add(self, **values: Tensor | float) -> None:
        """Count one value of each name."""
        for key, value in values.items():
            self.sums[key] = self.sums.get(key, 0.0) + float(value.detach() if isinstance(value, Tensor) else value)
            self.counts[key] = self.counts.get(key, 0) + 1

    def take(self) -> dict[str, float]:
        """The means, and start again."""
        means = {k: self.sums[k] / self.counts[k] for k in self.sums}
        self.sums, self.counts = {}, {}
        return means


def check_finite(loss: Tensor, step: int) -> None:
    """Stop a training that has diverged before it overwrites anything.

    Raises:
        TrainingError: the loss is NaN or infinite.
    """
    if not torch.isfinite(loss):
        raise TrainingError(f"The loss became {float(loss)} at step {step}; resume with a lower learning rate.")
