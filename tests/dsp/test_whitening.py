"""Running whitening of log f0, and holding values through unvoiced stretches."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvc.config import WhiteningConfig
from streamvc.dsp.whitening import HoldVoiced, RunningWhitening

CONFIG = WhiteningConfig(prior_mean=5.0, prior_std=0.2, mean_weight=10, spread_weight=30, memory=50, clip=4)


def contour(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Log f0 of a speaker about 120 Hz, and which estimates are voiced; unvoiced ones hold nonsense."""
    generator = torch.Generator().manual_seed(seed)
    log_f0 = 4.8 + 0.15 * torch.randn(1, count, generator=generator, dtype=torch.float64)
    voiced = (torch.rand(1, count, generator=generator) > 0.4).double()
    return torch.where(voiced > 0, log_f0, torch.full_like(log_f0, 6.4)), voiced


def by_hand(log_f0: list[float], voiced: list[float], c: WhiteningConfig) -> list[float]:
    """The definition, estimate by estimate: forgetting weighted averages over what was voiced."""
    keep = 1 - 1 / c.memory
    weight_mean, total = c.mean_weight, c.mean_weight * c.prior_mean
    prior, heard, first, second = c.spread_weight, 0.0, 0.0, 0.0
    out = []
    for heard_now, v in zip(log_f0, voiced, strict=True):
        x = heard_now
        if v:
            if c.reach:
                mean = total / weight_mean
                x = min(max(x, mean - c.reach), mean + c.reach)
            weight_mean, total = keep * weight_mean + 1, keep * total + x
            prior, heard, first, second = keep * prior, keep * heard + 1, keep * first + x, keep * second + x * x
        within = second - first**2 / heard if heard else 0.0
        variance = (within + prior * c.prior_std**2) / (heard + prior)
        z = (heard_now - total / weight_mean) / math.sqrt(max(variance, c.min_std**2))
        out.append(min(max(z, -c.clip), c.clip))
    return out


@pytest.mark.parametrize("reach", [0.0, 0.05, 0.35])
@pytest.mark.parametrize("count", [1, 63, 64, 65, 300])
def test_running_statistics_are_those_of_the_definition(count, reach):
    config = dataclasses.replace(CONFIG, reach=reach)
    log_f0, voiced = contour(count)
    whitened, _ = RunningWhitening(config)(log_f0, voiced)
    expected = torch.tensor([by_hand(log_f0[0].tolist(), voiced[0].tolist(), config)], dtype=torch.float64)
    torch.testing.assert_close(whitened, expected, rtol=0, atol=1e-9)
    assert whitened.abs().max() > 0.1


def test_octave_errors_pull_little():
    log_f0, voiced = contour(600)
    slipped = log_f0.clone()
    slipped[:, ::10] += math.log(2)
    means, spreads = [], []
    for heard in (log_f0, slipped):
        _, state = RunningWhitening(WhiteningConfig())(heard, voiced)
        weight, total, count, first, square = state[0].tolist()
        means.append(total / weight)
        spreads.append(math.sqrt(square / count - (first / count) ** 2))
    assert abs(means[1] - means[0]) < 0.8 * math.log(2) / 12
    assert spreads[1] < 1.4 * spreads[0]
    # As they are, they would pull by a tenth of an octave.
    _, state = RunningWhitening(WhiteningConfig(reach=0.0))(slipped, voiced)
    assert float(state[0, 1] / state[0, 0]) - means[0] > 1.25 * abs(means[1] - means[0])


@pytest.mark.parametrize("hz", [75.0, 400.0])
def test_a_speaker_far_from_the_prior_is_reached(hz):
    config = WhiteningConfig()
    log_f0 = torch.full((1, 400), math.log(hz), dtype=torch.float64)
    whitened, state = RunningWhitening(config)(log_f0, torch.ones_like(log_f0))
    plain, _ = RunningWhitening(dataclasses.replace(config, reach=0.0))(log_f0, torch.ones_like(log_f0))
    reached = config.prior_mean + float(state[0, 1] / state[0, 0])
    assert abs(reached - math.log(hz)) < 0.16
    assert (whitened[0, -1] - plain[0, -1]).abs() < 0.4


def test_without_prior_and_forgetting_it_is_the_mean_and_spread_of_voiced_estimates():
    config = WhiteningConfig(mean_weight=1e-9, spread_weight=1e-9, memory=1e12, reach=0.0)
    log_f0, voiced = contour(200)
    whitened, _ = RunningWhitening(config)(log_f0, voiced)
    heard = log_f0[voiced > 0]
    last = (log_f0[0, -1] - heard.mean()) / heard.std(correction=0)
    torch.testing.assert_close(whitened[0, -1], last.clamp(-config.clip, config.clip), rtol=1e-6, atol=1e-6)


