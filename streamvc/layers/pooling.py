"""Learnable pooling of a sequence into one vector (paper, section 2.2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class LearnablePooling(nn.Module):
    """Attention of one learned query over time: `[batch, channels, time] -> [batch, channels]`.

    `mask [batch, time]` is True where a frame counts; every row needs one such frame.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.key = nn.Linear(channels, channels)
        self.query = nn.Parameter(torch.randn(channels) * 0.02)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        frames = x.transpose(1, 2)
        scores = self.key(frames) @ self.query / math.sqrt(frames.shape[-1])
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        weights = torch.softmax(scores, dim=-1)
        return (weights.unsqueeze(1) @ frames).squeeze(1)
