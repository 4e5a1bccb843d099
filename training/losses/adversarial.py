"""Hinge adversarial and feature-matching losses (StreamVC, section 2.6, after SoundStream, section III-E).

In every tensor of a judgement time is dimension 2. A `share [batch]` says which part of each judged row is speech:
what lies behind it is not counted (training/losses/masking.py).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from streamvc.training.distributed import world_mean
from streamvc.training.losses.masking import masked_mean, within

Judgement = tuple[Tensor, list[Tensor]]
"""What one discriminator says: its logits, and its inner activations; `[batch, channels, time, ...]`."""

GeneratorForm = Literal["linear", "hinge"]


def discriminator_loss(
    real: list[Judgement], fake: list[Judgement], share: Tensor | None = None, fake_share: Tensor | None = None
) -> Tensor:
    """Hinge loss that the discriminators minimise, averaged over them (SoundStream, equation 1).

    `fake_share` is needed where fakes have other rows than what is real; else `share` holds for both.
    """
    behind = share if fake_share is None else fake_share
    losses = [
        _mean(F.relu(1 - r[0]), share) + _mean(F.relu(1 + f[0]), behind) for r, f in zip(real, fake, strict=True)
    ]
    return torch.stack(losses).mean()


def generator_loss(fake: list[Judgement], share: Tensor | None = None, form: GeneratorForm = "linear") -> Tensor:
    """What the generator minimises to fool the discriminators, averaged over them.

    `hinge` is SoundStream's equation 2, max(0, 1 - D): who is taken for real by a margin is left alone. `linear`, -D,
    is that of MelGAN and never rests.
    """
    losses = [_mean(-f[0] if form == "linear" else F.relu(1 - f[0]), share) for f in fake]
    return torch.stack(losses).mean()


def feature_loss(
    real: list[Judgement], fake: list[Judgement], share: Tensor | None = None, relative: bool = True
) -> Tensor:
    """Mean absolute difference of inner activations, averaged over layers and discriminators; trains the fake only.

    Without `relative` it is SoundStream's equation 3: each layer is divided by its number of time steps (and channels,
    as in MelGAN, equation 4), so that no layer counts more for its size. With it, each layer is also divided by the
    mean size of its real activations, so that none counts more for its loudness.
    """
    losses = []
    for r, f in zip(real, fake, strict=True):
        for a, b in zip(r[1], f[1], strict=True):
            wanted = a.detach()
            distance = _mean((wanted - b).abs(), share)
            losses.append(distance / world_mean(_mean(wanted.abs(), share)).clamp(min=1e-3) if relative else distance)
    return torch.stack(losses).mean()


def _mean(values: Tensor, share: Tensor | None) -> Tensor:
    if share is None:
        return values.mean()
    steps = values.shape[2]
    # A step counts if its middle lies in the speech.
    return masked_mean(values, within(share * steps - 0.5, steps), dim=2)
