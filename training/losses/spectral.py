"""Spectral reconstruction losses: the one behind the shipped weights, and the paper's.

Both compare magnitudes only, and only frames whose whole window is speech: `lengths [batch]` counts the samples of
speech at the front of each row (training/losses/masking.py).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from streamvc.dsp.mel import mel_filterbank
from streamvc.training.losses.masking import masked_mean, within

_SCALES = ((256, 40), (512, 64), (1024, 80), (2048, 120))
"""Window in samples and mel bands; hops are a quarter of the window."""
_FLOOR = 1e-5
_PAPER_SCALES = tuple(2**i for i in range(6, 12))
_PAPER_BANDS = 64
_PAPER_FLOOR = math.sqrt(_FLOOR)
"""The same for magnitudes; without one, the logs of silence would be all that counts."""
_TINY = 1e-10
_SMALLEST_TRANSFORM = 256
"""Points below which some of 64 mel bands have no bin (7 with 128, 19 with 64)."""


class SpectralLoss(nn.Module):
    """Mean absolute difference of log-mel and, with `linear` weight, of log spectra, averaged over four scales.

    Its decoder's pulses have a phase of their own, and its filters no fine gains to learn from linear magnitudes.
    """

    def __init__(self, linear: float = 0.3) -> None:
        super().__init__()
        self.linear = linear
        for size, bands in _SCALES:
            self.register_buffer(f"window{size}", torch.hann_window(size), persistent=False)
            self.register_buffer(f"mel{size}", torch.from_numpy(mel_filterbank(bands, size)), persistent=False)

    def forward(self, output: Tensor, target: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Both `[batch, samples]`; returns a scalar in nepers."""
        total = output.new_zeros(())
        for size, _ in _SCALES:
            window, mel = getattr(self, f"window{size}"), getattr(self, f"mel{size}")
            a, b = (_power(x, size, size, window) for x in (output, target))
            counted = _whole_frames(lengths, size, a.shape[1])
            distance = _log_distance(a @ mel, b @ mel, counted) + self.linear * _log_distance(a, b, counted)
            total = total + distance
        return total / len(_SCALES)


class PaperSpectralLoss(nn.Module):
    """Multi-scale spectral reconstruction of SoundStream (section III-E, equations 4 and 5), which StreamVC uses.

    For windows s of 64 to 2,048 samples and hops of s / 4: the L1 distance of frames of 64-band mel spectra, and
    sqrt(s / 2) times the L2 distance of their logs.

    The paper writes sums over frames, bands and scales; here they are averages (root mean squares for L2). Its other
    terms are averages too, and its weights suit no other reading: added up, the gradient of this loss was 100,000 times
    that of the adversarial one (docs/training-losses.md). Windows of 64 and 128 samples are transformed with zeros
    behind them, so that each of the 64 bands has a bin; their bands are scaled to what they would add up without.
    """

    def __init__(self) -> None:
        super().__init__()
        for size in _PAPER_SCALES:
            points = max(size, _SMALLEST_TRANSFORM)
            self.register_buffer(f"window{size}", torch.hann_window(size), persistent=False)
            mel = torch.from_numpy(mel_filterbank(_PAPER_BANDS, points)) * (size / points)
            self.register_buffer(f"mel{size}", mel, persistent=False)

    def forward(self, output: Tensor, target: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Both `[batch, samples]`, full scale 1; returns a scalar."""
        total = output.new_zeros(())
        for size in _PAPER_SCALES:
            window, mel = getattr(self, f"window{size}"), getattr(self, f"mel{size}")
            points = max(size, _SMALLEST_TRANSFORM)
            # The root of what is added to power keeps the gradient of a magnitude finite at 0.
            a, b = (((_power(x, size, points, window) + _TINY).sqrt() @ mel) for x in (output, target))
            counted = _whole_frames(lengths, size, a.shape[1])
            linear = (a - b).abs().mean(dim=-1)
            logs = torch.log(a + _PAPER_FLOOR) - torch.log(b + _PAPER_FLOOR)
            # The norm has no gradient at 0, where nothing is to be learnt either.
            logarithmic = (logs.square().mean(dim=-1) + _TINY).sqrt() - math.sqrt(_TINY)
            total = total + masked_mean(linear + math.sqrt(size / 2) * logarithmic, counted)
        return total / len(_PAPER_SCALES)


def _power(x: Tensor, size: int, points: int, window: Tensor) -> Tensor:
    """Power of windows of `size` samples, transformed with `points`: `[batch, frames, points // 2 + 1]`."""
    frames = x.unfold(1, size, size // 4) * window
    spectrum = torch.fft.rfft(frames, points)
    power: Tensor = spectrum.real.square() + spectrum.imag.square()
    return power


def _whole_frames(lengths: Tensor | None, size: int, frames: int) -> Tensor | None:
    """Which frames of `size` samples, a quarter of that apart, lie in the speech: `[batch, frames]`."""
    if lengths is None:
        return None
    return within((lengths - size) // (size // 4) + 1, frames)


def _log_distance(a: Tensor, b: Tensor, counted: Tensor | None) -> Tensor:
    # Half the log of power is the log of magnitude; the floor is about -50 dB under a loud band.
    return 0.5 * masked_mean((torch.log(a + _FLOOR) - torch.log(b + _FLOOR)).abs(), counted, dim=1)
