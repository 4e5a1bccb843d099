"""Hinge adversarial and feature-matching losses (paper, section 2.6)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

Judgement = tuple[Tensor, list[Tensor]]
"""What one discriminator says: its logits, and its inner activations."""


def discriminator_loss(real: list[Judgement], fake: list[Judgement]) -> Tensor:
    """Hinge loss that the discriminators minimise, averaged over them."""
    losses = [F.relu(1 - r[0]).mean() + F.relu(1 + f[0]).mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(losses).mean()


def generator_loss(fake: list[Judgement]) -> Tensor:
    """Hinge loss that the generator minimises, averaged over the discriminators."""
    return torch.stack([-f[0].mean() for f in fake]).mean()


def feature_loss(real: list[Judgement], fake: list[Judgement]) -> Tensor:
    """Mean absolute difference of inner activations, each relative to the size of the real one."""
    losses = []
    for r, f in zip(real, fake, strict=True):
        for a, b in zip(r[1], f[1], strict=True):
            losses.append((a.detach() - b).abs().mean() / a.detach().abs().mean().clamp(min=1e-3))
    return torch.stack(losses).mean()
