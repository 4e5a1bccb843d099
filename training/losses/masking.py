"""What no loss may count: the padding behind short utterances.

Padding stands at the end of a crop only. `valid [batch, frames]` is True for frames of speech (`Crops.valid`), `lengths
[batch]` counts samples of speech, and a share is a length as a part of its row, 0 to 1: discriminators have as many
time scales as layers.
"""

from __future__ import annotations

import torch
from torch import Tensor

from streamvc.config import FRAME, LOOK_AHEAD_FRAMES


def heard_ahead(valid: Tensor) -> Tensor:
    """Frames `[batch, frames]` that can be named or spoken before padding is heard: the model hears two frames ahead.

    At the end of a row without padding nothing follows, so nothing is taken away there.
    """
    ahead = valid.roll(-LOOK_AHEAD_FRAMES, dims=1)
    ahead[:, -LOOK_AHEAD_FRAMES:] = valid[:, -1:]
    return valid & ahead


def lengths_of(valid: Tensor) -> Tensor:
    """Samples of speech `[batch]` at the front of rows of which the frames `valid [batch, frames]` are speech."""
    return valid.sum(dim=1) * FRAME


def within(lengths: Tensor, steps: int) -> Tensor:
    """`[batch, steps]`, True where a step's number is below its row's length."""
    return torch.arange(steps, device=lengths.device) < lengths.unsqueeze(1)


def without_padding(samples: Tensor, lengths: Tensor | None) -> Tensor:
    """Samples `[batch, n]` with silence behind each row's length."""
    if lengths is None:
        return samples
    return torch.where(within(lengths, samples.shape[1]), samples, samples.new_zeros(()))


def repeated(samples: Tensor, lengths: Tensor | None) -> Tensor:
    """Samples `[batch, n]` whose padding is filled with the row's speech, from its start on and again and again.

    For networks that sum up whole recordings and would hear silence as part of a voice.
    """
    if lengths is None:
        return samples
    places = torch.arange(samples.shape[1], device=samples.device) % lengths.clamp(min=1).unsqueeze(1)
    return without_padding(samples, lengths).gather(1, places)


def masked_mean(values: Tensor, counted: Tensor | None, dim: int = -1) -> Tensor:
    """The mean of `values` in each row, of whose time steps (dimension `dim`) only `counted [batch, time]` are taken,
    averaged over the rows.

    Row by row, so that several processes that share a batch find the mean of the whole by averaging theirs. A row of
    which nothing is counted gives 0, with a gradient of 0.
    """
    if counted is None:
        return values.mean()
    shape = [1] * values.ndim
    shape[0], shape[dim] = counted.shape
    mask = counted.reshape(shape).expand_as(values).flatten(1)
    # `where` and not a product: what is not counted may be infinite.
    sums = torch.where(mask, values.flatten(1), values.new_zeros(())).sum(dim=1)
    return (sums / mask.sum(dim=1).clamp(min=1)).mean()


def share_of(lengths: Tensor, begin: int, samples: int) -> Tensor:
    """Which part of the `samples` from `begin` on is speech, row by row: `[batch]`, 0 to 1."""
    return ((lengths - begin) / samples).clamp(0, 1)
