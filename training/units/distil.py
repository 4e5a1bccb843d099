"""Whisper's own features as what the content encoder learns: richer than units, and known for every crop.

Units name one of 256 clusters a frame. The features that were clustered say more, and the encoder starts from the
weights that made them: it only has to do without the future, without noise and without another voice.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from streamvc.config import LOOK_AHEAD_FRAMES
from streamvc.training.losses.masking import heard_ahead, masked_mean
from streamvc.training.units.causal import SHIFT
from streamvc.training.units.mel import log_mel_rows
from streamvc.training.units.whisper import WIDTH, WhisperEncoder


class FeatureGoal(nn.Module):
    """Whisper's features of one layer, each dimension with mean 0 and spread 1 over some speech.

    Whisper is no part of what is learnt or kept.

    Args:
        whisper: with its weights.
        layer: blocks that are run.
        clips: speech `[samples]` at 16 kHz, whole frames, on which mean and spread are measured.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, whisper: WhisperEncoder, layer: int, clips: Sequence[Tensor]) -> None:
        super().__init__()
        self.whisper, self.layer = [whisper], layer
        heard = torch.cat([self._features(clip[None])[0] for clip in clips])
        self.register_buffer("mean", heard.mean(dim=0))
        self.register_buffer("spread", heard.std(dim=0))

    def forward(self, speech: Tensor) -> Tensor:
        """Speech `[batch, n * 320]` -> goals `[batch, n, 512]`, on the frame grid of the content encoder."""
        return (self._features(speech) - self.mean) / self.spread

    @torch.no_grad()
    def _features(self, speech: Tensor) -> Tensor:
        whisper = self.whisper[0].to(speech.device)
        features: Tensor = whisper(log_mel_rows(speech, SHIFT), (self.layer,))[0]
        return features

    def guess(self, width: int) -> nn.Linear:
        """A layer from an encoder's features to goals, right where they are Whisper's own."""
        layer = nn.Linear(width, WIDTH)
        with torch.no_grad():
            if width == WIDTH:
                layer.weight.copy_(torch.diag(1 / self.spread))
                layer.bias.copy_(-self.mean / self.spread)
        return layer


def feature_distance(guessed: Tensor, goals: Tensor, valid: Tensor, skip: int) -> Tensor:
    """Mean squared distance of what is guessed `[batch, n, 512]` from goals of the same shape, after `skip` frames.

    Output t describes frame t - 2, before which nothing of the padding (`valid [batch, n]` is False) may be heard.
    """
    late, goal = guessed[:, LOOK_AHEAD_FRAMES + skip :], goals[:, skip : goals.shape[1] - LOOK_AHEAD_FRAMES]
    counted = heard_ahead(valid)[:, skip : goals.shape[1] - LOOK_AHEAD_FRAMES]
    return masked_mean((late - goal).square().transpose(1, 2), counted)
