"""What was spoken should sound like its source to a network that knows words."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from streamvc.training.losses.masking import repeated

EDGE = 4
"""Frames at both ends that are not counted: what stood before and after is missing there."""


class WordNetwork(Protocol):
    """What hears words, such as `training/listener.py`; its weights hold still, its input gets a gradient."""

    def __call__(self, speech: Tensor) -> Tensor:
        """Speech `[batch, samples]` at 16 kHz -> features `[batch, frames, n]`."""
        ...


def heard_loss(network: WordNetwork, spoken: Tensor, source: Tensor, lengths: Tensor | None = None) -> Tensor:
    """1 - cosine of the features of what was spoken and of its source, frame by frame, averaged.

    Features are first taken apart from their mean and divided by their spread over the batch: a few large ones that
    all speech shares would hide the others.

    Args:
        network: the judge.
        spoken: `[batch, samples]`, which alone gets a gradient.
        source: `[batch, samples]`, lined up with it.
        lengths: `[batch]`, samples of speech in both; what is behind them is not heard.
    """
    with torch.no_grad():
        wanted = network(repeated(source, lengths))
        mean, spread = wanted.mean(dim=(0, 1)), wanted.std(dim=(0, 1)) + 1e-3
    heard = network(repeated(spoken, lengths))
    first, second = (((x - mean) / spread)[:, EDGE:-EDGE] for x in (wanted, heard))
    return 1 - F.cosine_similarity(first, second, dim=-1).mean()
