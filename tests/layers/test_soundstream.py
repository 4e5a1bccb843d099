"""SoundStream's blocks: shapes, streaming for any split, and how far back each block reads."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from streamvc.layers.soundstream import (
    ELU,
    DecoderBlock,
    EncoderBlock,
    ResidualUnit,
    SoundStreamDecoder,
    SoundStreamEncoder,
)

STRIDES = (2, 4, 5, 8)


def randomise(module: nn.Module) -> nn.Module:
    """Larger weights than an untrained module's, so that every path carries signal, conditioning included."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=1 / max(parameter[0].numel(), 4) ** 0.5 if parameter.dim() > 1 else 0.5)
    return module


@pytest.mark.parametrize("dilation", [1, 3, 9])
@pytest.mark.parametrize("chunk", [1, 5, 16])
def test_residual_unit_streams(check_streaming, dtype, dilation, chunk):
    check_streaming(ResidualUnit(4, 7, dilation).to(dtype), torch.randn(2, 4, 70, dtype=dtype), [chunk])


@pytest.mark.parametrize("dilation", [1, 3, 9])
def test_residual_unit_reads_its_dilated_past(changed_outputs, dilation):
    unit = ResidualUnit(4, 7, dilation).double()
    changed = changed_outputs(unit, torch.randn(1, 4, 80, dtype=torch.float64), 10)
    assert changed == {10 + tap * dilation for tap in range(7)}


def test_residual_unit_keeps_its_input_when_its_branch_is_zero():
    unit = ResidualUnit(4)
    nn.init.zeros_(unit.pointwise.weight)
    nn.init.zeros_(unit.pointwise.bias)
    x = torch.randn(1, 4, 9)
    assert torch.equal(unit(x)[0], x)


def test_elu_has_no_state():
    x = torch.randn(1, 2, 5)
    y, state = ELU()(x)
    assert state == ELU().initial_state(1, x) == ()
    assert torch.equal(y, nn.functional.elu(x))


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("chunk", [1, 3])
def test_encoder_block_halves_time_by_its_stride_and_streams(check_streaming, dtype, stride, chunk):
    block = EncoderBlock(4, stride).to(dtype)
    x = torch.randn(2, 4, 13 * stride, dtype=dtype)
    assert block(x)[0].shape == (2, 8, 13)
    check_streaming(block, x, [chunk], unit=stride)


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("chunk", [1, 3])
def test_decoder_block_multiplies_time_by_its_stride_and_streams(check_streaming, dtype, stride, chunk):
    block = DecoderBlock(4, stride, latent=6).to(dtype)
    x, latent = torch.randn(2, 8, 13, dtype=dtype), torch.randn(2, 6, dtype=dtype)
    assert block(x, None, latent)[0].shape == (2, 4, 13 * stride)
    check_streaming(lambda x, state: block(x, state, latent), x, [chunk])


def test_conditioned_blocks_need_the_latent():
    with pytest.raises(ValueError, match="needs the speaker latent"):
        DecoderBlock(4, 2, latent=6)(torch.zeros(1, 8, 3))


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=6))
@settings(max_examples=10, deadline=None)
def test_encoder_streams_for_any_split(check_streaming, sizes):
    encoder = SoundStreamEncoder(2, 6, STRIDES).double()
    check_streaming(encoder, torch.randn(1, 1, 320 * 9, dtype=torch.float64), sizes, unit=320)


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=6))
@settings(max_examples=10, deadline=None)
def test_decoder_streams_for_any_split(check_streaming, sizes):
    decoder = SoundStreamDecoder(6, 2, 5, STRIDES).double()
    latent = torch.randn(1, 5, dtype=torch.float64)
    check_streaming(
        lambda x, state: decoder(x, state, latent), torch.randn(1, 6, 9, dtype=torch.float64), sizes
    )


@pytest.mark.parametrize("position", [0, 319, 320, 1000])
def test_encoder_answers_in_the_frame_of_a_sample_and_not_before(changed_outputs, position):
    encoder = randomise(SoundStreamEncoder(2, 6, STRIDES)).double()
    changed = changed_outputs(encoder, torch.randn(1, 1, 320 * 12, dtype=torch.float64), position)
    assert min(changed) == position // 320


@pytest.mark.parametrize("frame", [0, 4])
def test_decoder_answers_at_the_first_sample_of_a_frame_and_not_before(changed_outputs, frame):
    decoder = randomise(SoundStreamDecoder(6, 2, 5, STRIDES)).double()
    latent = torch.randn(1, 5, dtype=torch.float64)
    x = torch.randn(1, 6, 12, dtype=torch.float64)
    changed = changed_outputs(lambda x, state: decoder(x, state, latent), x, frame)
    assert min(changed) == frame * 320


def test_the_latent_reaches_the_waveform_from_every_unit():
    decoder = SoundStreamDecoder(6, 2, 5, STRIDES).double()
    latent = torch.randn(1, 5, dtype=torch.float64, requires_grad=True)
    decoder(torch.randn(1, 6, 4, dtype=torch.float64), None, latent)[0].square().sum().backward()
    assert latent.grad is not None
    assert latent.grad.abs().min() > 0
    films = [p for name, p in decoder.named_parameters() if "film" in name and name.endswith("weight")]
    assert len(films) == 3 * len(STRIDES)
    for weight in films:
        assert weight.grad is not None
        assert weight.grad.abs().max() > 0


def test_a_chunk_that_is_no_whole_frame_is_refused():
    with pytest.raises(ValueError, match="not a multiple of the stride"):
        SoundStreamEncoder(2, 6, STRIDES)(torch.zeros(1, 1, 321))
