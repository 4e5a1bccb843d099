"""Whisper's log-mel, against its definition and on our frame grid."""

import numpy as np
import pytest
import torch

from streamvc.errors import CorpusError
from streamvc.training.units.mel import log_mel, mel_filters


def test_filters_are_triangles_of_one_area() -> None:
    filters = mel_filters().double().numpy()
    assert filters.shape == (80, 201)
    assert (filters >= 0).all()
    assert (filters.sum(axis=1) > 0).all()
    # area 1 over frequency, as far as bins of 40 Hz can tell; narrow filters hold one or two bins
    assert filters[50:].sum(axis=1) * 40 == pytest.approx(np.ones(30), abs=0.03)
    peaks = filters.argmax(axis=1) * 40
    assert (np.diff(peaks) >= 0).all()
    # Slaney's scale is linear to 1 kHz: 15 mel there, 45.245 at 8 kHz, 82 edges
    below = int((peaks < 1000).sum())
    assert abs(below - 81 * 15 / 45.245) < 2


def test_a_tone_lies_in_its_band() -> None:
    samples = 0.5 * torch.sin(2 * torch.pi * 2000 * torch.arange(16_000) / 16_000)
    mel = log_mel(samples)
    band = int(mel[:, 50].argmax())
    assert mel_filters()[band].argmax() * 40 == pytest.approx(2000, abs=60)
    assert mel.max() == mel[band].max()


def test_range_is_eight_decades_over_four() -> None:
    mel = log_mel(0.1 * torch.randn(16_000, generator=torch.Generator().manual_seed(0)) * torch.linspace(0, 1, 16_000))
    assert mel.shape == (80, 100)
    assert float(mel.max() - mel.min()) <= 2.0 + 1e-6
    # ten times the amplitude is two decades of power, a quarter of which is 0.5
    assert torch.allclose(log_mel(torch.ones(3200) * 0.0 + _tone(10)), log_mel(_tone(1)) + 0.5, atol=1e-4)


def _tone(gain: float) -> torch.Tensor:
    return gain * 0.01 * torch.sin(2 * torch.pi * 440 * torch.arange(3200) / 16_000)


@pytest.mark.parametrize(("shift", "sample"), [(0, 3200), (160, 3200 + 160), (160, 6400 + 160)])
def test_frames_have_their_centre_where_promised(shift: int, sample: int) -> None:
    samples = torch.zeros(9600)
    samples[sample] = 1.0
    energy = log_mel(samples, shift)
    frame = int(energy.sum(dim=0).argmax())
    assert 160 * frame + shift == sample


def test_a_label_frame_and_an_encoder_frame_have_one_centre() -> None:
    # the encoder's second convolution has a stride of 2 and sees mel frames 2i - 1 to 2i + 1
    samples = torch.zeros(9600)
    label = 7
    samples[320 * label + 160] = 1.0
    energy = log_mel(samples).sum(dim=0)
    assert int(energy.argmax()) == 2 * label
    assert energy[2 * label - 1] == pytest.approx(float(energy[2 * label + 1]), abs=1e-3)


@pytest.mark.parametrize("size", [0, 320, 1000])
def test_refuses_what_the_packer_does_not_write(size: int) -> None:
    with pytest.raises(CorpusError, match="cannot be labelled"):
        log_mel(torch.zeros(size))
