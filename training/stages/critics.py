"""Discriminators of a stage: their keys, what they say to a decoder, and where they start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from streamvc.training.discriminators import NAMES, build_discriminators
from streamvc.training.losses.adversarial import GeneratorForm, Judgement, feature_loss, generator_loss
from streamvc.training.losses.pieces import Pieces, draw_pieces
from streamvc.training.losses.weights import LossWeights
from streamvc.training.stages.base import Critics, Duel, Loss, Setup
from streamvc.training.trainer.keys import key
from streamvc.training.trainer.settings import StageSettings

MIN_SAMPLES = 5_632
"""The shortest piece in which every discriminator finds something to judge."""


@dataclass(frozen=True)
class CriticSettings(StageSettings):
    """Keys of stages that may have discriminators."""

    critics: tuple[str, ...] = key((), "discriminators; none: spectral losses alone", choices=NAMES)
    critic_width: float = key(1.0, "scale of their channels; 1 is the published size", low=0.01)
    critics_start: str = key(
        "", "state.pt of an earlier run to take discriminators from, or what `svc train export --training` kept of it; "
        "empty: the previous stage's"
    )
    critic_rate: float = key(3e-4, "learning rate of the discriminators, which does not fall", low=0)
    critic_betas: tuple[float, float] = key((0.5, 0.9), "of their optimiser", low=0, high=0.99999)
    critic_every: int = key(1, "steps between those with discriminators", low=1)
    critic_samples: int = key(8_000, "samples of each crop that they judge", low=MIN_SAMPLES)

    def optimiser_of(self, critics: Critics) -> torch.optim.Optimizer:
        """The discriminators' optimiser."""
        return torch.optim.AdamW(critics.parameters(), lr=self.critic_rate, betas=self.critic_betas, weight_decay=0.0)


def build_critics(settings: CriticSettings, setup: Setup) -> Critics | None:
    """The discriminators that the settings name, if any.

    Raises:
        ConfigError: a name is not known.
    """
    if not settings.critics:
        return None
    return Critics(build_discriminators(settings.critics, settings.critic_width), setup)


def piece_of_step(speech: Tensor, lengths: Tensor, samples: int, seed: int, step: int) -> Pieces:
    """Pieces of speech `[batch, n]`, as far on in the speech of every row in one step, in all processes."""
    place = np.random.default_rng((seed, 1, step)).random()
    return draw_pieces(torch.full_like(lengths, place, dtype=torch.float64), samples, speech.shape[1], lengths)


def critic_losses(
    critics: Critics, duel: Duel, weights: LossWeights, form: GeneratorForm, relative: bool
) -> dict[str, Loss]:
    """How well the fakes pass for real, and how alike own rows are inside the discriminators, which hold still."""
    critics.requires_grad_(False)
    fake = critics.judge(duel.fake)
    with torch.no_grad():
        real = critics.judge(duel.real)
    critics.requires_grad_(True)
    own: list[Judgement] = [(logits[: duel.own], [x[: duel.own] for x in inner]) for logits, inner in fake]
    return {
        "fooled": Loss(generator_loss(fake, duel.fake_share, form), weights.fooling),
        "alike": Loss(feature_loss(real, own, duel.real_share, relative), weights.features),
    }


def critics_of(state: dict[str, Any], critics: Critics) -> bool:
    """Take the discriminators of an earlier state, where they have the same shapes; says whether it did."""
    found = state.get("critics")
    if not found:
        return False
    # States of before the recipes have no wrapper around the members.
    if not any(name.startswith("members.") for name in found):
        found = {f"members.{name}": values for name, values in found.items()}
    own: dict[str, torch.Tensor] = nn.Module.state_dict(critics)
    if found.keys() != own.keys() or any(found[k].shape != own[k].shape for k in own):
        return False
    critics.load_state_dict(found)
    return True
