"""Latents of a speech encoder, spread over all directions."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from streamvc.config import LiveConfig
from streamvc.model.live import SpeechEncoder
from streamvc.training.whitening import solve, whiten_encoder, whitener


@pytest.fixture
def encoder() -> SpeechEncoder:
    """One whose latents lie near a line, as those of trained encoders do."""
    torch.manual_seed(0)
    built = SpeechEncoder(replace(LiveConfig(), speech_width=32, speech_blocks=1, latent_dim=8)).eval()
    with torch.no_grad():
        built.project.weight.mul_(torch.logspace(0, -2, 8).unsqueeze(1))
        built.project.bias.copy_(torch.randn(8))
    return built


def test_white_latents_have_no_mean_and_no_main_direction() -> None:
    torch.manual_seed(0)
    latents = torch.randn(4000, 6) * torch.tensor([3.0, 2, 1, 1, 0.5, 0.5]) @ torch.randn(6, 6) + 5
    mean, matrix = whitener(latents, shrink=0.0)
    white = (latents - mean) @ matrix
    torch.testing.assert_close(white.mean(dim=0), torch.zeros(6), atol=1e-3, rtol=0)
    torch.testing.assert_close(torch.cov(white.T), torch.eye(6), atol=1e-2, rtol=0)


def test_what_hardly_varies_is_not_blown_up() -> None:
    torch.manual_seed(0)
    latents = torch.randn(1000, 3) * torch.tensor([1.0, 1.0, 1e-6])
    mean, matrix = whitener(latents)
    assert ((latents - mean) @ matrix).std(dim=0)[2] < 1e-4


def test_an_encoder_gives_the_latents_that_it_says_and_they_are_spread(encoder: SpeechEncoder) -> None:
    mels = [torch.randn(20, 80, 24) + 2 * torch.randn(20, 80, 1) for _ in range(10)]
    with torch.no_grad():
        before = torch.cat([encoder(mel) for mel in mels])
        said = whiten_encoder(encoder, mels)
        after = torch.cat([encoder(mel) for mel in mels])
    torch.testing.assert_close(said, after, atol=1e-4, rtol=1e-4)

    def directions(latents: torch.Tensor) -> float:
        """How many the variance is shared by."""
        variances = torch.linalg.eigvalsh(torch.cov(latents.T))
        return float(variances.sum() ** 2 / variances.square().sum())

    assert directions(after) > 1.5 * directions(before)
    assert after.mean(dim=0).norm() < 0.3 * before.mean(dim=0).norm()


def test_a_layer_is_solved() -> None:
    torch.manual_seed(0)
    inputs, layer, true = torch.randn(3000, 8), nn.Linear(8, 3), nn.Linear(8, 3)
    solve(layer, inputs, true(inputs))
    torch.testing.assert_close(layer.weight, true.weight, atol=1e-2, rtol=0)
    torch.testing.assert_close(layer.bias, true.bias, atol=1e-2, rtol=0)
