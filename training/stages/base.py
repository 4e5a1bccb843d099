"""What a stage is to the trainer: modules, rows, losses, a held-out measure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from streamvc.model import Model
from streamvc.training.losses.adversarial import Judgement, discriminator_loss
from streamvc.training.trainer.batches import Batch, Rows
from streamvc.training.trainer.settings import StageSettings


@dataclass(frozen=True)
class Setup:
    """What the run decides for all of its stages.

    seed: of every draw.
    bf16: whether networks run in bfloat16; spectra, filters and losses never do.
    device: where the networks are.
    """

    seed: int
    bf16: bool
    device: torch.device

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """Around networks only."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            yield


@dataclass(frozen=True)
class Sound:
    """Something to look at and listen to: speech `[samples]` at 16 kHz by name, of which pictures are made."""

    name: str
    waves: dict[str, Tensor]


@dataclass(frozen=True)
class Loss:
    """A loss before it is weighted; weight 0 is for the log alone."""

    value: Tensor
    weight: float = 1.0


@dataclass(frozen=True)
class Duel:
    """Speech `[batch, samples]` for the critics to judge, of people and of the decoder, and how much of each row is
    speech and not padding (`[batch]`, 0 to 1); `own` rows at the front of the fakes re-speak the real ones."""

    real: Tensor
    fake: Tensor
    real_share: Tensor
    fake_share: Tensor
    own: int


class Learner(nn.Module, ABC):
    """All that an optimiser moves, with the model inside; `forward` runs it on a batch."""

    model: Model

    @abstractmethod
    def forward(self, batch: Batch) -> Any:
        """Everything that the losses need, with gradients."""


class Critics(nn.Module):
    """Discriminators with their loss as `forward`, which is what an optimiser of their own lowers."""

    def __init__(self, members: nn.Module, setup: Setup) -> None:
        super().__init__()
        self.members, self.setup = members, setup

    def judge(self, speech: Tensor) -> list[Judgement]:
        """Logits and inner activations of every discriminator, in float32."""
        with self.setup.autocast():
            judged = self.members(speech)
        return [(logits.float(), [x.float() for x in inner]) for logits, inner in judged]

    def forward(self, duel: Duel) -> Tensor:
        """Hinge loss on speech of people and of the decoder."""
        fake = duel.fake.detach()
        return discriminator_loss(self.judge(duel.real), self.judge(fake), duel.real_share, duel.fake_share)


class Stage(ABC):
    """One stage of a recipe, built: the trainer knows nothing else of it."""

    kind: str
    settings: StageSettings
    learner: Learner
    rows: Rows
    critics: Critics | None = None
    best_by: str
    """The held-out measure by which weights are chosen; starts with `-` where less is better."""

    @property
    def model(self) -> Model:
        """The whole model, of which a stage may move a part."""
        return self.learner.model

    @property
    @abstractmethod
    def seconds(self) -> float:
        """Seconds of speech in a row."""

    @abstractmethod
    def losses(self, heard: Any, batch: Batch, step: int) -> dict[str, Loss]:
        """Losses of what the learner gave for a batch."""

    def duel(self, heard: Any, step: int) -> Duel | None:
        """What the critics judge in this step; None: nothing."""
        return None

    def play(self, duel: Duel) -> dict[str, Loss]:
        """What the critics say to the decoder, after their own step."""
        return {}

    @abstractmethod
    def evaluate(self) -> dict[str, float]:
        """Measures on held-out speech; empty where the corpus holds none out."""

    def sounds(self) -> list[Sound]:
        """Held-out speech to listen to."""
        return []

    def parameters(self) -> list[nn.Parameter]:
        """What the learner's optimiser moves."""
        return [p for p in self.learner.parameters() if p.requires_grad]

    def separate(self) -> list[list[nn.Parameter]]:
        """The same in groups whose gradients do not concern each other: each is clipped for itself."""
        return [self.parameters()]

    def critic_optimiser(self) -> torch.optim.Optimizer | None:
        """The critics' own optimiser."""
        return None

    @property
    def group(self) -> int:
        """Rows that belong together: a share of a batch holds a multiple of them."""
        return 1

    def prepare(self) -> None:  # noqa: B027
        """Work that precedes the first step of all, and none that follows: a resumed run does not do it again."""

    def start_from(self, state: dict[str, Any]) -> None:  # noqa: B027
        """Take heads and critics of an earlier state, where they fit."""

    def provenance(self) -> dict[str, Any]:
        """What weights say of where they come from."""
        return {}
