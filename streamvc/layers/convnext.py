"""Causal ConvNeXt block (Liu et al. 2022, in one dimension), with optional FiLM after the norm."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamvc.layers.base import StreamingModule
from streamvc.layers.conv import CausalConv1d
from streamvc.layers.film import FiLM
from streamvc.state import State


class ConvNeXtBlock(StreamingModule):
    """Depthwise causal convolution, layer norm, FiLM, two pointwise layers, residual: `[batch, width, time]` kept.

    `dropout` drops hidden channels, in training only.
    """

    def __init__(
        self, width: int, kernel: int = 7, expansion: int = 4, latent: int = 0, dropout: float = 0.0,
        layer_scale: float = 0.1,
    ) -> None:
        super().__init__()
        self.depthwise = CausalConv1d(width, width, kernel, groups=width)
        self.norm = nn.LayerNorm(width)
        self.film = FiLM(latent, width) if latent else None
        self.expand = nn.Linear(width, expansion * width)
        self.reduce = nn.Linear(expansion * width, width)
        self.scale = nn.Parameter(torch.full((width,), layer_scale))
        self.dropout = dropout

    def initial_state(self, batch: int, like: Tensor) -> State:
        return self.depthwise.initial_state(batch, like)

    def forward(
        self, x: Tensor, state: State | None = None, latent: Tensor | None = None, change: Tensor | None = None
    ) -> tuple[Tensor, State]:
        y, state = self.depthwise(x, state)
        y = self.norm(y.transpose(1, 2))
        if self.film is not None:
            if latent is None:
                raise ValueError("this block is conditioned: it needs the speaker latent")
            y = self.film(y, latent, change)
        y = F.gelu(self.expand(y))
        if self.dropout:
            # Whole channels of a crop at a time: as good a regulariser, and a random number per channel, not per value.
            mask = F.dropout(torch.ones_like(y[:, :1]), self.dropout, self.training)
            y = y * mask
        y = self.scale * self.reduce(y)
        return x + y.transpose(1, 2), state