def test_the_first_word_is_whitened_by_the_prior():
    config = WhiteningConfig(mean_weight=1e6, spread_weight=1e6)
    log_f0 = torch.tensor([[config.prior_mean + config.prior_std, config.prior_mean - 2 * config.prior_std]]).double()
    whitened, _ = RunningWhitening(config)(log_f0, torch.ones_like(log_f0))
    torch.testing.assert_close(whitened, torch.tensor([[1.0, -2.0]]).double(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("hz", [90.0, 160.0, 280.0])
def test_a_high_or_low_voice_is_not_taken_for_a_lively_one(hz):
    generator = torch.Generator().manual_seed(5)
    log_f0 = math.log(hz) + 0.12 * torch.randn(1, 600, generator=generator, dtype=torch.float64)
    whitened, _ = RunningWhitening(WhiteningConfig())(log_f0, torch.ones_like(log_f0))
    # Six seconds of voice: the prior spread of 0.2 still counts for a quarter, the distance from its mean not at all.
    assert whitened[0, 300:].std() == pytest.approx(0.12 / 0.145, rel=0.15)


def test_the_prior_is_overcome_by_what_is_heard():
    log_f0 = torch.full((1, 4000), math.log(90.0), dtype=torch.float64)
    whitened, _ = RunningWhitening(WhiteningConfig())(log_f0, torch.ones_like(log_f0))
    assert whitened[0, 0] < -2
    assert whitened[0, -1].abs() < 0.1


def test_unvoiced_estimates_neither_count_nor_age():
    log_f0, voiced = contour(120)
    whitening = RunningWhitening(CONFIG)
    _, state = whitening(log_f0, voiced)
    _, only_voiced = whitening(log_f0[voiced > 0][None], torch.ones(1, int(voiced.sum()), dtype=torch.float64))
    torch.testing.assert_close(state, only_voiced)
    _, same = whitening(torch.full((1, 40), 6.0).double(), torch.zeros(1, 40).double(), state)
    torch.testing.assert_close(same, state, rtol=0, atol=0)


def test_a_locked_mean_replaces_the_running_one_stream_by_stream():
    log_f0, voiced = (x.expand(2, -1) for x in contour(50))
    locked = torch.tensor([[0.0], [4.7]], dtype=torch.float64)
    whitening = RunningWhitening(CONFIG)
    free, _ = whitening(log_f0, voiced)
    fixed, _ = whitening(log_f0, voiced, None, locked)
    torch.testing.assert_close(fixed[0], free[0])
    at_mean = (log_f0[1] - 4.7).abs().argmin()
    assert fixed[1, at_mean].abs() < free[1, at_mean].abs()
    assert (fixed[1].sign() == (log_f0[1] - 4.7).sign()).all()


def test_a_monotone_speaker_is_not_divided_by_zero():
    config = WhiteningConfig(spread_weight=1e-9)
    log_f0 = torch.full((1, 500), 5.0, dtype=torch.float64)
    whitened, _ = RunningWhitening(config)(log_f0, torch.ones_like(log_f0))
    assert whitened.isfinite().all()
    assert whitened.abs().max() <= config.clip


def test_hours_of_speech_stay_finite_and_whitened():
    whitening = RunningWhitening(WhiteningConfig())
    state = None
    for seed in range(8):
        log_f0, voiced = (x.float() for x in contour(20_000, seed))
        whitened, state = whitening(log_f0, voiced, state)
    heard = whitened[voiced > 0]
    assert heard.mean().abs() < 0.1
    assert heard.std() == pytest.approx(1.0, abs=0.1)


@given(sizes=st.lists(st.integers(1, 90), min_size=1, max_size=8))
@settings(max_examples=20, deadline=None)
def test_it_streams_for_any_split(check_streaming, sizes):
    whitening = RunningWhitening(CONFIG)
    both = torch.stack(contour(300), dim=1)
    check_streaming(lambda x, state: whitening(x[:, 0], x[:, 1], state), both, sizes, tolerance=1e-10)


def test_only_later_estimates_hear_a_change(changed_outputs):
    whitening = RunningWhitening(CONFIG)
    both = torch.stack(contour(100), dim=1)
    both[:, 1, 30] = 1.0
    changed = changed_outputs(lambda x, state: whitening(x[:, 0], x[:, 1].clamp(max=1), state), both, 30)
    assert min(changed) == 30
    assert len(changed) > 40


def test_the_last_voiced_value_is_held():
    x = torch.tensor([[9.0, 1.0, 9.0, 9.0, 2.0, 3.0, 9.0]])
    voiced = torch.tensor([[0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0]])
    held, state = HoldVoiced()(x, voiced)
    assert held.tolist() == [[0.0, 1.0, 1.0, 1.0, 2.0, 3.0, 3.0]]
    again, _ = HoldVoiced()(x[:, :1], voiced[:, :1], state)
    assert again.tolist() == [[3.0]]


def test_an_hour_is_held_in_little_memory():
    x = torch.arange(360_000.0).unsqueeze(0)
    held, _ = HoldVoiced()(x, (x % 1000 == 7).float())
    assert torch.equal(held[0, 7:], torch.floor((x[0, 7:] - 7) / 1000) * 1000 + 7)


@given(sizes=st.lists(st.integers(1, 90), min_size=1, max_size=8))
@settings(max_examples=20, deadline=None)
def test_holding_streams_for_any_split(check_streaming, sizes):
    hold = HoldVoiced()
    both = torch.stack(contour(200), dim=1)
    check_streaming(lambda x, state: hold(x[:, 0], x[:, 1], state), both, sizes, tolerance=0.0)
