"""Means over all processes of a training.

Losses are means over rows of equal size, and gradients are averaged over the processes, so most need no help. Where a
loss divides by something that it counts (frames with a label, unvoiced points, the size of an activation), that number
has to be the mean over all processes, or several of them would not train what one would.
"""

from __future__ import annotations

import torch
from torch import Tensor


def world_mean(value: Tensor) -> Tensor:
    """The mean of a detached tensor over all processes; the tensor itself where there is one process.

    Every process has to call it, and as often as the others.
    """
    value = value.detach()
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return value
    total = value.clone()
    torch.distributed.all_reduce(total)
    return total / torch.distributed.get_world_size()
