"""What every stage of a recipe may set; the stages add keys of their own (`training/stages`)."""

from __future__ import annotations

from dataclasses import dataclass

from streamvc.errors import ConfigError
from streamvc.training.trainer.keys import key

CHECKPOINT_MINUTES = 5.0
"""The longest time between checkpoints that a recipe may ask for."""
SCHEDULES = ("cosine", "linear", "constant", "exponential")


@dataclass(frozen=True)
class StageSettings:
    """Length, batch, optimiser, checkpoints and log of a stage."""

    steps: int = key(0, "optimiser steps in all, earlier resumed runs included (0: the minutes decide)", low=0)
    minutes: float = key(0.0, "training time in all, earlier resumed runs included (0: the steps decide)", low=0)
    start: str = key(
        "previous", "weights to begin with: `previous` (stage), `nothing`, or a file (.safetensors, or state.pt)"
    )
    start_from: str = key(
        "best", "which weights of the previous stage `previous` takes", choices=("best", "last")
    )
    heads_start: str = key(
        "", "state.pt of an earlier run to take heads from, or what `svc train export --training` kept of it; empty: "
        "the previous stage's"
    )
    batch: int = key(16, "crops per step, over all processes", low=1)
    accumulate: int = key(1, "pieces of a batch that go through the network one after the other, to save memory", low=1)
    rate: float = key(1e-3, "peak learning rate", low=0)
    schedule: str = key("cosine", "how the learning rate falls after its warm-up", choices=SCHEDULES)
    schedule_by: str = key(
        "", "what the schedule follows; empty: steps where they are given. Only `steps` resumes exactly",
        choices=("", "steps", "minutes"),
    )
    warm_up: float = key(0.03, "share of the stage in which the learning rate rises", low=0, high=0.9)
    floor: float = key(0.02, "learning rate at the end, as a share of the peak", low=0, high=1)
    optimiser: str = key("adamw", "optimiser", choices=("adamw", "adam"))
    betas: tuple[float, float] = key((0.9, 0.98), "of the optimiser", low=0, high=0.99999)
    weight_decay: float = key(0.01, "of AdamW", low=0, high=1)
    decay_vectors: bool = key(True, "whether weight decay also holds for biases and norms")
    clip: float = key(5.0, "largest norm of the gradient", low=0)
    average: float = key(
        0.999, "decay of the moving average of the weights, which is what is kept", low=0, high=0.999999
    )
    evaluate_every: int = key(500, "steps between evaluations on held-out speech; one follows at the end", low=1)
    best_by: str = key(
        "", "held-out measure that chooses best.safetensors, with - before it where less is better; empty: the stage's "
        "own choice; `last`: the newest weights",
    )
    log_every: int = key(50, "steps between lines of the log", low=1)
    show_every: int = key(1000, "steps between sounds and pictures in TensorBoard (0: none)", low=0)
    checkpoint_minutes: float = key(
        CHECKPOINT_MINUTES, "minutes between checkpoints", low=0, high=CHECKPOINT_MINUTES
    )
    one_batch: bool = key(False, "train on the first batch over and over: a network that cannot learn it is broken")

    def check(self, where: str) -> None:
        """What no single key can say.

        Raises:
            ConfigError: neither steps nor minutes are given, or the batch cannot be divided.
        """
        if not self.steps and not self.minutes:
            raise ConfigError(f"{where} has neither steps nor minutes; give one of them.")
        if self.schedule_by == "steps" and not self.steps:
            raise ConfigError(f"{where}.schedule_by is \"steps\", but {where}.steps is 0; give the number of steps.")
        if self.schedule_by == "minutes" and not self.minutes:
            raise ConfigError(f"{where}.schedule_by is \"minutes\", but {where}.minutes is 0; give the minutes.")
        if self.batch % self.accumulate:
            raise ConfigError(f"{where}.batch is {self.batch}; {where}.accumulate = {self.accumulate} must divide it.")

    @property
    def by_steps(self) -> bool:
        """Whether the schedule follows steps rather than the clock."""
        return self.schedule_by == "steps" or (not self.schedule_by and self.steps > 0)

    def progress(self, step: int, minutes: float) -> float:
        """0 at the start of the schedule, 1 at its end."""
        share = step / self.steps if self.by_steps else minutes / self.minutes
        return min(1.0, share)

    def finished(self, step: int, minutes: float) -> bool:
        """Whether the stage has had its steps, or its minutes."""
        return (self.steps > 0 and step >= self.steps) or (self.minutes > 0 and minutes >= self.minutes)
