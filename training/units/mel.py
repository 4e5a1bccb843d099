"""The log-mel spectrogram that Whisper hears (Radford et al. 2022, section 2.2), placed on our frame grid.

Whisper centres its mel frames at multiples of 160 samples, and its encoder, which has a stride of 2, at multiples of
320. Our label frame i covers samples 320 i to 320 i + 319 and has its centre at 320 i + 160. So the windows here
stand 160 samples later than Whisper's own: then encoder frame i and label frame i have the same centre.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from streamvc.config import FRAME
from streamvc.dsp.mel import slaney_filterbank
from streamvc.errors import CorpusError

WINDOW = 400
HOP = 160
BANDS = 80


@cache
def mel_filters() -> Tensor:
    """Triangular filters of equal area, [80, 201], from 0 to 8000 Hz."""
    return torch.from_numpy(slaney_filterbank(BANDS, WINDOW).T.copy())


def log_mel(samples: Tensor, shift: int = FRAME // 2) -> Tensor:
    """Log-mel of one utterance, scaled as Whisper scales it.

    Args:
        samples: [samples] at 16 kHz, a multiple of 320 and at least 640 long.
        shift: where the centre of frame 0 lies, samples; 0 is Whisper's own grid, 160 is ours.

    Returns:
        [80, samples / 160]; frame m has its centre at sample 160 m + `shift`.

    Raises:
        CorpusError: the length is not one that the packer writes.
    """
    if samples.ndim != 1 or samples.numel() < 2 * FRAME or samples.numel() % FRAME:
        raise CorpusError(
            f"an utterance of {samples.numel()} samples cannot be labelled; pack it again in whole frames of {FRAME}."
        )
    return log_mel_rows(samples[None], shift)[0]


def log_mel_rows(samples: Tensor, shift: int = FRAME // 2) -> Tensor:
    """:func:`log_mel` of rows of whole frames, differentiable: `[batch, samples] -> [batch, 80, samples / 160]`."""
    left = WINDOW // 2 - shift
    right = WINDOW // 2 - HOP + shift
    padded = torch.nn.functional.pad(samples, (left, right), mode="reflect")
    window = torch.hann_window(WINDOW, dtype=samples.dtype, device=samples.device)
    spectrum = torch.stft(padded, WINDOW, HOP, window=window, center=False, return_complex=True)
    power = spectrum.abs().square()
    logarithm = (mel_filters().to(power) @ power).clamp_min(1e-10).log10()
    return (torch.maximum(logarithm, logarithm.amax(dim=(1, 2), keepdim=True) - 8.0) + 4.0) / 4.0
