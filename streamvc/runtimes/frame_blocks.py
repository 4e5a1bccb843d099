"""ConvNeXt blocks and convolutions of the exported step: one frame of each of `b` streams."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamvc.layers.conv import CausalConv1d
from streamvc.layers.convnext import ConvNeXtBlock
from streamvc.model.live import FINE
from streamvc.runtimes.operators import gelu, norm, total


class Rings(nn.Module):
    """The depthwise convolutions of all 50 Hz blocks, over the last inputs of all: `[b, widths]` per past frame.

    What the past adds is known before the frame, for all blocks at once. The past frames are arrays of their own,
    oldest first: from step to step the runtime moves them on by one, and nothing is copied.
    """

    past: Tensor
    bias: Tensor

    def __init__(self, blocks: Sequence[ConvNeXtBlock]) -> None:
        super().__init__()
        weight = torch.cat([b.depthwise.weight.detach()[:, 0].t() for b in blocks], dim=1)  # [kernel, widths]
        self.register_buffer("past", weight[:-1].contiguous())
        self.register_buffer("bias", torch.cat([bias(b.depthwise) for b in blocks]))
        self.count, self.size = weight.shape[0] - 1, weight.shape[1]
        self.widths = [b.depthwise.inputs for b in blocks]

    def before(self, rings: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """What the past adds to each block, `[b, width]` each."""
        parts = [ring * weight for ring, weight in zip(rings, torch.split(self.past, 1), strict=True)]
        return torch.split(total(*parts, self.bias), self.widths, dim=1)

    def newest(self, inputs: Sequence[Tensor]) -> Tensor:
        """The frame as a past one, given each block's input `[b, width]`."""
        return torch.cat(tuple(inputs), dim=1)


class Point(nn.Module):
    """The pointwise half of a ConvNeXt block: rows `[n, width]` of normed values -> what they add to the stream."""

    def __init__(self, block: ConvNeXtBlock) -> None:
        super().__init__()
        self.expand, self.reduce, self.scale = block.expand, block.reduce, block.scale
        self.eps = block.norm.eps

    def forward(self, normed: Tensor) -> Tensor:
        hidden = gelu(F.linear(normed, self.expand.weight, self.expand.bias))
        return F.linear(hidden, *self.reduction())

    def reduction(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the second layer, layer scale included.

        Scaled weights instead of scaled outputs: constants, which the runtime works out once when it loads the graph.
        """
        return self.reduce.weight * self.scale.unsqueeze(1), self.reduce.bias * self.scale


class Coarse(nn.Module):
    """A ConvNeXt block at 50 Hz: `[b, width]`, what the past adds to its convolution, gain and offset of its norm."""

    now: Tensor

    def __init__(self, block: ConvNeXtBlock) -> None:
        super().__init__()
        self.point = Point(block)
        self.register_buffer("now", block.depthwise.weight.detach()[:, 0, -1].contiguous())

    def forward(self, x: Tensor, before: Tensor, gain: Tensor, offset: Tensor) -> Tensor:
        added: Tensor = self.point(norm(before + x * self.now, gain, offset, self.point.eps))
        return x + added


class Fine(nn.Module):
    """A ConvNeXt block at 200 Hz: `[b, 4, width]` and past inputs `[b, (kernel - 1) * width]`."""

    weight: Tensor
    bias: Tensor
    reach: Tensor

    def __init__(self, block: ConvNeXtBlock) -> None:
        super().__init__()
        self.point = Point(block)
        weight = block.depthwise.weight.detach()[:, 0].t()
        self.past, self.width = weight.shape[0] - 1, weight.shape[1]
        self.register_buffer("weight", weight.contiguous())
        self.register_buffer("bias", bias(block.depthwise))
        self.register_buffer("reach", torch.arange(FINE).unsqueeze(1) + torch.arange(self.past + 1))

    def forward(self, x: Tensor, past: Tensor, gain: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
        known = torch.cat((past.reshape(-1, self.past, self.width), x), dim=1)
        y = (known[:, self.reach] * self.weight).sum(dim=2) + self.bias
        normed = norm(y, gain.reshape(-1, 1, self.width), offset.reshape(-1, 1, self.width), self.point.eps)
        added = self.point(normed.reshape(-1, self.width)).reshape(-1, FINE, self.width)
        return x + added, known[:, FINE:]


class Front(nn.Module):
    """A causal convolution over whole frames: past inputs `[b, (kernel - 1) * inputs]` and a new one `[b, inputs]`.

    `order` says which input of the convolution each input here is; what is given here is `x / factor - shift` of it.
    """

    rest: Tensor

    def __init__(self, conv: CausalConv1d, order: Tensor, shift: Tensor, factor: Tensor) -> None:
        super().__init__()
        weight = conv.weight.detach()[:, order] * factor.to(conv.weight).unsqueeze(1)
        outputs, self.inputs, kernel = weight.shape
        self.product = nn.Linear(kernel * self.inputs, outputs)
        self.product.weight = nn.Parameter(weight.permute(0, 2, 1).reshape(outputs, -1).contiguous(), False)
        self.product.bias = nn.Parameter(bias(conv) + weight.sum(dim=2) @ shift.to(weight), False)
        self.size = (kernel - 1) * self.inputs
        # Past inputs that are zero to the convolution.
        self.register_buffer("rest", -shift.to(weight).repeat(kernel - 1).unsqueeze(0))

    def forward(self, past: Tensor, now: Tensor) -> tuple[Tensor, Tensor]:
        seen = torch.cat((past, now), dim=1)
        return self.product(seen), seen[:, self.inputs :]


def bias(conv: CausalConv1d) -> Tensor:
    """The bias of a convolution, which all of the live model have."""
    assert conv.bias is not None
    return conv.bias.detach()


def convnext(modules: nn.ModuleList) -> list[ConvNeXtBlock]:
    """The blocks of a list of modules."""
    return [block for block in modules if isinstance(block, ConvNeXtBlock)]
