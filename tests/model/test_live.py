"""The `live` configuration: pitch, energy and content that line up, and a level that follows the source."""

from __future__ import annotations

import math

import pytest
import torch

from streamvc.config import FRAME, SAMPLE_RATE, LiveConfig, YinConfig, get_config
from streamvc.dsp.energy import ENERGY_FLOOR
from streamvc.dsp.yin import Yin
from streamvc.model import build_model
from streamvc.model.live import LiveModel, ProsodyAnalysis, Stack

TARGET = 203.0
"""Hz. Not a divisor of 7800: there the last harmonic of the pulses comes or goes with the last bit of f0."""
PLAIN = torch.tensor([[math.log(TARGET), 0.2, 0.0, 0.0, 1.0, 0.0]], dtype=torch.float64)


@pytest.fixture(scope="module")
def full() -> LiveModel:
    torch.manual_seed(0)
    built = build_model(get_config("live")).double().eval()
    assert isinstance(built, LiveModel)
    return built


@pytest.fixture(scope="module")
def prosody() -> ProsodyAnalysis:
    return ProsodyAnalysis(LiveConfig()).double()


def tone(f0: torch.Tensor) -> torch.Tensor:
    """Five harmonics of f0 in Hz, `[1, samples]`."""
    phase = 2 * torch.pi * torch.cumsum(f0.double(), 0) / SAMPLE_RATE
    return 0.1 * sum(torch.cos(k * phase) / k for k in range(1, 6))[None]


def controls(**changes: float) -> torch.Tensor:
    names = ("mean", "std", "pitch", "formant", "intonation", "locked")
    row = PLAIN.clone()
    for name, value in changes.items():
        row[0, names.index(name)] = value
    return row


def test_it_is_small_enough_for_one_slow_core(full):
    """What a frame multiplies by, in eight bits; docs/performance.md has what that takes."""
    live_path = [full.content_encoder, full.decoder]
    assert sum(p.numel() for part in live_path for p in part.parameters()) < 18e6


def test_full_size_streams(full, check_streaming, voice):
    target = torch.randn(1, 64, dtype=torch.float64)
    x = voice(12 * FRAME)[None]
    check_streaming(lambda x, state: full.step(x, target, PLAIN, state), x, [1, 2], unit=FRAME, tolerance=1e-10)


def test_silence_stays_silent_from_the_first_sample(full, voice):
    """An untrained decoder's gain is about one: what comes out is as faint as the floor of the energy."""
    target = torch.randn(1, 64, dtype=torch.float64)
    with torch.no_grad():
        audio, state = full.step(torch.zeros(1, 50 * FRAME, dtype=torch.float64), target, PLAIN)
        assert audio.abs().max() < 100 * math.sqrt(ENERGY_FLOOR)
        speech, state = full.step(voice(30 * FRAME)[None], target, PLAIN, state)
        assert speech.square().mean().sqrt() > 0.01
        after, _ = full.step(torch.zeros(1, 50 * FRAME, dtype=torch.float64), target, PLAIN, state)
    assert after[:, 10 * FRAME :].abs().max() < 100 * math.sqrt(ENERGY_FLOOR)


@pytest.mark.parametrize("gain", [0.1, 3.0])
def test_the_level_of_the_source_is_kept(full, voice, gain):
    """Energy drives the filters directly; content (untrained here) may only colour."""
    target = torch.randn(1, 64, dtype=torch.float64)
    x = voice(40 * FRAME)[None]
    with torch.no_grad():
        plain, louder = (full.step(g * x, target, PLAIN)[0] for g in (1.0, gain))
    ratio = (louder.square().mean() / plain.square().mean()).sqrt()
    assert ratio == pytest.approx(gain, rel=0.15)


def test_a_clipped_source_is_spoken_no_louder_than_full_scale_allows(full, voice):
    target = torch.randn(1, 64, dtype=torch.float64)
    x = torch.sign(voice(40 * FRAME)[None])
    with torch.no_grad():
        audio, _ = full.step(x, target, PLAIN)
        quieter, _ = full.step(0.5 * x, target, PLAIN)
    loudness, known = (y[:, 10 * FRAME :].square().mean().sqrt() for y in (audio, quieter))
    assert loudness == pytest.approx(10 ** (-3 / 20), rel=0.15)
    assert loudness / known == pytest.approx(10 ** (-3 / 20) / 0.5, rel=0.02)


