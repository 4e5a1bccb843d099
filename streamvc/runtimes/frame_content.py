"""The content encoder in the exported step: one frame of each of `b` streams.

Keys and values of the window lie in rings: a frame takes the place of the oldest, and nothing is moved. What a head
adds to the logit of a place then depends on the age of what lies there, which a counter tells.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamvc.layers.attention import HIDDEN, WindowedBlock
from streamvc.layers.conv import CausalConv1d
from streamvc.model.live import POINTS, ContentEncoder
from streamvc.runtimes.frame_blocks import bias
from streamvc.runtimes.frame_front import Mel
from streamvc.runtimes.operators import gelu, norm, put


class Content(nn.Module):
    """Log mel energies `[b, 160]` -> content units `[b, content]`."""

    def __init__(self, encoder: ContentEncoder) -> None:
        super().__init__()
        blocks = [b for b in encoder.blocks if isinstance(b, WindowedBlock)]
        self.front = Convolutions(encoder)
        self.window = Window(blocks)
        self.blocks = nn.ModuleList(Block(b) for b in blocks)
        self.norm, self.project, self.units = encoder.norm, encoder.project, encoder.project.out_features
        first = blocks[0]
        self.shapes = {**self.front.shapes, "count": 1, "waiting": first.width}
        self.ring = (first.heads, self.window.size, first.width // first.heads)
        self.rings = 2 * len(blocks)

    def forward(
        self, mel: Tensor, state: Mapping[str, Tensor], rings: Sequence[Tensor]
    ) -> tuple[Tensor, dict[str, Tensor], list[Tensor]]:
        """The units, the state after the frame, and the rings: keys and values `[b, heads, size, width / heads]` of
        each block.
        """
        x, after = self.front(mel, state)
        after["count"], after["waiting"] = self.window.next(state["count"]), x
        biases, place = self.window(state["count"])
        query, full = state["waiting"], []
        for block, added, keys, values in zip(self.blocks, biases, rings[::2], rings[1::2], strict=True):
            x, keys, values = block(query, x, added, place, keys, values)
            query = x
            full += [keys, values]
        y = self.project(norm(x, self.norm.weight, self.norm.bias, self.norm.eps))
        return F.layer_norm(y, (self.units,)), after, full


class Convolutions(nn.Module):
    """Both convolutions of the front end: `[b, 2 * bands]` of a frame -> `[b, width]`."""

    rest: Tensor
    position: Tensor

    def __init__(self, encoder: ContentEncoder) -> None:
        super().__init__()
        self.bands, self.width = encoder.conv1.inputs, encoder.conv2.inputs
        factor = Mel.factor
        self.first = _product(encoder.conv1, factor)
        # What is given here is `x / factor - shift` of what the convolution reads.
        weight = encoder.conv1.weight.detach()
        self.first.bias = nn.Parameter(bias(encoder.conv1) + weight.sum(dim=(1, 2)) * factor * Mel.shift, False)
        self.second = _product(encoder.conv2, 1.0)
        self.register_buffer("position", encoder.position.detach())
        past = (encoder.conv1.weight.shape[2] - 1) * self.bands
        # Past inputs that are zero to the convolution.
        self.register_buffer("rest", torch.full((1, past), -Mel.shift, dtype=weight.dtype))
        self.shapes = {"mel": past, "conv": self.width}

    def forward(self, mel: Tensor, state: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        seen, reach = torch.cat((state["mel"], mel), dim=1), self.first.in_features
        rows = torch.cat((seen[:, :reach], seen[:, self.bands : self.bands + reach]), dim=1).reshape(-1, reach)
        pair = gelu(self.first(rows)).reshape(-1, POINTS * self.width)
        x = gelu(self.second(torch.cat((state["conv"], pair), dim=1))) + self.position
        return x, {"mel": seen[:, -state["mel"].shape[1] :], "conv": pair[:, self.width :]}


class Window(nn.Module):
    """Where the rings stand: what all heads of all blocks add to the logit of each place."""

    table: Tensor
    places: Tensor
    head: Tensor
    stream: Tensor
    time: Tensor

    def __init__(self, blocks: Sequence[WindowedBlock]) -> None:
        super().__init__()
        self.size, self.heads, self.count = blocks[0].past + 1, blocks[0].heads, len(blocks)
        # By age of the key; keys that are not known yet have an age of their own.
        known = torch.cat([b.bias.detach() for b in blocks]).flip(1).t()  # [size, blocks * heads]
        self.register_buffer("table", torch.cat((known, torch.full_like(known[:1], HIDDEN))))
        self.register_buffer("places", torch.arange(self.size, dtype=known.dtype))
        heads = torch.zeros(1, self.heads, 3, dtype=torch.long)
        heads[:, :, 1] = torch.arange(self.heads)
        self.register_buffer("head", heads)
        self.register_buffer("stream", torch.tensor([1, 0, 0]))
        self.register_buffer("time", torch.tensor([0, 0, 1]))

    def next(self, count: Tensor) -> Tensor:
        """The counter `[b, 1]` of the next frame: it rises to twice the size and falls back by one size, so that it
        tells place and whether the window is full.
        """
        return torch.where(count + 1 < 2 * self.size, count + 1, count + 1 - self.size)

    def forward(self, count: Tensor) -> tuple[list[Tensor], Tensor]:
        """Biases `[b, heads, 1, size]` of each block, and where this frame goes in a ring: `[b, heads, 3]`."""
        place = torch.remainder(count, self.size)
        age = torch.remainder(place - self.places, self.size)
        age = torch.where(age > count, float(self.size), age).long()
        biases = self.table[age].transpose(1, 2).reshape(-1, self.count, self.heads, 1, self.size)
        parts = torch.split(biases, 1, dim=1)
        streams = torch.cumsum(torch.ones_like(count), dim=0) - 1
        index = self.head + streams.long().unsqueeze(2) * self.stream + place.long().unsqueeze(2) * self.time
        return [b.reshape(-1, self.heads, 1, self.size) for b in parts], index


class Block(nn.Module):
    """A :class:`WindowedBlock` for one frame `[b, width]`."""

    def __init__(self, block: WindowedBlock) -> None:
        super().__init__()
        self.ahead, self.width, self.heads = block.ahead, block.width, block.heads
        self.attention_norm, self.mlp_norm = block.attention_norm, block.mlp_norm
        # The scale of the logits is in the weights of the queries.
        scale = torch.ones(3 * self.width, 1)
        scale[: self.width] = 1 / math.sqrt(self.width // self.heads)
        weight, offset = block.query_key_value.weight.detach(), block.query_key_value.bias.detach()
        weight, offset = weight * scale.to(weight), offset * scale.to(weight)[:, 0]
        sizes = [self.width, 2 * self.width] if self.ahead else [3 * self.width]
        parts = zip(torch.split(weight, sizes), torch.split(offset, sizes), strict=True)
        self.projections = nn.ModuleList(_linear(w, b) for w, b in parts)
        self.output, self.expand, self.contract = block.output, block.expand, block.contract

    def forward(
        self, x: Tensor, heard: Tensor, added: Tensor, place: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What the block makes of `x`, and the rings with `heard` in them; both are one where nothing is ahead."""
        parts = [self.projections[-1](self._norm(heard))]
        if self.ahead:
            parts.insert(0, self.projections[0](self._norm(x)))
        joined = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        query, key, value = torch.split(joined.reshape(-1, 3 * self.heads, self.width // self.heads), self.heads, 1)
        keys, values = put(keys, place, key), put(values, place, value)
        weights = torch.softmax(query.unsqueeze(2) @ keys.transpose(2, 3) + added, dim=-1)
        x = x + self.output((weights @ values).reshape(-1, self.width))
        hidden = gelu(self.expand(norm(x, self.mlp_norm.weight, self.mlp_norm.bias, self.mlp_norm.eps)))
        return x + self.contract(hidden), keys, values

    def _norm(self, x: Tensor) -> Tensor:
        return norm(x, self.attention_norm.weight, self.attention_norm.bias, self.attention_norm.eps)

    def products(self) -> dict[str, nn.Linear]:
        """The large products by their names in this module."""
        projections = {f"projections.{i}": p for i, p in enumerate(self.projections) if isinstance(p, nn.Linear)}
        return {**projections, "output": self.output, "expand": self.expand, "contract": self.contract}


def _product(conv: CausalConv1d, factor: float) -> nn.Linear:
    """A convolution over frames that lie one after the other in a row, oldest first."""
    weight = conv.weight.detach() * factor
    return _linear(weight.permute(0, 2, 1).reshape(weight.shape[0], -1).contiguous(), bias(conv))


def _linear(weight: Tensor, offset: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight, layer.bias = nn.Parameter(weight.contiguous(), False), nn.Parameter(offset, False)
    return layer
