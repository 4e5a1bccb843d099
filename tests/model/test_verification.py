"""The speech encoder that is a verifier's network: its front end, and what it is told not to hear."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from streamvc.config import FRAME, get_config
from streamvc.errors import ConfigError
from streamvc.model import build_model
from streamvc.model.verification import BANDS, EMBEDDING, WINDOW, VerificationEncoder, slaney_filterbank


@pytest.fixture(scope="module")
def encoder() -> VerificationEncoder:
    torch.manual_seed(0)
    return VerificationEncoder(64).double().eval().requires_grad_(False)


def test_filters_have_unit_area_and_slaneys_centres():
    bank = slaney_filterbank(40, 400).astype(np.float64)
    assert bank.shape == (201, 40)
    # 40 Hz bins: the narrow low filters fall between them, so areas are exact for the wide ones only.
    assert bank[:, 20:].sum(axis=0) * 40 == pytest.approx(np.ones(20), abs=0.02)
    # Values of the Auditory Toolbox's scale: 1 kHz is mel 15, 6.4 kHz is mel 42; 8 kHz is 45.2457.
    centres = np.arange(1, 41) * 45.2457 / 41
    hz = np.where(centres < 15, centres * 200 / 3, 1_000 * 6.4 ** ((centres - 15) / 27))
    found = (bank * np.arange(201)[:, None] * 40).sum(axis=0) / bank.sum(axis=0)
    assert found[20:] == pytest.approx(hz[20:], rel=0.02)


def test_a_tone_is_heard_in_its_band_with_its_power(encoder):
    time = torch.arange(100 * FRAME, dtype=torch.float64) / 16_000
    mel = encoder.features(torch.sin(2 * np.pi * 2_000 * time)[None])[0]
    assert mel.shape == (200, BANDS)
    loudest = int(mel[100].argmax())
    bank = slaney_filterbank(40, 400)
    assert loudest == int(bank[50].argmax())  # bin 50 is 2 kHz
    # A Hann window of 400 gives a sine a peak of 100; half of it stands in each neighbouring bin.
    power = np.array([50.0, 100.0, 50.0]) ** 2
    assert float(mel[100, loudest]) == pytest.approx(float(power @ bank[49:52, loudest]), rel=1e-3)


def test_embeddings_of_windows_are_averaged(encoder):
    mel = torch.rand(1, 2 * WINDOW, BANDS, dtype=torch.float64)
    windows = torch.cat([mel[:, s : s + WINDOW] for s in (0, 80, 160)])
    mean = encoder.embedding(windows).mean(dim=0)
    assert encoder.embedding(mel)[0] == pytest.approx(mean / mean.norm(), abs=1e-9)
    assert encoder.embedding(mel).shape == (1, EMBEDDING)


def test_short_speech_is_repeated(encoder):
    mel = torch.rand(1, 50, BANDS, dtype=torch.float64)
    assert torch.equal(encoder.embedding(mel), encoder.embedding(mel.repeat(1, 4, 1)[:, :WINDOW]))


@pytest.mark.parametrize("kept", [(0, 30), (10, 90), (0, 100), (20, 21)])
def test_frames_that_do_not_count_are_cut_out(encoder, kept):
    mel = torch.rand(2, 200, BANDS, dtype=torch.float64)
    mask = torch.zeros(2, 100, dtype=torch.bool)
    mask[0, slice(*kept)] = True
    mask[1] = True
    found = encoder.embedding(mel, mask)
    assert found[0] == pytest.approx(encoder.embedding(mel[:1, 2 * kept[0] : 2 * kept[1]])[0], abs=1e-9)
    assert found[1] == pytest.approx(encoder.embedding(mel[1:])[0], abs=1e-9)


def test_latents_are_layer_normed(encoder):
    latent = encoder.latent(20 * torch.rand(3, EMBEDDING, dtype=torch.float64))
    assert latent.mean(dim=1).abs().max() < 1e-9
    assert latent.norm(dim=1) == pytest.approx(torch.full((3,), 8.0), abs=1e-3)


def test_an_unknown_speech_encoder_is_refused():
    with pytest.raises(ConfigError, match="'resnet'; choose convnext or verification"):
        build_model(dataclasses.replace(get_config("live"), speech="resnet"))
