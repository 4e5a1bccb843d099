"""Converted speech should be taken for its target by a network that knows voices."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from streamvc.training.losses.masking import repeated


class SpeakerNetwork(Protocol):
    """What tells speakers apart, such as `training/verifier.py`; its weights hold still, its input gets a gradient."""

    def __call__(self, speech: Tensor) -> Tensor:
        """Speech `[batch, samples]` at 16 kHz -> embeddings `[batch, n]` of length 1."""
        ...


def verified_loss(
    network: SpeakerNetwork, converted: Tensor, references: Tensor, lengths: Tensor | None = None
) -> Tensor:
    """1 - cosine of the embeddings of what was converted and of the target's own speech, averaged over rows.

    Args:
        network: the judge.
        converted: `[batch, samples]`, which alone gets a gradient.
        references: speech of the targets, `[batch, m]`.
        lengths: `[batch]`, samples of speech in `converted`; what is behind them is not heard.
    """
    with torch.no_grad():
        wanted = network(references)
    return 1 - (network(repeated(converted, lengths)) * wanted).sum(dim=-1).mean()
