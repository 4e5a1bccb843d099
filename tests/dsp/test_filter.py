"""Time-varying filter, minimum phase and formant shift."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvc.dsp.filter import MinimumPhase, TimeVaryingFilter, shift_formants

HOP, RESPONSE, SIZE = 80, 320, 512
BINS = SIZE // 2 + 1


@pytest.fixture(autouse=True)
def _double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def spectrum_of(response: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    spectrum = torch.fft.rfft(response, SIZE)
    return spectrum.abs().log(), spectrum.angle()


def packed(excitation: torch.Tensor, log_magnitude: torch.Tensor, phase: torch.Tensor) -> torch.Tensor:
    """One tensor whose last axis is time in segments, as the streaming check wants it."""
    return torch.cat((excitation, log_magnitude, phase), dim=-1).transpose(1, 2)


def unpacked(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    excitation, log_magnitude, phase = x.transpose(1, 2).split([HOP, BINS, BINS], dim=-1)
    return excitation, log_magnitude, phase


def changing(segments: int, batch: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    log_magnitude, phase = MinimumPhase(30, SIZE)(0.3 * torch.randn(batch, segments, 30))
    return torch.randn(batch, segments, HOP), log_magnitude, phase


@pytest.mark.parametrize("transform", ["fft", "matmul"])
def test_a_constant_filter_is_plain_convolution(transform):
    # Short enough to lie before the fade at the end of the response.
    response = torch.zeros(RESPONSE)
    response[:200] = torch.randn(200) * torch.exp(-torch.arange(200) / 40)
    excitation = torch.randn(1, 30, HOP)
    log_magnitude, phase = (part.expand(1, 30, -1) for part in spectrum_of(response))
    y, _ = TimeVaryingFilter(HOP, RESPONSE, SIZE, transform)([(excitation, log_magnitude, phase)])
    expected = np.convolve(excitation.flatten().numpy(), response.numpy())[: 30 * HOP]
    np.testing.assert_allclose(y[0].numpy(), expected, atol=1e-9)


def test_each_segment_is_convolved_with_its_own_response_and_all_is_added():
    responses = torch.randn(5, 240) * torch.exp(-torch.arange(240) / 40)
    excitation = torch.randn(1, 5, HOP)
    log_magnitude, phase = spectrum_of(responses)
    y, _ = TimeVaryingFilter(HOP, RESPONSE, SIZE)([(excitation, log_magnitude[None], phase[None])])
    expected = np.zeros(5 * HOP + 240 - 1)
    for j in range(5):
        expected[j * HOP : j * HOP + HOP + 239] += np.convolve(excitation[0, j].numpy(), responses[j].numpy())
    np.testing.assert_allclose(y[0].numpy(), expected[: 5 * HOP], atol=1e-9)


def test_branches_are_added():
    filters = TimeVaryingFilter(HOP, RESPONSE, SIZE)
    one, other = changing(8), changing(8)
    torch.testing.assert_close(filters([one, other])[0], filters([one])[0] + filters([other])[0])


def test_the_two_transforms_agree():
    source = changing(12)
    expected = TimeVaryingFilter(HOP, RESPONSE, SIZE)([source])[0]
    torch.testing.assert_close(TimeVaryingFilter(HOP, RESPONSE, SIZE, "matmul")([source])[0], expected)


@given(sizes=st.lists(st.integers(1, 7), min_size=1, max_size=6))
@settings(max_examples=20, deadline=None)
def test_it_streams_for_any_split(check_streaming, sizes):
    filters = TimeVaryingFilter(HOP, RESPONSE, SIZE)
    check_streaming(lambda x, state: filters([unpacked(x)], state), packed(*changing(16)), sizes)


def test_it_adds_no_latency_and_ends_with_its_response(changed_outputs):
    filters = TimeVaryingFilter(HOP, RESPONSE, SIZE)
    changed = changed_outputs(lambda x, state: filters([unpacked(x)], state), packed(*changing(16)), 4)
    assert min(changed) == 4 * HOP
    assert max(changed) < 5 * HOP + RESPONSE


def test_a_response_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="response of 300 does not fit"):
        TimeVaryingFilter(80, 300, 512)
    with pytest.raises(ValueError, match="transform of 256"):
        TimeVaryingFilter(80, 240, 256)


def test_a_causal_cepstrum_makes_a_causal_response_of_its_gain():
    cepstrum = torch.zeros(1, 20)
    cepstrum[0, 0], cepstrum[0, 1] = math.log(2.0), 0.8
    log_magnitude, phase = MinimumPhase(20, SIZE)(cepstrum)
    response = torch.fft.irfft(torch.polar(log_magnitude.exp(), phase), SIZE)[0]
    # 2 * exp(0.8 / z): taps 2 * 0.8 ** n / n!
    expected = [2 * 0.8**n / math.factorial(n) for n in range(20)]
    np.testing.assert_allclose(response[:20].numpy(), expected, atol=1e-9)
    assert response[SIZE // 2 :].abs().max() < 1e-9


def test_no_shift_changes_nothing():
    _, log_magnitude, phase = changing(6)
    same = shift_formants(log_magnitude, phase, torch.ones(2, 1))
    torch.testing.assert_close(same[0], log_magnitude)
    torch.testing.assert_close(same[1], phase)


@pytest.mark.parametrize("ratio", [0.8, 1.25])
def test_a_shift_moves_a_formant_by_its_ratio(ratio):
    bins = torch.arange(BINS)
    bump = torch.exp(-(((bins - 60) / 5) ** 2)).expand(2, 3, -1)
    shifted, phase = shift_formants(bump, 2 * bump, torch.tensor([[ratio], [1.0]]))
    assert shifted[0].argmax(dim=-1).tolist() == [round(60 * ratio)] * 3
    assert torch.equal(shifted[1], bump[1])
    torch.testing.assert_close(phase, 2 * shifted)


@pytest.mark.parametrize("ratio", [0.5, 2.0])
def test_the_far_end_of_a_shift_is_held(ratio):
    ramp = torch.arange(BINS, dtype=torch.float64).expand(1, 1, -1)
    shifted, _ = shift_formants(ramp, ramp, torch.tensor([[ratio]]))
    expected = (torch.arange(BINS) / ratio).clamp(max=BINS - 1)
    torch.testing.assert_close(shifted[0, 0], expected)
