"""Dropout whose masks come with the rows, so that they do not depend on who computes which row."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from streamvc.layers.attention import WindowedBlock


class RowDropout:
    """Drops hidden channels of a stack of transformer blocks, whole channels of a crop at a time.

    That is as good a regulariser as dropping single values, and takes a random number per channel.
    """

    def __init__(self, blocks: nn.ModuleList) -> None:
        self.masks: Tensor | None = None
        for number, block in enumerate(blocks):
            assert isinstance(block, WindowedBlock)
            block.contract.register_forward_pre_hook(lambda _, given, n=number: self._drop(given[0], n))

    def _drop(self, hidden: Tensor, block: int) -> Tensor:
        if self.masks is None:
            return hidden
        return hidden * self.masks[:, block].unsqueeze(1).to(hidden.dtype)


def draw_masks(rows: int, blocks: int, channels: int, share: float, random: torch.Generator) -> Tensor:
    """Masks `[rows, blocks, channels]`: 0 for a `share` of the channels, the others make up for them."""
    kept = torch.rand(rows, blocks, channels, generator=random) >= share
    return kept.float() / (1 - share)
