"""Streaming YIN: right on tones, silent about noise and silence, ordered by threshold."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from streamvc.config import SAMPLE_RATE, YinConfig, get_config
from streamvc.dsp.yin import Yin

CONFIG = YinConfig()
TIME = torch.arange(8000, dtype=torch.float64) / SAMPLE_RATE


def estimate(x: torch.Tensor, config: YinConfig = CONFIG) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """f0 in Hz, voiced and CMNDF, each [thresholds, n], once the first window is full."""
    y, _ = Yin(config).double()(x[None, None])
    full = math.ceil(config.span / config.hop)
    log_f0, voiced, cmndf = (y[0, i::3, full:] for i in range(3))
    return log_f0.exp(), voiced, cmndf


@pytest.mark.parametrize("hz", [66, 71.3, 85, 100, 123.4, 150, 200, 257, 310, 400, 450.5, 500, 555, 600])
@pytest.mark.parametrize("level", [0.02, 0.9])
def test_pure_tones_are_right_within_half_a_percent(hz, level):
    f0, voiced, _ = estimate(level * torch.sin(2 * torch.pi * hz * TIME + 0.3))
    assert voiced.all()
    assert (f0 / hz - 1).abs().max() < 0.005


@pytest.mark.parametrize("hz", [66, 95, 150, 210, 333, 480, 600])
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


PUBLISHED = get_config("paper").yin


def harmonics(hz: float, amplitudes: list[float], seconds: float = 1.0) -> torch.Tensor:
    time = torch.arange(int(seconds * SAMPLE_RATE), dtype=torch.float64) / SAMPLE_RATE
    return sum(a * torch.cos(2 * torch.pi * k * hz * time + k * k) for k, a in enumerate(amplitudes, 1))


def at_level(x: torch.Tensor, decibels: float) -> torch.Tensor:
    """`x` with an RMS of so many dB of full scale."""
    return x / x.square().mean().sqrt() * 10 ** (decibels / 20)


def noise(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_an_even_harmonic_that_outweighs_the_rest_is_no_octave():
    """Half of the true period already falls under .15, so YIN's step 4 takes it; the true one is deeper."""
    x = 0.1 * harmonics(120, [0.24, 1.0, 0.1, 0.3])
    first, voiced, depth = estimate(x, dataclasses.replace(CONFIG, by_depth=False))
    assert voiced[-1].all()
    assert (first[-1] / 240 - 1).abs().max() < 0.02
    assert (depth[-1] > 0.1).all()
    f0, voiced, _ = estimate(x)
    assert voiced[-1].all()
    assert (f0[-1] / 120 - 1).abs().max() < 0.01
    torch.testing.assert_close(f0[:-1], first[:-1])  # the other thresholds stay as published


def test_in_noise_multiples_of_the_period_are_not_taken():
    f0, _, _ = estimate(at_level(harmonics(220, [1.0, 0.5, 0.3, 0.2]), -26) + at_level(noise(16_000), -36))
    assert ((f0[-1] / 220 - 1).abs() < 0.03).double().mean() > 0.97


def test_a_weak_fundamental_is_found():
    f0, voiced, _ = estimate(0.1 * harmonics(110, [0.05, 1.0, 0.9, 0.5, 0.3]))
    assert voiced[-1].all()
    assert (f0[-1] / 110 - 1).abs().max() < 0.01


def test_a_weak_voice_in_noise_counts_though_no_threshold_says_so():
    x = at_level(harmonics(95, [1.0, 0.8, 0.6, 0.4, 0.3]), -26) + at_level(noise(16_000), -32)
    f0, voiced, depth = estimate(x)
    assert voiced[-1].mean() < 0.1
    assert (depth[-1] < CONFIG.voiced).double().mean() > 0.9
    assert ((f0[-1] / 95 - 1).abs() < 0.03).double().mean() > 0.95


