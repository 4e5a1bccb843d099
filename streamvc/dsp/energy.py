"""Frame energy."""

from __future__ import annotations

import torch
from torch import Tensor

from streamvc.layers.base import StreamingModule
from streamvc.layers.conv import Windows
from streamvc.state import State

ENERGY_FLOOR = 1e-10
"""-100 dB: what digital silence counts as."""


class LogEnergy(StreamingModule):
    """Natural log of the Hann-weighted RMS: `[batch, 1, n * hop] -> [batch, 1, n]`, 0 at full-scale square wave.

    Step j reads the `size` samples that end at `(j + 1) * hop`. A window of several pitch periods is needed, or the
    source's own pulses show in it.
    """

    window: Tensor

    def __init__(self, size: int, hop: int) -> None:
        super().__init__()
        self.windows = Windows(size, hop)
        window = torch.hann_window(size, periodic=True)
        self.register_buffer("window", window / window.sum(), persistent=False)

    def initial_state(self, batch: int, like: Tensor) -> State:
        return self.windows.initial_state(batch, like)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        frames, state = self.windows(x, state)
        power = (frames * frames) @ self.window
        return 0.5 * torch.log(power + ENERGY_FLOOR).unsqueeze(1), state
