"""Multi-scale spectral reconstruction loss (paper, section 2.6; scales as in SoundStream, equation 5)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from streamvc.dsp.mel import mel_filterbank

_SCALES = ((256, 40), (512, 64), (1024, 80), (2048, 120))
"""Window in samples and mel bands; hops are a quarter of the window."""
_FLOOR = 1e-5


class SpectralLoss(nn.Module):
    """Mean absolute difference of log-mel and, with `linear` weight, of log spectra, averaged over the scales.

    Magnitudes only: the decoder's pulses have a phase of their own.
    """

    def __init__(self, linear: float = 0.3) -> None:
        super().__init__()
        self.linear = linear
        for size, bands in _SCALES:
            self.register_buffer(f"window{size}", torch.hann_window(size), persistent=False)
            self.register_buffer(f"mel{size}", torch.from_numpy(mel_filterbank(bands, size)), persistent=False)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Both `[batch, samples]`; returns a scalar in nepers."""
        total = output.new_zeros(())
        for size, _ in _SCALES:
            window, mel = getattr(self, f"window{size}"), getattr(self, f"mel{size}")
            a, b = (_power(x, size, window) for x in (output, target))
            total = total + _log_distance(a @ mel, b @ mel) + self.linear * _log_distance(a, b)
        return total / len(_SCALES)


def _power(x: Tensor, size: int, window: Tensor) -> Tensor:
    spectrum = torch.stft(x, size, size // 4, window=window, center=False, return_complex=True)
    return (spectrum.real.square() + spectrum.imag.square()).transpose(1, 2)


def _log_distance(a: Tensor, b: Tensor) -> Tensor:
    # Half the log of power is the log of magnitude; the floor is about -50 dB under a loud band.
    return 0.5 * (torch.log(a + _FLOOR) - torch.log(b + _FLOOR)).abs().mean()