def test_a_minute_stays_within_bounds(full, voice):
    target, state, levels = torch.randn(1, 64), None, []
    single = build_model(full.config).eval()
    single.load_state_dict({key: value.float() for key, value in full.state_dict().items()})
    with torch.no_grad():
        for x in voice(3000 * FRAME, dtype=torch.float32)[None].split(250 * FRAME, dim=-1):
            audio, state = single.step(x, target, PLAIN.float(), state)
            assert audio.isfinite().all()
            levels.append(audio.square().mean().sqrt())
    assert max(levels) < 2 * min(levels)


def test_a_burst_peaks_two_frames_later(prosody):
    """Four values per frame: a burst of 5 ms in quarter q of frame f is loudest in quarter q of step f + 2."""
    for quarter in range(4):
        x = torch.zeros(1, 12 * FRAME, dtype=torch.float64)
        start = 5 * FRAME + quarter * 80
        x[:, start : start + 80] = 0.5
        energy = prosody(x, PLAIN)[0].energy[0, 0]
        assert energy.argmax() == (5 + 2) * 4 + quarter


def test_energy_before_the_first_sample_is_that_of_silence(prosody):
    energy = prosody(torch.zeros(1, 4 * FRAME, dtype=torch.float64), PLAIN)[0].energy
    torch.testing.assert_close(energy, torch.full_like(energy, 0.5 * math.log(ENERGY_FLOOR)))


def test_pitch_moves_two_frames_later(prosody):
    """f0 follows a glide of the source 640 samples later, give or take the half period that YIN's middle moves by."""
    time = torch.arange(100 * FRAME, dtype=torch.float64)
    log_f0 = math.log(150.0) + 0.2 * torch.sin(2 * torch.pi * 1.5 * time / SAMPLE_RATE)
    register = torch.tensor([[math.log(150.0), 0.2]], dtype=torch.float64)
    heard = prosody(tone(torch.exp(log_f0)), PLAIN, None, register)[0].f0.flatten().log()
    spoken = heard[20 * FRAME :]

    def error(delay: int) -> float:
        return float((spoken - log_f0[20 * FRAME - delay : len(log_f0) - delay]).abs().mean())

    best = min(range(400, 900, 20), key=error)
    assert abs(best - 640) <= 40
    assert error(best) < 0.002


def test_copy_synthesis_keeps_the_pitch_and_conversion_moves_it_to_the_target(prosody):
    steady = torch.full((200 * FRAME,), 120.0)
    register = torch.tensor([[math.log(120.0), 0.2]], dtype=torch.float64)
    copied = prosody(tone(steady), PLAIN, None, register)[0].f0[0, 20:]
    assert (copied / 120 - 1).abs().max() < 0.005
    converted = prosody(tone(steady), PLAIN)[0].f0[0, 190:]
    # After four seconds the prior mean still counts a little.
    assert (converted / TARGET - 1).abs().max() < 0.05


def test_the_pitch_of_a_weak_voice_is_followed_though_no_threshold_calls_it_voiced(prosody):
    """Breathy speech: CMNDF of 0.15 to 0.4. Held at its last sure value, its melody would stand still."""
    torch.manual_seed(0)
    f0 = torch.cat((torch.full((SAMPLE_RATE,), 150.0), torch.linspace(150.0, 180.0, SAMPLE_RATE)))
    breath = 0.05 * torch.randn(len(f0), dtype=torch.float64)
    breath[:SAMPLE_RATE] *= 0.01
    register = torch.tensor([[math.log(150.0), 0.2]], dtype=torch.float64)
    heard, _ = prosody(tone(f0) + breath, controls(), None, register)
    weak = slice(60, 100)
    voiced = heard.features[0, 6:12, weak]
    assert voiced.mean() < 0.1
    wanted = f0[(60 - 2) * FRAME : (100 - 2) * FRAME]
    error = (heard.f0[0, weak].flatten() / wanted - 1).abs()
    assert error.median() < 0.01
    assert (error < 0.03).double().mean() > 0.8


def test_a_locked_source_pitch_needs_no_time_to_settle(prosody):
    x = tone(torch.full((40 * FRAME,), 120.0))
    converted = prosody(x, controls(locked=math.log(120.0)))[0].f0[0, 20:]
    assert (converted / TARGET - 1).abs().max() < 0.01


