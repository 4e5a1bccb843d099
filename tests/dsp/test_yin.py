"""Streaming YIN: right on tones, silent about noise and silence, ordered by threshold."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from streamvc.config import SAMPLE_RATE, YinConfig
from streamvc.dsp.yin import Yin

CONFIG = YinConfig()
TIME = torch.arange(8000, dtype=torch.float64) / SAMPLE_RATE


def estimate(x: torch.Tensor, config: YinConfig = CONFIG) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """f0 in Hz, voiced and CMNDF, each [thresholds, n], once the first window is full."""
    y, _ = Yin(config).double()(x[None, None])
    full = math.ceil(config.span / config.hop)
    log_f0, voiced, cmndf = (y[0, i::3, full:] for i in range(3))
    return log_f0.exp(), voiced, cmndf


@pytest.mark.parametrize("hz", [60, 71.3, 85, 100, 123.4, 150, 200, 257, 310, 400, 450.5, 500, 555, 600])
@pytest.mark.parametrize("level", [0.02, 0.9])
def test_pure_tones_are_right_within_half_a_percent(hz, level):
    f0, voiced, _ = estimate(level * torch.sin(2 * torch.pi * hz * TIME + 0.3))
    assert voiced.all()
    assert (f0 / hz - 1).abs().max() < 0.005


@pytest.mark.parametrize("hz", [60, 95, 150, 210, 333, 480, 600])
@pytest.mark.parametrize("tilt", [1, 2])
def test_harmonic_tones_are_right(hz, tilt):
    """Tilts of 6 and 12 dB per octave: those of voices. A flat spectrum needs lags between the samples."""
    count = int(7000 / hz)
    phases = np.random.default_rng(1).uniform(0, 2 * np.pi, count)
    x = sum(torch.sin(2 * torch.pi * k * hz * TIME + phases[k - 1]) / k**tilt for k in range(1, count + 1))
    f0, voiced, _ = estimate(0.1 * x)
    assert voiced[-1].all()
    assert (f0[-1] / hz - 1).abs().max() < 0.005


def test_a_missing_fundamental_is_found():
    x = sum(torch.sin(2 * torch.pi * k * 150 * TIME) for k in range(3, 9))
    f0, voiced, _ = estimate(0.1 * x)
    assert voiced[-1].all()
    assert (f0[-1] / 150 - 1).abs().max() < 0.005


@pytest.mark.parametrize("level", [0.001, 0.01, 0.3])
def test_white_noise_is_unvoiced(level):
    f0, voiced, cmndf = estimate(level * torch.randn(16_000, dtype=torch.float64))
    assert voiced.mean() < 0.01
    assert f0.isfinite().all()
    assert cmndf.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [0.0, 0.5])
def test_silence_and_a_constant_are_unvoiced_and_finite(dtype, value):
    y, _ = Yin(CONFIG).to(dtype)(torch.full((1, 1, 8000), value, dtype=dtype))
    full = math.ceil(CONFIG.span / CONFIG.hop)
    assert y.isfinite().all()
    assert not y[:, 1::3, full:].any()


def test_a_faint_hum_counts_as_silence():
    _, voiced, _ = estimate(1e-4 * torch.sin(2 * torch.pi * 100 * TIME))
    assert not voiced.any()


def test_looser_thresholds_call_more_voiced(voice):
    breath = torch.linspace(0, 0.05, 48_000, dtype=torch.float64)
    _, voiced, cmndf = estimate(voice(48_000) + breath * torch.randn(48_000, dtype=torch.float64))
    assert (voiced[1:] >= voiced[:-1]).all()
    rates = voiced.mean(dim=-1)
    assert 0.1 < rates[0] < rates[1] < rates[2] < 0.95
    for threshold, calls, values in zip(CONFIG.thresholds, voiced, cmndf, strict=True):
        assert (values[calls > 0] < threshold).all()


def test_estimates_describe_the_middle_of_their_window():
    f0 = torch.where(TIME < 0.25, 100.0, 200.0).double()
    x = torch.sin(2 * torch.pi * torch.cumsum(f0, 0) / SAMPLE_RATE)
    y, _ = Yin(CONFIG).double()(x[None, None])
    hz = y[0, 6].exp()
    middle = (torch.arange(50) + 1) * CONFIG.hop - CONFIG.span // 2
    half = CONFIG.span // 2
    assert (hz[(middle > half) & (middle < 4000 - half)] / 100 - 1).abs().max() < 0.005
    assert (hz[middle > 4000 + half] / 200 - 1).abs().max() < 0.005


@pytest.mark.parametrize("transform", ["fft", "matmul"])
@pytest.mark.parametrize("chunk", [1, 2, 7])
def test_it_streams(check_streaming, voice, chunk, transform):
    yin = Yin(CONFIG, transform).double()
    check_streaming(yin, voice(8000)[None, None], [chunk], unit=CONFIG.hop, tolerance=1e-9)


def test_the_two_transforms_agree(voice):
    x = voice(16_000)[None, None]
    torch.testing.assert_close(Yin(CONFIG, "matmul").double()(x)[0], Yin(CONFIG).double()(x)[0], rtol=0, atol=1e-8)


def test_single_precision_agrees_where_it_matters(voice):
    x = voice(48_000)[None, None]
    double, single = Yin(CONFIG).double()(x)[0], Yin(CONFIG)(x.float())[0].double()
    both = (double[:, 7] > 0) & (single[:, 7] > 0)
    assert (double[:, 7] == single[:, 7]).double().mean() > 0.99
    assert (double[:, 6] - single[:, 6])[both].abs().max() < 1e-3


def test_cmndf_is_equation_8_of_the_paper(voice):
    config = YinConfig(hop=80, window=64, min_hz=400.0, max_hz=2000.0)
    frames = voice(2000)[1000 : 1000 + config.span][None]
    x, width = frames[0], config.window
    difference = [float(((x[:width] - x[lag : lag + width]) ** 2).sum()) for lag in range(1, config.max_lag + 1)]
    expected = [d * lag / sum(difference[:lag]) for lag, d in enumerate(difference, 1)]
    actual = Yin(config).double().cmndf(frames)[0]
    np.testing.assert_allclose(actual.numpy(), expected, rtol=0.01, atol=1e-3)  # the floor makes it not exact
