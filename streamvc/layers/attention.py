"""Causal self-attention over a window of the past, with explicit state."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamvc.layers.base import StreamingModule
from streamvc.state import State, tensor

HIDDEN = -1e4
"""Added to the logit of a key that must not be attended to; finite, so that no row of logits is empty."""


class WindowedBlock(StreamingModule):
    """Pre-norm transformer block `[batch, n, width]` -> `[batch, n, width]` that attends to the last `past + 1` frames.

    Its layers have the shapes of a block of Whisper's encoder (Radford et al. 2022, section 2.2), so that trained
    weights fit. In place of positions each head adds a learned bias to the logit of every distance (as in T5, Raffel et
    al. 2020), since a stream has no beginning from which positions could count.

    With `ahead` frames of future the output is as many frames late: output t describes input t - `ahead`, and attends
    to the inputs from t - `past` to t.

    The state is `(keys, values [batch, past, width], known [batch, past])`, oldest frame first, and where something is
    ahead `waiting [batch, ahead, width]` behind them; `known` is 1 for frames of the stream and 0 before its first one.

    Raises:
        ValueError: the heads do not divide the width.
    """

    def __init__(self, width: int, heads: int, expansion: int, past: int, ahead: int = 0) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads do not divide a width of {width}")
        self.width, self.heads, self.past, self.ahead = width, heads, past, ahead
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.bias = nn.Parameter(torch.zeros(heads, past + 1))
        """Of each head for the keys of the window, the oldest first."""
        self.output = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, expansion * width)
        self.contract = nn.Linear(expansion * width, width)

    def initial_state(self, batch: int, like: Tensor) -> State:
        zeros = like.new_zeros(batch, self.past, self.width)
        waiting = [like.new_zeros(batch, self.ahead, self.width)] * bool(self.ahead)
        return zeros, zeros, like.new_zeros(batch, self.past), *waiting

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        before = self.initial_state(x.shape[0], x) if state is None else state
        keys, values, known, *waiting = (tensor(part) for part in before)
        heard = torch.cat((*waiting, x), dim=1)
        x = heard[:, : x.shape[1]]
        query, key, value = self._project(x, heard[:, self.ahead :])
        key, value = torch.cat((keys, key), dim=1), torch.cat((values, value), dim=1)
        known = torch.cat((known, known.new_ones(x.shape[:2])), dim=1)
        # Without a state nothing came before: keys that nobody may attend to are not worth their products.
        first = self.past if state is None else 0
        mixed = F.scaled_dot_product_attention(
            self._split(query), self._split(key[:, first:]), self._split(value[:, first:]),
            attn_mask=self.window_bias(x.shape[1], known)[..., first:],
        )
        x = x + self.output(mixed.transpose(1, 2).flatten(2))
        x = x + self.contract(F.gelu(self.expand(self.mlp_norm(x))))
        last = key.shape[1] - self.past
        left = [heard[:, heard.shape[1] - self.ahead :]] * bool(self.ahead)
        return x, (key[:, last:], value[:, last:], known[:, last:], *left)

    def window_bias(self, frames: int, known: Tensor) -> Tensor:
        """What is added to the logits of `frames` queries: `[batch, heads, frames, past + frames]`.

        `known [batch, past + frames]` as in the state, this step's own frames included.
        """
        place = torch.arange(self.past + frames, device=known.device)
        place = place - torch.arange(frames, device=known.device).unsqueeze(1)
        inside = (place >= 0) & (place <= self.past)
        bias = torch.where(inside, self.bias[:, place.clamp(0, self.past)], HIDDEN)
        return bias + HIDDEN * (1 - known)[:, None, None, :]

    def logits(self, x: Tensor) -> Tensor:
        """Logits of offline attention without any bias, `[batch, heads, n, n]`: queries of the frames that the keys
        stand for, whatever `ahead` is. For starting values only.
        """
        query, key, _ = self._project(x, x)
        scale = 1 / math.sqrt(self.width // self.heads)
        return self._split(query) @ self._split(key).transpose(2, 3) * scale

    def _project(self, x: Tensor, heard: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries of `x`, keys and values of `heard`, which is `x` where nothing is looked ahead."""
        weight, bias = self.query_key_value.weight, self.query_key_value.bias
        normed = self.attention_norm(heard)
        if self.ahead == 0:
            query, key, value = F.linear(normed, weight, bias).chunk(3, dim=-1)
            return query, key, value
        key, value = F.linear(normed, weight[self.width :], bias[self.width :]).chunk(2, dim=-1)
        return F.linear(self.attention_norm(x), weight[: self.width], bias[: self.width]), key, value

    def _split(self, x: Tensor) -> Tensor:
        """`[batch, n, width] -> [batch, heads, n, width / heads]`."""
        return x.reshape(*x.shape[:2], self.heads, self.width // self.heads).transpose(1, 2)
