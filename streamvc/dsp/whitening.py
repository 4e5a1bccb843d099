"""Running whitening of log f0 over voiced estimates (paper, section 2.4)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from streamvc.config import WhiteningConfig
from streamvc.layers.base import StreamingModule
from streamvc.state import State, tensor

_CHUNK = 64


class RunningWhitening(StreamingModule):
    """`(log_f0, voiced)`, each `[batch, n]` -> whitened log f0 `[batch, n]` with zero mean and unit spread when voiced.

    Mean and spread are exponentially forgetting averages over voiced estimates that start from a prior, so that the
    first word is not off. The prior spread is a spread around the speaker's own mean: a speaker far from the prior mean
    is not livelier for that. The state is `[batch, 5]`, all about the prior mean: weight and sum for the mean, with the
    prior; weight, sum and sum of squares of what was heard. Unvoiced estimates neither count nor decay anything, and
    octave errors count only as far as `reach`.
    """

    def __init__(self, config: WhiteningConfig) -> None:
        super().__init__()
        self.config = config
        self.log_keep = math.log1p(-1.0 / config.memory)

    def initial_state(self, batch: int, like: Tensor) -> State:
        c = self.config
        prior = like.new_tensor([c.mean_weight, 0.0, 0.0, 0.0, 0.0])
        return prior.expand(batch, 5).clone()

    def forward(
        self, log_f0: Tensor, voiced: Tensor, state: State | None = None, locked_mean: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """`locked_mean [batch, 1]`: natural log of Hz to use instead of the running mean where it is above zero."""
        sums = tensor(self.initial_state(log_f0.shape[0], log_f0) if state is None else state)
        whitened = []
        for start in range(0, log_f0.shape[1], _CHUNK):
            piece = slice(start, start + _CHUNK)
            value, sums = self._chunk(log_f0[:, piece], voiced[:, piece], sums, locked_mean)
            whitened.append(value)
        return torch.cat(whitened, dim=1), sums

    def _chunk(
        self, log_f0: Tensor, voiced: Tensor, sums: Tensor, locked: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        x = log_f0 - self.config.prior_mean
        age = torch.cumsum(voiced, dim=1)  # how often each sum has decayed by then
        decay = torch.tril(torch.exp(self.log_keep * (age.unsqueeze(2) - age.unsqueeze(1))))  # [batch, n, n]
        kept = torch.exp(self.log_keep * age).unsqueeze(-1) * sums.unsqueeze(1)

        def after(heard: Tensor) -> Tensor:
            added = (voiced, voiced * heard, voiced, voiced * heard, voiced * heard * heard)
            return decay @ torch.stack(added, dim=-1) + kept  # [batch, n, 5]

        running = after(x)
        if self.config.reach > 0:
            # What counts depends on the mean before, which depends on what counted before: every round settles at least
            # one more estimate for good, and few are far off, so that two or three rounds do.
            counted = x
            for _ in range(x.shape[1] + 1):
                means = torch.cat((sums[:, None], running[:, :-1]), dim=1)
                before = means[..., 1] / means[..., 0]
                again = torch.minimum(torch.maximum(x, before - self.config.reach), before + self.config.reach)
                if torch.equal(again, counted):
                    break
                counted = again
                running = after(counted)
        mean = running[..., 1] / running[..., 0]
        if locked is not None:
            mean = torch.where(locked > 0, locked - self.config.prior_mean, mean)
        heard = running[..., 2]
        # The prior has decayed like the first weight, which holds it and what was heard.
        prior = self.config.spread_weight / self.config.mean_weight * (running[..., 0] - heard).clamp(min=0)
        within = (running[..., 4] - running[..., 3] ** 2 / heard.clamp(min=0.5)).clamp(min=0)
        variance = (within + prior * self.config.prior_std**2) / (heard + prior)
        spread = torch.sqrt(variance.clamp(min=self.config.min_std**2))
        return ((x - mean) / spread).clamp(-self.config.clip, self.config.clip), running[:, -1]


class HoldVoiced(StreamingModule):
    """Hold the last voiced value through unvoiced stretches: `(x, voiced)`, each `[batch, n]` -> `[batch, n]`.

    Before the first voiced value it holds 0.
    """

    def initial_state(self, batch: int, like: Tensor) -> State:
        return like.new_zeros(batch, 1)

    def forward(self, x: Tensor, voiced: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        last = tensor(self.initial_state(x.shape[0], x) if state is None else state)
        pieces = []
        for start in range(0, x.shape[1], _CHUNK):
            piece = slice(start, start + _CHUNK)
            held = self._chunk(x[:, piece], voiced[:, piece], last)
            last = held[:, -1:]
            pieces.append(held)
        return torch.cat(pieces, dim=1), last

    @staticmethod
    def _chunk(x: Tensor, voiced: Tensor, before: Tensor) -> Tensor:
        values = torch.cat((before, x), dim=1)
        known = F.pad(voiced, (1, 0), value=1.0)
        count = values.shape[1]
        # The index of the last known value up to each time, by a masked maximum: no loop, and it exports.
        steps = torch.arange(count, device=x.device)
        reachable = (known > 0).unsqueeze(1) & (steps.unsqueeze(0) <= steps.unsqueeze(1))
        index = torch.where(reachable, steps.expand_as(reachable), torch.zeros_like(steps)).amax(dim=-1)
        return values.gather(1, index)[:, 1:]
