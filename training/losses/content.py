"""Losses on content: what was spoken should be what was to be spoken, and two views of a crop should agree."""

from __future__ import annotations

from torch import Tensor

from streamvc.config import LOOK_AHEAD_FRAMES
from streamvc.training.losses.masking import masked_mean


def content_distance(heard: Tensor, wanted: Tensor, skip: int, warm_up: int, valid: Tensor | None = None) -> Tensor:
    """Mean squared distance of the content `heard [batch, dim, m]` in speech from that which it was spoken from.

    Args:
        heard: the content encoder's output on the speech. Output t describes frame t - 2 of the speech.
        wanted: content `[batch, dim, n]`; frame t of the speech is spoken from its frame t + `skip`.
        skip: frames that were cut from the start of the speech.
        warm_up: frames in which the encoder has not heard enough.
        valid: `[batch, n]`, False where the speech is padding. The encoder hears two frames ahead, which must be
            speech as well; it is causal, so that nothing else depends on padding behind.
    """
    first = warm_up + LOOK_AHEAD_FRAMES
    begin = skip + first - LOOK_AHEAD_FRAMES
    late = heard[..., first:]
    count = late.shape[-1]
    goal = wanted[..., begin : begin + count]
    counted = None
    if valid is not None:
        ends = begin + LOOK_AHEAD_FRAMES
        counted = valid[:, ends : ends + count]
    return masked_mean((late - goal).square(), counted)


def agreement(first: Tensor, second: Tensor, skip: int, valid: Tensor | None = None) -> Tensor:
    """Mean squared distance of the content `[batch, dim, n]` of two views of a crop, from frame `skip` on.

    Output t describes frame t - 2 and has heard frame t: where that is padding (`valid [batch, n]`), it is not counted.
    """
    return masked_mean((first - second).square()[..., skip:], None if valid is None else valid[:, skip:])
