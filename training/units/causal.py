"""The starting weights of the `live` model's content encoder: the first blocks of Whisper base, made causal."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from streamvc.config import FRAME
from streamvc.errors import ConfigError
from streamvc.layers.attention import WindowedBlock
from streamvc.model.live import LiveModel
from streamvc.training.units.mel import log_mel
from streamvc.training.units.whisper import WhisperEncoder

SHIFT = 120
"""Samples from the start of a frame to the centre of what the content encoder hears of it."""
_SAME = ("attention_norm", "query_key_value", "output", "mlp_norm", "expand", "contract")


@torch.no_grad()
def take_whisper(model: LiveModel, whisper: WhisperEncoder, clips: Sequence[Tensor]) -> None:
    """Give a model's content encoder the weights of Whisper's first blocks.

    What Whisper's positions did to attention is given back by distance: the bias of each head starts as the mean
    difference between Whisper's logits and those that the same weights give with the mean of the positions instead.
    The layer that narrows features down starts as their principal components.

    Args:
        model: whose content encoder has Whisper's sizes.
        whisper: with its weights.
        clips: speech `[samples]` at 16 kHz, whole frames, of a few people; a minute or two in all.

    Raises:
        ConfigError: the content encoder has other sizes.
    """
    encoder = model.content_encoder
    try:
        encoder.conv1.load_state_dict(whisper.conv1.state_dict())
        encoder.conv2.load_state_dict(whisper.conv2.state_dict())
        blocks = [b for b in encoder.blocks if isinstance(b, WindowedBlock)]
        for block, given in zip(blocks, whisper.blocks[: len(blocks)], strict=True):
            for name in _SAME:
                getattr(block, name).load_state_dict(getattr(given, name).state_dict())
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            "The content encoder has other sizes than Whisper base; leave encoder_width, encoder_blocks and mel_bands "
            "as they are, or train it without `from_whisper`."
        ) from error
    longest = max(len(clip) for clip in clips) // FRAME
    encoder.position.copy_(whisper.positions[:longest].mean(dim=0))
    theirs = [whisper(log_mel(clip, SHIFT)[None], tuple(range(len(blocks)))) for clip in clips]
    ours = [_before_blocks(model, clip) for clip in clips]
    for number, block in enumerate(blocks):
        pairs = [(block.logits(x), block.logits(y)) for x, y in zip((t[number] for t in theirs), ours, strict=True)]
        block.bias.copy_(_by_distance(block, [a for a, _ in pairs]) - _by_distance(block, [b for _, b in pairs]))
        # The first block speaks a frame late; nothing here depends on where a frame stands.
        ours = [block(x)[0] for x in ours]
    _narrow(encoder.project, torch.cat([encoder.norm(x)[0] for x in ours]))


def _before_blocks(model: LiveModel, clip: Tensor) -> Tensor:
    """What the first block hears of a clip, `[1, n, width]`."""
    encoder = model.content_encoder
    mel, _ = model.content_features(clip[None])
    x = nn.functional.gelu(encoder.conv1(mel)[0])
    x = nn.functional.gelu(encoder.conv2(x)[0])
    return x.transpose(1, 2) + encoder.position


def _by_distance(block: WindowedBlock, logits: Sequence[Tensor]) -> Tensor:
    """Means `[heads, past + 1]` of logits `[1, heads, n, n]` over all pairs of each distance in the window."""
    found = []
    for place in range(block.past + 1):
        distance = block.past - block.ahead - place  # from the key to the query, frames
        lines = [x[0].diagonal(-distance, 1, 2) for x in logits if x.shape[2] > abs(distance)]
        found.append(torch.cat(lines, dim=1).mean(dim=1))
    return torch.stack(found, dim=1)


def _narrow(project: nn.Linear, features: Tensor) -> None:
    """Principal components of features `[n, width]`, each with a spread of one."""
    centred = features.double() - features.double().mean(dim=0)
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    values, vectors = values[-project.out_features :], vectors[:, -project.out_features :]
    weight = (vectors / values.clamp(min=1e-6).sqrt()).T
    project.weight.copy_(weight)
    project.bias.copy_(-(weight @ features.double().mean(dim=0)))
