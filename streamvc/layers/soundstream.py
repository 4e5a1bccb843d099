"""The causal building blocks of SoundStream (arXiv 2107.03312, section III and figure 3), which StreamVC reuses.

Convolutions are causal, activations are ELU ahead of every convolution but the first, and nothing is normalised.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from streamvc.layers.base import StreamingModule, StreamingSequential
from streamvc.layers.conv import CausalConv1d
from streamvc.layers.film import FiLM
from streamvc.layers.transposed import CausalConvTranspose1d
from streamvc.state import State, parts

DILATIONS = (1, 3, 9)
"""Of the residual units in one block."""


class ELU(StreamingModule):
    """Exponential linear unit; it remembers nothing, so its state is the empty tuple."""

    def initial_state(self, batch: int, like: Tensor) -> State:
        return ()

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        return F.elu(x), ()


class ResidualUnit(StreamingModule):
    """ELU, dilated convolution, ELU, pointwise convolution, skip: `[batch, channels, time]` kept."""

    def __init__(self, channels: int, kernel: int = 7, dilation: int = 1) -> None:
        super().__init__()
        self.dilated = CausalConv1d(channels, channels, kernel, dilation=dilation)
        self.pointwise = nn.Conv1d(channels, channels, 1)

    def initial_state(self, batch: int, like: Tensor) -> State:
        return self.dilated.initial_state(batch, like)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        y, state = self.dilated(F.elu(x), state)
        return x + self.pointwise(F.elu(y)), state


class ConditionedUnit(StreamingModule):
    """FiLM from the latent `[batch, latent]`, then a residual unit: `[batch, channels, time]` kept."""

    def __init__(self, channels: int, latent: int, kernel: int = 7, dilation: int = 1) -> None:
        super().__init__()
        self.film = FiLM(latent, channels)
        self.unit = ResidualUnit(channels, kernel, dilation)

    def initial_state(self, batch: int, like: Tensor) -> State:
        return self.unit.initial_state(batch, like)

    def forward(self, x: Tensor, state: State | None = None, latent: Tensor | None = None) -> tuple[Tensor, State]:
        if latent is None:
            raise ValueError("this unit is conditioned: it needs the speaker latent")
        y, state = self.unit(self.film(x.transpose(1, 2), latent).transpose(1, 2), state)
        return y, state


class ConditionedSequential(StreamingSequential):
    """Layers one after the other, of which those that are conditioned get the latent `[batch, latent]`."""

    def forward(self, x: Tensor, state: State | None = None, latent: Tensor | None = None) -> tuple[Tensor, State]:
        states = parts(self.initial_state(x.shape[0], x) if state is None else state)
        after: list[State] = []
        for layer, before in zip(self._typed(), states, strict=True):
            conditioned = isinstance(layer, ConditionedUnit | ConditionedSequential)
            x, new = layer(x, before, latent) if conditioned else layer(x, before)
            after.append(new)
        return x, tuple(after)


class EncoderBlock(StreamingSequential):
    """Residual units, then down by the stride: `[batch, channels, n * stride] -> [batch, 2 * channels, n]`."""

    def __init__(self, channels: int, stride: int, kernel: int = 7, dilations: Sequence[int] = DILATIONS) -> None:
        units = [ResidualUnit(channels, kernel, dilation) for dilation in dilations]
        super().__init__(*units, ELU(), CausalConv1d(channels, 2 * channels, 2 * stride, stride))


class DecoderBlock(ConditionedSequential):
    """Up by the stride, then conditioned units: `[batch, 2 * channels, n] -> [batch, channels, n * stride]`."""

    def __init__(
        self, channels: int, stride: int, latent: int, kernel: int = 7, dilations: Sequence[int] = DILATIONS
    ) -> None:
        units = [ConditionedUnit(channels, latent, kernel, dilation) for dilation in dilations]
        super().__init__(ELU(), CausalConvTranspose1d(2 * channels, channels, 2 * stride, stride), *units)


class SoundStreamEncoder(StreamingSequential):
    """Waveform to embeddings: `[batch, 1, n * hop] -> [batch, embedding, n]`, hop = product of the strides.

    Channels start at `channels` and double in every block.
    """

    def __init__(
        self, channels: int, embedding: int, strides: Sequence[int], kernel: int = 7,
        dilations: Sequence[int] = DILATIONS,
    ) -> None:
        blocks = [EncoderBlock(channels * 2**i, stride, kernel, dilations) for i, stride in enumerate(strides)]
        outer = CausalConv1d(channels * 2 ** len(strides), embedding, 3)
        super().__init__(CausalConv1d(1, channels, kernel), *blocks, ELU(), outer)


class SoundStreamDecoder(ConditionedSequential):
    """Features and a latent to a waveform: `[batch, features, n], [batch, latent] -> [batch, 1, n * hop]`.

    `strides` stand in the encoder's order and are used from the last to the first; channels halve in every block and
    end at `channels`.
    """

    def __init__(
        self, features: int, channels: int, latent: int, strides: Sequence[int], kernel: int = 7,
        dilations: Sequence[int] = DILATIONS,
    ) -> None:
        inner = CausalConv1d(features, channels * 2 ** len(strides), kernel)
        blocks = [
            DecoderBlock(channels * 2**i, stride, latent, kernel, dilations)
            for i, stride in reversed(list(enumerate(strides)))
        ]
        super().__init__(inner, *blocks, ELU(), CausalConv1d(channels, 1, kernel))
