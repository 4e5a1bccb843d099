"""What both configurations promise: streaming, look-ahead, independent streams, gradients, controls."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvc.config import FRAME, LOOK_AHEAD_FRAMES, LiveConfig, ModelConfig, PaperConfig
from streamvc.controls import N_CONTROLS
from streamvc.model import Model, build_model
from streamvc.state import flatten_state

# Narrow, so that the tests are quick; every layer and every connection is there.
SMALL: dict[str, ModelConfig] = {
    "live": LiveConfig(
        encoder_width=24, encoder_blocks=2, speech_width=16, speech_blocks=2, decoder_width=24, decoder_blocks=2,
        fine_width=16, fine_blocks=2,
    ),
    "paper": PaperConfig(content_channels=4, speech_channels=4, decoder_channels=4),
}
SMALL["live-verification"] = dataclasses.replace(SMALL["live"], speech="verification")
DOUBLE = 1e-10
SINGLE = {"live": 1e-3, "live-verification": 1e-3, "paper": 1e-5}
"""Relative to the peak. `live` integrates pitch: a rounding of 6e-7 in f0 adds up in the phase of its 50th harmonic."""


@pytest.fixture(scope="module", params=["live", "paper", "live-verification"])
def model(request) -> Model:
    torch.manual_seed(1)
    built = build_model(SMALL[request.param]).double().eval()
    with torch.no_grad():
        for name, parameter in built.named_parameters():
            # An untrained model is mostly its biases; signal has to come through for the tests to prove anything.
            if "film" in name or ".head." in name:
                parameter.add_(0.2 * torch.randn_like(parameter))
            elif request.param == "paper" and parameter.dim() == 3:
                parameter.mul_(1.7)
    return built


@pytest.fixture
def controls() -> torch.Tensor:
    return torch.tensor([[5.0, 0.2, 2.0, 0.0, 1.2, 0.0]], dtype=torch.float64)


def latent(batch: int = 1) -> torch.Tensor:
    return torch.randn(batch, 64, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=8))
@settings(max_examples=8, deadline=None)
def test_any_split_into_frames_gives_the_same_speech(check_streaming, voice, model, sizes):
    controls = torch.tensor([[5.0, 0.2, 2.0, 0.0, 1.2, 0.0]], dtype=torch.float64)
    check_streaming(
        lambda x, state: model.step(x, latent(), controls, state), voice(40 * FRAME).unsqueeze(0), sizes, unit=FRAME,
        tolerance=DOUBLE,
    )


def test_single_precision_streams_too(check_streaming, voice, model, controls):
    single = build_model(model.config).eval()
    single.load_state_dict({key: value.float() for key, value in model.state_dict().items()})
    check_streaming(
        lambda x, state: single.step(x, latent().float(), controls.float(), state),
        voice(40 * FRAME, dtype=torch.float32).unsqueeze(0), [1, 3], unit=FRAME, tolerance=SINGLE[model.config.name],
    )


@pytest.mark.parametrize("frame", [3, 10, 17])
@pytest.mark.parametrize("offset", [0, 319])
def test_speech_is_two_frames_late_and_never_reads_further(changed_outputs, voice, model, controls, frame, offset):
    """Frame t of the speech comes in step t + 2; that step hears frame t + 2 of the input, and no earlier one does."""
    changed = changed_outputs(
        lambda x, state: model.step(x, latent(), controls, state), voice(24 * FRAME).unsqueeze(0),
        frame * FRAME + offset,
    )
    spoken = {sample // FRAME - LOOK_AHEAD_FRAMES for sample in changed}
    assert min(spoken) == frame - LOOK_AHEAD_FRAMES


def test_output_is_as_long_as_the_input(voice, model, controls):
    for frames in (1, 2, 7):
        audio, _ = model.step(voice(frames * FRAME).unsqueeze(0), latent(), controls)
        assert audio.shape == (1, frames * FRAME)


def test_streams_of_a_batch_do_not_meet(voice, model):
    x = torch.stack((voice(20 * FRAME, 110.0), voice(20 * FRAME, 230.0)))
    targets = latent(2)
    controls = torch.tensor([[4.7, 0.2, 0, 0, 1, 0], [5.4, 0.1, -3, 0, 0.5, 5.0]], dtype=torch.float64)
    both, _ = model.step(x, targets, controls)
    for row in (0, 1):
        piece = slice(row, row + 1)
        alone, _ = model.step(x[piece], targets[piece], controls[piece])
        assert (alone - both[piece]).abs().max() <= 1e-10 * both.abs().max()


def test_two_streams_may_take_turns_on_one_model(voice, model, controls):
    inputs = [voice(10 * FRAME, hz).unsqueeze(0) for hz in (110.0, 230.0)]
    states, outputs = [None, None], [[], []]
    with torch.no_grad():
        for frame in range(10):
            for i in (0, 1):
                piece = inputs[i][:, frame * FRAME : (frame + 1) * FRAME]
                y, states[i] = model.step(piece, latent(), controls, states[i])
                outputs[i].append(y)
        for i in (0, 1):
            expected, _ = model.step(inputs[i], latent(), controls)
            assert (torch.cat(outputs[i], -1) - expected).abs().max() <= 1e-10 * expected.abs().max()


def test_the_same_stream_comes_out_the_same_bit_for_bit(voice, model, controls):
    x = voice(10 * FRAME).unsqueeze(0)
    with torch.no_grad():
        first, state = model.step(x, latent(), controls)
        again, same = model.step(x, latent(), controls, model.initial_state(1))
    assert torch.equal(first, again)
    assert all(torch.equal(a, b) for a, b in zip(flatten_state(state), flatten_state(same), strict=True))


def test_no_gradient_from_speech_to_the_content_encoder(voice, model, controls):
    model.zero_grad()
    x = voice(12 * FRAME).unsqueeze(0)
    audio, _ = model.step(x, model.embed(x), controls)
    audio.square().mean().backward()
    assert all(p.grad is None for p in model.content_encoder.parameters())
    for part in (model.decoder, model.speech_encoder):
        missing = [name for name, p in part.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
        assert not missing
        assert max(p.grad.abs().max() for p in part.parameters()) > 0
    model.zero_grad()
    features, _ = model.content_features(x)
    model.content_encoder(features)[0].square().mean().backward()
    assert all(p.grad is not None for p in model.content_encoder.parameters())
    model.zero_grad()


def test_the_target_changes_the_speech(voice, model, controls):
    x = voice(10 * FRAME).unsqueeze(0)
    one, other = (model.step(x, target, controls)[0] for target in (latent(), -latent()))
    assert (one - other).abs().max() > 0.05 * one.abs().max()


def test_embedding_has_one_latent_per_reference(voice, model):
    references = torch.stack((voice(100 * FRAME, 110.0), voice(100 * FRAME, 230.0)))
    with torch.no_grad():
        both = model.embed(references)
        alone = model.embed(references[1:])
    assert both.shape == (2, 64)
    assert (both[0] - both[1]).abs().max() > 1e-3
    assert (alone - both[1:]).abs().max() < 1e-12


def test_embedding_ignores_a_rest_and_masked_frames(voice, model):
    reference = voice(50 * FRAME).unsqueeze(0)
    padded = torch.cat((reference[:, : 30 * FRAME], torch.randn(1, 20 * FRAME, dtype=torch.float64)), dim=-1)
    mask = (torch.arange(50) < 30).unsqueeze(0)
    with torch.no_grad():
        expected = model.embed(reference[:, : 30 * FRAME])
        assert (model.embed(padded, mask) - expected).abs().max() < 1e-12
        assert torch.equal(model.embed(padded[:, : 30 * FRAME + 319]), expected)


def test_a_chunk_that_is_no_whole_frame_is_refused(model, controls):
    with pytest.raises(ValueError, match="321 samples is not a multiple"):
        model.step(torch.zeros(1, 321, dtype=torch.float64), latent(), controls)


def test_both_ways_to_compute_spectra_agree(voice, model, controls):
    torch.set_default_dtype(torch.float64)
    try:
        other = build_model(model.config, "matmul").double().eval()
    finally:
        torch.set_default_dtype(torch.float32)
    other.load_state_dict(model.state_dict())
    x = voice(30 * FRAME).unsqueeze(0)
    with torch.no_grad():
        expected = model.step(x, latent(), controls)[0]
        actual = other.step(x, latent(), controls)[0]
    assert (actual - expected).abs().max() < 1e-6 * expected.abs().max()


def test_state_has_the_precision_of_the_weights(model, controls):
    state = model.initial_state(3)
    for leaf in flatten_state(state):
        assert leaf.dtype == torch.float64
        assert leaf.numel() > 0  # some runtimes know no empty tensor
    _, after = model.step(torch.zeros(3, FRAME, dtype=torch.float64), latent(3), controls.expand(3, N_CONTROLS), state)
    assert [leaf.shape for leaf in flatten_state(after)] == [leaf.shape for leaf in flatten_state(state)]


@pytest.mark.parametrize("level", [1e-4, 1.0, 100.0])
def test_whatever_comes_in_what_comes_out_is_finite(voice, model, controls, level):
    x = torch.cat((level * voice(20 * FRAME), torch.zeros(10 * FRAME, dtype=torch.float64), torch.ones(10 * FRAME)))
    with torch.no_grad():
        audio, state = model.step(x.unsqueeze(0), latent(), controls)
    assert audio.isfinite().all()
    assert all(leaf.isfinite().all() for leaf in flatten_state(state))


def test_configurations_cannot_be_changed_behind_a_model(model):
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.config.name = "other"
