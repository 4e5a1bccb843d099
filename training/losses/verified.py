"""Converted speech should be taken for its target, and not for its source, by a network that knows voices."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from streamvc.training.losses.masking import repeated

MARGIN = 0.6
"""How much nearer to the target than to the source converted speech should be, as a share of what the target is."""


class SpeakerNetwork(Protocol):
    """What tells speakers apart, such as `training/verifier.py`; its weights hold still, its input gets a gradient."""

    def __call__(self, speech: Tensor) -> Tensor:
        """Speech `[batch, samples]` at 16 kHz -> embeddings `[batch, n]` of length 1."""
        ...


def voice_losses(
    network: SpeakerNetwork, converted: Tensor, wanted: Tensor, source: Tensor, lengths: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """How far converted speech is from its target, and how much too near to its source, averaged over rows.

    The first is 1 - cosine of the embeddings of what was converted and of the target. The second is what is missing to
    a distance between the cosines with target and source, of `MARGIN` times that of the target's own speech.

    Args:
        network: the judge.
        converted: `[batch, samples]`, which alone gets a gradient.
        wanted, source: embeddings `[batch, n]` of the targets and of the sources, of length 1.
        lengths: `[batch]`, samples of speech in `converted`; what is behind them is not heard.
    """
    wanted, source = wanted.detach(), source.detach()
    given = network(repeated(converted, lengths))
    near_target, near_source = (given * wanted).sum(dim=-1), (given * source).sum(dim=-1)
    needed = MARGIN * (1 - (wanted * source).sum(dim=-1))
    return 1 - near_target.mean(), torch.relu(needed - near_target + near_source).mean()
