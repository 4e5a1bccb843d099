"""Moving averages: of weights, and of the losses between two lines of the log."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


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
        self.steps = state["steps"]
        for key, value in self.values.items():
            value.copy_(state["values"][key])


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

    def state(self) -> dict[str, Any]:
        """What :meth:`load` needs."""
        return {"sums": dict(self.sums), "counts": dict(self.counts)}

    def load(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state`."""
        self.sums, self.counts = dict(state["sums"]), dict(state["counts"])
