"""Causal convolution with explicit state."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamvc.layers.base import StreamingModule
from streamvc.state import State, tensor


class CausalConv1d(StreamingModule):
    """Strided, dilated causal convolution: output j reads inputs up to sample `(j + 1) * stride - 1`.

    `[batch, in, n * stride] -> [batch, out, n]`; the state is the last `(kernel - 1) * dilation + 1 - stride` inputs.

    Raises:
        ValueError: the kernel is shorter than the stride, or a chunk is not a multiple of the stride.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1, groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.context = (kernel - 1) * dilation + 1 - stride
        if self.context < 0:
            raise ValueError(f"kernel {kernel} with dilation {dilation} does not reach over stride {stride}")
        self.inputs, self.stride, self.dilation, self.groups = inputs, stride, dilation, groups
        conv = nn.Conv1d(inputs, outputs, kernel, stride, dilation=dilation, groups=groups, bias=bias)
        self.weight, self.bias = conv.weight, conv.bias

    def initial_state(self, batch: int, like: Tensor) -> State:
        return like.new_zeros(batch, self.inputs, self.context)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        if x.shape[-1] % self.stride:
            raise ValueError(f"a chunk of {x.shape[-1]} samples is not a multiple of the stride {self.stride}")
        before = tensor(self.initial_state(x.shape[0], x) if state is None else state)
        x = torch.cat((before, x), dim=-1)
        y = F.conv1d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)
        return y, x[..., x.shape[-1] - self.context :]


class Delay(StreamingModule):
    """A pure delay of `length` time steps: how look-ahead is declared for streams that wait for others."""

    def __init__(self, channels: int, length: int) -> None:
        super().__init__()
        self.channels, self.length = channels, length

    def initial_state(self, batch: int, like: Tensor) -> State:
        return like.new_zeros(batch, self.channels, self.length)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        before = tensor(self.initial_state(x.shape[0], x) if state is None else state)
        x = torch.cat((before, x), dim=-1)
        cut = x.shape[-1] - self.length
        return x[..., :cut], x[..., cut:]


class Windows(StreamingModule):
    """Overlapping windows of a mono stream: `[batch, 1, n * hop] -> [batch, n, size]`; window j ends at `(j+1) * hop`.

    Raises:
        ValueError: the window is shorter than the hop, or a chunk is not a multiple of the hop.
    """

    def __init__(self, size: int, hop: int) -> None:
        super().__init__()
        if size < hop:
            raise ValueError(f"a window of {size} samples does not reach over a hop of {hop}")
        self.size, self.hop = size, hop

    def initial_state(self, batch: int, like: Tensor) -> State:
        return like.new_zeros(batch, 1, self.size - self.hop)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        if x.shape[-1] % self.hop:
            raise ValueError(f"a chunk of {x.shape[-1]} samples is not a multiple of the hop {self.hop}")
        before = tensor(self.initial_state(x.shape[0], x) if state is None else state)
        x = torch.cat((before, x), dim=-1)
        count = (x.shape[-1] - self.size) // self.hop + 1
        # Slices rather than unfold: they export to any runtime, and a step has only a few windows.
        if count <= 4:
            windows = torch.stack([x[:, 0, i * self.hop : i * self.hop + self.size] for i in range(count)], dim=1)
        else:
            windows = x[:, 0].unfold(-1, self.size, self.hop)
        return windows, x[..., x.shape[-1] - (self.size - self.hop) :]
