"""The two excitations of the source-filter decoder: band-limited pulses at the target f0, and white noise."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from streamvc.config import FRAME, SAMPLE_RATE
from streamvc.layers.base import StreamingModule
from streamvc.state import State, tensor

_TOP_HZ = 7_800.0
_NOISE_FRAMES = 251


class PulseTrain(StreamingModule):
    """Unit-RMS train of band-limited pulses: f0 in Hz `[batch, n, 320] -> [batch, n, 320]`.

    The sum of all cosines below 7.8 kHz in closed form (the Dirichlet kernel). The state is the phase `[batch, 1]` in
    cycles.
    """

    def initial_state(self, batch: int, like: Tensor) -> State:
        return like.new_zeros(batch, 1)

    def forward(self, f0: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        before = tensor(self.initial_state(f0.shape[0], f0) if state is None else state)
        within = torch.cumsum(f0 / SAMPLE_RATE, dim=-1)
        advance = _fraction(within[..., -1])
        ends = before + torch.cumsum(advance, dim=-1)
        cycles = _fraction(_fraction(ends - advance).unsqueeze(-1) + within)
        harmonics = torch.floor(_TOP_HZ / f0)
        half = math.pi * (cycles - torch.round(cycles))  # half the angle, small at the pulse, where precision counts
        denominator = torch.sin(half)
        near = denominator.abs() < 1e-5
        width = 2 * harmonics + 1
        ratio = torch.sin(width * half) / torch.where(near, torch.ones_like(half), denominator)
        kernel = torch.where(near, width, ratio)
        return 0.5 * (kernel - 1) * torch.sqrt(2 / harmonics), _fraction(ends[:, -1:])


class NoiseTable(StreamingModule):
    """Unit-RMS white noise from a table of 5 s: the same for any blocking, and a reset repeats it bit for bit.

    `forward(frames, state)` gives `[batch, frames, 320]`; the state is the position in frames, `[batch, 1]`.
    """

    table: Tensor

    def __init__(self) -> None:
        super().__init__()
        table = np.random.default_rng(20240103).standard_normal((_NOISE_FRAMES, FRAME))
        self.register_buffer("table", torch.tensor(table, dtype=torch.get_default_dtype()), persistent=False)

    def initial_state(self, batch: int, like: Tensor) -> State:
        return like.new_zeros(batch, 1)

    def forward(self, frames: int, state: State) -> tuple[Tensor, State]:
        position = tensor(state)
        steps = torch.arange(frames, device=position.device, dtype=position.dtype)
        index = torch.remainder(position + steps, _NOISE_FRAMES)
        noise = self.table[index.long()]
        return noise, torch.remainder(position + frames, _NOISE_FRAMES)


def _fraction(x: Tensor) -> Tensor:
    return x - torch.floor(x)