@pytest.mark.parametrize("semitones", [-12.0, 3.0, 12.0])
def test_pitch_is_shifted_in_semitones(prosody, voice, semitones):
    x = voice(60 * FRAME)[None]
    plain, shifted = (prosody(x, c)[0].f0 for c in (PLAIN, controls(pitch=semitones)))
    torch.testing.assert_close(shifted, plain * 2 ** (semitones / 12))


def test_intonation_scales_the_movement_around_the_target_s_mean(prosody, voice):
    x = voice(60 * FRAME)[None]
    plain, flat, lively = (prosody(x, controls(intonation=k))[0].f0.log() for k in (1.0, 0.0, 1.5))
    torch.testing.assert_close(flat, torch.full_like(flat, math.log(TARGET)))
    torch.testing.assert_close(lively - flat, 1.5 * (plain - flat))
    assert (plain - flat).abs().max() > 0.05


def test_pitch_stays_in_a_range_that_the_pulses_can_make(prosody, voice):
    x = voice(30 * FRAME)[None]
    assert prosody(x, controls(pitch=24.0, mean=math.log(900.0)))[0].f0.max() <= 1000
    assert prosody(x, controls(pitch=-24.0, mean=math.log(50.0)))[0].f0.min() >= 40


def test_the_decoder_is_not_told_the_register_of_the_source(prosody):
    """Two speakers an octave apart with the same intonation look alike once the whitening has settled."""
    time = torch.arange(300 * FRAME, dtype=torch.float64) / SAMPLE_RATE
    movement = torch.exp(0.15 * torch.sin(2 * torch.pi * 2.0 * time))
    low, high = (prosody(tone(hz * movement), PLAIN)[0].fine[0, 0, -200:] for hz in (100.0, 200.0))
    assert low.std() > 0.3
    assert (low.std() / high.std() - 1).abs() < 0.1
    assert torch.corrcoef(torch.stack((low, high)))[0, 1] > 0.98
    assert (low.mean() - high.mean()).abs() < 0.7


def test_shapes(prosody):
    out, _ = prosody(torch.zeros(2, 6 * FRAME, dtype=torch.float64), PLAIN.expand(2, -1))
    assert out.features.shape == (2, 3 * 3 * 2 + 4, 6)
    assert out.fine.shape == (2, 2, 24)
    assert out.energy.shape == (2, 1, 24)
    assert out.f0.shape == (2, 6, FRAME)


def test_the_output_has_the_target_s_pitch(full):
    x = tone(torch.full((100 * FRAME,), 120.0))
    with torch.no_grad():
        # Without the noise branch, which an untrained decoder makes as loud as the pulses.
        content = torch.zeros(1, full.config.content_dim, 100, dtype=torch.float64)
        prosody, _ = full.prosody(x, controls(locked=math.log(120.0)))
        cepstra, network = full.decoder.cepstra(content, prosody, torch.zeros(1, 64, dtype=torch.float64))
        cepstra[..., full.config.pulse_cepstrum] -= 10
        audio, _ = full.decoder.synthesise(cepstra, prosody, None, None, network)
    estimates, _ = Yin(YinConfig()).double()(audio[:, None])
    assert estimates[0, 7, 40:].all()
    assert (estimates[0, 6, 40:].exp() / TARGET - 1).abs().max() < 0.01


def test_formants_move_and_pitch_does_not(full):
    x = tone(torch.full((60 * FRAME,), 150.0))
    target = torch.zeros(1, 64, dtype=torch.float64)
    with torch.no_grad():
        full.decoder.head.bias[5] = 2.0
        try:
            same, up = (full.step(x, target, controls(formant=s))[0] for s in (0.0, 4.0))
        finally:
            full.decoder.head.bias[5] = 0.0
    assert full.supports_formant
    assert (same - up).abs().max() > 0.05 * same.abs().max()

    def centroid(audio: torch.Tensor) -> float:
        power = torch.fft.rfft(audio[0, 20 * FRAME :]).abs()[:8000] ** 2
        return float((power * torch.arange(len(power))).sum() / power.sum())

    assert centroid(up) != pytest.approx(centroid(same), rel=0.01)


def test_stack_joins_neighbours_in_order():
    y, _ = Stack(2)(torch.arange(8.0).reshape(1, 2, 4))
    assert y[0, :, 0].tolist() == [0, 1, 4, 5]
    assert y[0, :, 1].tolist() == [2, 3, 6, 7]


def test_other_pitch_hops_are_refused():
    with pytest.raises(ValueError, match="YIN hops of 160"):
        ProsodyAnalysis(LiveConfig(yin=YinConfig(hop=80)))
