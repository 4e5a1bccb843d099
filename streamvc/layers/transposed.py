"""Causal transposed convolution with explicit state."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamvc.layers.base import StreamingModule
from streamvc.state import State, tensor


class CausalConvTranspose1d(StreamingModule):
    """Causal up-sampling: input n adds to the outputs `n * stride` to `n * stride + kernel - 1`.

    `[batch, in, n] -> [batch, out, n * stride]`. The responses to the last inputs reach past the end of a step; that
    tail of `kernel - stride` samples is the state. It is kept without the bias, which every output gets exactly once.

    Raises:
        ValueError: the kernel is shorter than the stride, which would leave outputs that no input reaches.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, bias: bool = True) -> None:
        super().__init__()
        if kernel < stride:
            raise ValueError(f"kernel {kernel} does not reach over stride {stride}")
        self.outputs, self.stride, self.tail = outputs, stride, kernel - stride
        conv = nn.ConvTranspose1d(inputs, outputs, kernel, stride, bias=bias)
        self.weight, self.bias = conv.weight, conv.bias

    def initial_state(self, batch: int, like: Tensor) -> State:
        return like.new_zeros(batch, self.outputs, self.tail)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        before = tensor(self.initial_state(x.shape[0], x) if state is None else state)
        count = x.shape[-1] * self.stride
        y = F.conv_transpose1d(x, self.weight, None, self.stride)
        y = torch.cat((y[..., : self.tail] + before, y[..., self.tail :]), dim=-1)
        now, tail = y[..., :count], y[..., count:]
        return (now if self.bias is None else now + self.bias.unsqueeze(-1)), tail
