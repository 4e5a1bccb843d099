"""Log-mel front end."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streamvc.dsp.mel import SILENCE, LogMel, hz_to_mel, mel_filterbank, mel_to_hz, slaney_filterbank
from streamvc.training.units.mel import log_mel


def test_the_mel_scale_has_its_fixed_points_and_inverts():
    assert hz_to_mel(np.array(0.0)) == 0
    assert hz_to_mel(np.array(1000.0)) == pytest.approx(1000.0, rel=1e-3)
    hz = np.linspace(0, 8000, 50)
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hz)), hz, atol=1e-9)


def test_filters_are_triangles_that_add_up_to_one_between_the_first_and_last_peak():
    bank = mel_filterbank(40, 4096)
    assert bank.shape == (2049, 40)
    assert bank.min() == 0
    peaks = bank.argmax(axis=0)
    assert (np.diff(peaks) > 0).all()
    np.testing.assert_allclose(bank[peaks[0] + 1 : peaks[-1]].sum(axis=1), 1.0, atol=1e-5)
    assert (np.diff(bank[:, 20][bank[:, 20] > 0]) != 0).all()


def test_every_filter_of_the_live_model_sees_a_bin():
    assert (mel_filterbank(80, 512).sum(axis=0) > 0).all()


def test_warping_moves_the_filters_up():
    plain, warped = mel_filterbank(40, 4096), mel_filterbank(40, 4096, warp=1.1)
    ratio = warped.argmax(axis=0)[5:] / plain.argmax(axis=0)[5:]
    np.testing.assert_allclose(ratio, 1.1, rtol=0.02)


@pytest.mark.parametrize("transform", ["fft", "matmul"])
@pytest.mark.parametrize("chunk", [1, 2, 7])
def test_it_streams(check_streaming, voice, dtype, chunk, transform):
    mel = LogMel(80, 512, 160, transform).to(dtype)
    check_streaming(mel, voice(40 * 160, dtype=dtype)[None, None], [chunk], unit=160)


def test_the_two_transforms_agree(voice):
    x = voice(40 * 160, dtype=torch.float32)[None, None]
    torch.testing.assert_close(LogMel(80, 512, 160, "matmul")(x)[0], LogMel(80, 512, 160)(x)[0], rtol=0, atol=1e-3)


@pytest.mark.parametrize("position", [0, 159, 160, 1000])
def test_a_sample_is_in_the_windows_that_cover_it_and_no_other(changed_outputs, voice, position):
    mel = LogMel(80, 512, 160).double()
    changed = changed_outputs(mel, voice(20 * 160)[None, None], position)
    covering = {j for j in range(20) if (j + 1) * 160 - 512 <= position < (j + 1) * 160}
    # The window's first sample has weight zero.
    assert changed == covering - {(position + 512) // 160 - 1 if (position + 512) % 160 == 0 else -1}


def test_a_tone_is_in_its_band():
    time = torch.arange(16_000) / 16_000
    bank = slaney_filterbank(80, 400)
    for hz in (200.0, 1000.0, 5000.0):
        features, _ = LogMel(80, 400, 160)(torch.sin(2 * torch.pi * hz * time)[None, None])
        assert features[0, :, 50].argmax() == bank[round(hz * 400 / 16_000)].argmax()


def test_silence_is_the_floor_and_ten_times_the_level_one_step_up(voice):
    mel = LogMel(80, 512, 160)
    silence = mel(torch.zeros(1, 1, 1600))[0]
    torch.testing.assert_close(silence, torch.full_like(silence, SILENCE))
    loud = voice(3200, dtype=torch.float32)[None, None] + 0.1 * torch.randn(1, 1, 3200)
    step = (mel(10 * loud)[0] - mel(loud)[0])[..., 5:]
    torch.testing.assert_close(step, torch.full_like(step, 2 / 4), rtol=0, atol=1e-3)


def test_another_filterbank_per_stream(voice):
    mel = LogMel(80, 512, 160)
    x = voice(3200, dtype=torch.float32).expand(2, 1, -1)
    warped = torch.from_numpy(slaney_filterbank(80, 512, warp=1.15))
    features, _ = mel(x, None, torch.stack((mel.mel, warped)))
    assert torch.equal(features[:1], mel(x[:1])[0])
    assert (features[1] - features[0]).abs().max() > 0.05


def test_it_is_what_whisper_hears_but_for_the_floor(voice):
    """Window, filters and scale are Whisper's, whose frames have their centres at multiples of the hop."""
    x = voice(3200, dtype=torch.float32) + 0.01 * torch.randn(3200)
    ours = LogMel(80, 400, 160)(x[None, None])[0][0]
    # The window of our step j ends at 160 (j + 1), so its centre is 160 (j + 1) - 200: 40 samples before one of theirs.
    theirs = log_mel(x, 120)
    torch.testing.assert_close(ours[:, 2:], theirs[:, 1:-1], rtol=0, atol=1e-3)


def test_a_warped_filter_hears_what_lies_higher():
    plain, warped = slaney_filterbank(80, 4096), slaney_filterbank(80, 4096, warp=1.1)
    centre = (np.arange(2049)[:, None] * plain).sum(axis=0) / plain.sum(axis=0)
    moved = (np.arange(2049)[:, None] * warped).sum(axis=0) / warped.sum(axis=0)
    np.testing.assert_allclose((moved / centre)[10:60], 1.1, rtol=0.02)
