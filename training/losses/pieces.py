"""Pieces of crops for the discriminators, which cost more than the decoder: the same of real speech and of fakes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from streamvc.training.losses.masking import share_of, within


@dataclass(frozen=True)
class Pieces:
    """Which `samples` of each row are judged: from `begins [batch]` on; `share [batch]` of them are speech."""

    begins: Tensor
    samples: int
    share: Tensor

    def cut(self, speech: Tensor) -> Tensor:
        """`[batch, n] -> [batch, samples]`, with silence for padding."""
        places = self.begins.unsqueeze(1) + torch.arange(self.samples, device=speech.device)
        piece = speech.gather(1, places)
        counted = within((self.share * self.samples).round(), self.samples)
        return torch.where(counted, piece, piece.new_zeros(()))

    def of(self, rows: slice) -> Pieces:
        """The pieces of some of the rows."""
        return Pieces(self.begins[rows], self.samples, self.share[rows])


def draw_pieces(places: Tensor, samples: int, available: int, lengths: Tensor | None = None) -> Pieces:
    """Pieces of `samples` from rows of `available` samples.

    Args:
        places: `[batch]`, uniform in [0, 1): where each piece lies. Drawn by the caller, row by row, so that a batch
            may be split.
        samples: of a piece; as many as there are where that is less.
        available: samples of a row.
        lengths: `[batch]`, samples of speech at the front of each row. Pieces lie within them if they fit.
    """
    samples = min(samples, available)
    if lengths is None:
        lengths = torch.full_like(places, available, dtype=torch.long)
    room = (lengths - samples).clamp(min=0)
    begins = (places * (room + 1)).long().clamp(max=available - samples)
    return Pieces(begins, samples, share_of(lengths - begins, 0, samples))