@pytest.mark.parametrize("level", [-26, -55])
def test_quiet_speech_is_as_voiced_as_loud_speech(voice, level):
    depth = estimate(at_level(voice(48_000), level))[2][-1]
    loud = estimate(at_level(voice(48_000), -20))[2][-1]
    assert ((depth < CONFIG.voiced) == (loud < CONFIG.voiced)).double().mean() > 0.97
    assert (loud < CONFIG.voiced).double().mean() > 0.6


def test_a_period_between_two_samples_is_no_multiple():
    """At 16 kHz the period of 379 Hz lies between two lags and five of it nearly on one, so that this looks deeper."""
    f0, voiced, _ = estimate(0.1 * harmonics(379, [1.0, 0.9, 0.9, 0.8, 0.7, 0.6, 0.5]))
    assert voiced[-1].all()
    assert (f0[-1] / 379 - 1).abs().max() < 0.01


def hum(count: int, decibels: float) -> torch.Tensor:
    return at_level(torch.sin(2 * torch.pi * 120 * torch.arange(count, dtype=torch.float64) / SAMPLE_RATE), decibels)


def test_hum_behind_speech_is_unvoiced_at_any_gain(voice):
    speech = at_level(voice(32_000), -26)
    for gain in (1.0, 0.05):
        depth = estimate(gain * torch.cat((speech, hum(48_000, -60))))[2][-1]
        assert (depth[-290:] > CONFIG.voiced).all()  # the last 2.9 s of three
        assert (depth[:190] < CONFIG.voiced).double().mean() > 0.6
    # After a long silence it is what there is to hear: the memory fades.
    assert (estimate(torch.cat((speech, hum(30 * 16_000, -50))))[2][-1][-100:] < CONFIG.voiced).all()


@pytest.mark.parametrize("hz", [50, 60])
def test_mains_hum_has_no_pitch(hz):
    f0, voiced, depth = estimate(0.1 * torch.sin(2 * torch.pi * hz * TIME))
    assert not voiced.any()
    assert (depth > CONFIG.followed).all()
    assert f0.isfinite().all()


def test_a_slammed_door_does_not_silence_what_follows(voice):
    x = at_level(voice(48_000), -40)
    x[16_000:16_640] += at_level(noise(640), -6)
    depth = estimate(x)[2][-1]
    before = estimate(at_level(voice(48_000), -40))[2][-1]
    assert ((depth < CONFIG.voiced) == (before < CONFIG.voiced))[115:].double().mean() > 0.98


def test_the_published_configuration_takes_the_first_minimum_under_each_threshold(voice):
    x = voice(32_000) + 0.01 * noise(32_000)
    yin = Yin(PUBLISHED).double()
    frames = torch.nn.functional.pad(x, (PUBLISHED.span - PUBLISHED.hop, 0)).unfold(0, PUBLISHED.span, PUBLISHED.hop)
    y, _ = yin(x[None, None])
    checked = 0
    for row, cmndf in enumerate(yin.cmndf(frames).numpy()):
        lags = range(PUBLISHED.min_lag, PUBLISHED.max_lag)
        minima = [lag for lag in lags if cmndf[lag - 2] > cmndf[lag - 1] <= cmndf[lag]]
        for i, threshold in enumerate(PUBLISHED.thresholds):
            under = [lag for lag in minima if cmndf[lag - 1] < threshold]
            assert bool(y[0, 3 * i + 1, row]) == bool(under)
            if under:
                checked += 1
                assert abs(SAMPLE_RATE / float(y[0, 3 * i, row].exp()) - under[0]) <= 0.5
    assert checked > 50


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
    config = YinConfig(hop=80, window=64, min_hz=400.0, max_hz=2000.0, lowest_hz=400.0)
    frames = voice(2000)[1000 : 1000 + config.span][None]
    x, width = frames[0], config.window
    difference = [float(((x[:width] - x[lag : lag + width]) ** 2).sum()) for lag in range(1, config.max_lag + 1)]
    expected = [d * lag / sum(difference[:lag]) for lag, d in enumerate(difference, 1)]
    actual = Yin(config).double().cmndf(frames)[0]
    np.testing.assert_allclose(actual.numpy(), expected, rtol=0.01, atol=1e-3)  # the floor makes it not exact
