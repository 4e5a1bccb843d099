"""Feature-wise linear modulation (FiLM) by the speaker latent."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FiLM(nn.Module):
    """`x * (1 + scale) + shift` with scale and shift read linearly from the latent (paper, section 2.3).

    `x` is `[batch, time, channels]`, the latent `[batch, latent]`; `change [batch, 2 * channels]` is added to scale and
    shift. Both are linear in the latent, so for one voice any change of their weights is such a constant.
    """

    def __init__(self, latent: int, channels: int) -> None:
        super().__init__()
        self.project = nn.Linear(latent, 2 * channels)
        # Start as the identity, so that an untrained latent disturbs nothing.
        nn.init.normal_(self.project.weight, std=0.02)
        nn.init.zeros_(self.project.bias)

    def forward(self, x: Tensor, latent: Tensor, change: Tensor | None = None) -> Tensor:
        both = self.project(latent)
        if change is not None:
            both = both + change
        scale, shift = torch.chunk(both.unsqueeze(1), 2, dim=-1)
        return x * (1 + scale) + shift
