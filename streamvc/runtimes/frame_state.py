"""Named tensors of fixed sizes in one vector per stream, so that a step hands on few arrays instead of many."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class Layout:
    """Names and sizes of tensors that lie one after the other in the rows of `[batch, size]`."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = dict(sizes)

    @property
    def size(self) -> int:
        """Length of a row."""
        return sum(self.sizes.values())

    def split(self, rows: Tensor) -> dict[str, Tensor]:
        """The tensors of `[batch, size]`, each `[batch, its size]`."""
        return dict(zip(self.sizes, torch.split(rows, list(self.sizes.values()), dim=1), strict=True))

    def join(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """`[batch, size]` of tensors `[batch, ...]`."""
        return torch.cat([
            tensors[name] if tensors[name].dim() == 2 else tensors[name].reshape(-1, size)
            for name, size in self.sizes.items()
        ], dim=1)
