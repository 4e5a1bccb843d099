"""The `paper` configuration: its sizes, and side information that lines up with the content."""

from __future__ import annotations

import math

import pytest
import torch

from streamvc.config import FRAME, PaperConfig, YinConfig, get_config
from streamvc.model import build_model
from streamvc.model.paper import PaperModel, PaperProsody

PLAIN = torch.tensor([[5.0, 0.2, 0.0, 0.0, 1.0, 0.0]], dtype=torch.float64)


@pytest.fixture(scope="module")
def full() -> PaperModel:
    torch.manual_seed(0)
    built = build_model(get_config("paper")).eval()
    assert isinstance(built, PaperModel)
    return built


@pytest.fixture(scope="module")
def prosody() -> PaperProsody:
    return PaperProsody(PaperConfig()).double()


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_sizes_are_the_papers(full):
    encoder, decoder = full.content_encoder.state_dict(), full.decoder.state_dict()
    assert encoder["layers.0.weight"].shape == (64, 1, 7)
    assert encoder["layers.6.weight"].shape == (64, 1024, 3)
    assert full.speech_encoder.encoder.state_dict()["layers.0.weight"].shape == (32, 1, 7)
    assert full.speech_encoder.encoder.state_dict()["layers.6.weight"].shape == (64, 512, 3)
    assert decoder["layers.0.weight"].shape == (640, 74, 7)
    assert decoder["layers.6.weight"].shape == (1, 40, 7)
    assert [layer.layers[-1].stride for layer in full.content_encoder.layers[1:5]] == [2, 4, 5, 8]
    assert [layer.layers[1].stride for layer in full.decoder.layers[1:5]] == [8, 5, 4, 2]


def test_parameters_are_as_many_as_a_public_implementation_has(full):
    """30.8 million, 26.1 of them in the live path, with one FiLM per block where we have one per unit."""
    assert count(full) == pytest.approx(30.8e6, rel=0.01)
    assert count(full) - count(full.speech_encoder) == pytest.approx(26.1e6, rel=0.01)


def test_full_size_streams(full, check_streaming, voice):
    target = torch.randn(1, 64)
    check_streaming(
        lambda x, state: full.step(x, target, PLAIN.float(), state), voice(8 * FRAME, dtype=torch.float32)[None],
        [1, 2], unit=FRAME,
    )


def test_it_says_that_it_has_no_formants_to_shift(full, voice):
    assert not full.supports_formant
    x, target, shifted = voice(3 * FRAME, dtype=torch.float32)[None], torch.randn(1, 64), PLAIN.float().clone()
    shifted[:, 3] = 4.0
    with torch.no_grad():
        assert torch.equal(full.step(x, target, PLAIN.float())[0], full.step(x, target, shifted)[0])


def test_references_of_any_length_are_embedded_piece_by_piece(full, voice, monkeypatch):
    reference = voice(23 * FRAME, dtype=torch.float32)[None]
    with torch.no_grad():
        at_once = full.embed(reference)
        monkeypatch.setattr("streamvc.model.paper.EMBED_FRAMES", 5)
        in_pieces = full.embed(reference)
    torch.testing.assert_close(in_pieces, at_once, rtol=0, atol=1e-5 * float(at_once.abs().max()))


def test_a_reference_shorter_than_a_frame_is_refused(full):
    with pytest.raises(ValueError, match="at least 320 samples, not 319"):
        full.embed(torch.zeros(1, 319))


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not multiply to the 320"):
        PaperModel(PaperConfig(strides=(2, 4, 5)))
    with pytest.raises(ValueError, match="YIN hops of 320 samples, not 160"):
        PaperProsody(PaperConfig(yin=YinConfig(hop=160)))


def test_side_information_streams(prosody, check_streaming, voice):
    check_streaming(lambda x, state: prosody(x, PLAIN, state), voice(40 * FRAME)[None], [1, 4, 2], unit=FRAME)


def test_energy_peaks_two_frames_after_its_frame(prosody):
    x = torch.zeros(1, 20 * FRAME, dtype=torch.float64)
    x[:, 9 * FRAME : 10 * FRAME] = 0.3 * torch.randn(FRAME, dtype=torch.float64)
    energy = prosody(x, PLAIN)[0][0, -1]
    assert energy.argmax() == 9 + 2
    neighbours = energy[10] - energy[12]
    assert neighbours.abs() < 0.3  # natural log over 4: the window is centred on the frame


@pytest.mark.parametrize("hz", [90.0, 150.0, 250.0])
def test_pitch_follows_two_frames_later(prosody, hz):
    """A glide comes out 640 samples later, give or take the half period by which YIN's middle moves."""
    time = torch.arange(300 * FRAME, dtype=torch.float64)
    log_f0 = math.log(hz) + 0.2 * torch.sin(2 * torch.pi * 1.3 * time / 16_000)
    phase = 2 * torch.pi * torch.cumsum(torch.exp(log_f0), 0) / 16_000
    x = 0.1 * sum(torch.cos(k * phase) / k for k in range(1, 6))[None]
    register = torch.tensor([[math.log(hz), 0.2]], dtype=torch.float64)
    features = prosody(x, PLAIN, None, register)[0][0, :, 20:]
    assert features[7].all()
    heard = features[6] * 0.2 + math.log(hz)
    middles = torch.arange(20, 300) * FRAME + FRAME // 2

    def error(delay: int) -> float:
        return float((heard - log_f0[middles - delay]).abs().mean())

    best = min(range(400, 900, 10), key=error)
    assert abs(best - 640) <= 50
    assert error(best) < 0.01


def test_nine_pitch_channels_and_energy(prosody, voice):
    features, _ = prosody(voice(50 * FRAME)[None], PLAIN)
    assert features.shape == (1, 10, 50)
    pitch, voiced, aperiodicity = features[0, 0:9:3], features[0, 1:9:3], features[0, 2:9:3]
    assert set(voiced.unique().tolist()) == {0.0, 1.0}
    assert (voiced[1:] >= voiced[:-1]).all()  # a stricter threshold calls fewer frames voiced
    assert (pitch[voiced == 0] == 0).all()
    assert pitch[voiced == 1].abs().max() > 0.1
    assert (aperiodicity[voiced == 1] < 0.15).all()


def test_pitch_controls_move_the_whitened_pitch(prosody, voice):
    x = voice(50 * FRAME)[None]
    plain = prosody(x, PLAIN)[0][0]
    pitch, voiced = plain[6], plain[7]
    assert voiced.sum() > 10
    higher = PLAIN.clone()
    higher[:, 2] = 6.0
    raised = prosody(x, higher)[0][0, 6]
    torch.testing.assert_close(raised, pitch + voiced * 6 * math.log(2) / 12 / 0.2)
    lively = PLAIN.clone()
    lively[:, 4] = 0.5
    torch.testing.assert_close(prosody(x, lively)[0][0, 6], 0.5 * pitch)
    locked = PLAIN.clone()
    locked[:, 5] = math.log(150.0)
    assert prosody(x, locked)[0][0, 6][voiced > 0].mean().abs() < pitch[voiced > 0].mean().abs()


def test_a_target_without_spread_is_no_division_by_zero(prosody, voice):
    flat = PLAIN.clone()
    flat[:, 1], flat[:, 2] = 0.0, 12.0
    assert prosody(voice(20 * FRAME)[None], flat)[0].isfinite().all()
