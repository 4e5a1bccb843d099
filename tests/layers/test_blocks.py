"""ConvNeXt, FiLM, pooling and sequences of layers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvc.layers.base import StreamingModule, StreamingSequential
from streamvc.layers.conv import CausalConv1d, Delay
from streamvc.layers.convnext import ConvNeXtBlock
from streamvc.layers.film import FiLM
from streamvc.layers.pooling import LearnablePooling
from streamvc.layers.transposed import CausalConvTranspose1d


@pytest.mark.parametrize("conditioned", [False, True])
@pytest.mark.parametrize("chunk", [1, 4, 7])
def test_convnext_streams(check_streaming, dtype, chunk, conditioned):
    block = ConvNeXtBlock(8, kernel=5, latent=6 if conditioned else 0, layer_scale=1.0).to(dtype)
    latent = torch.randn(2, 6, dtype=dtype) if conditioned else None
    check_streaming(lambda x, state: block(x, state, latent), torch.randn(2, 8, 20, dtype=dtype), [chunk])


def test_convnext_reads_one_kernel_of_the_past(changed_outputs):
    block = ConvNeXtBlock(4, kernel=5, layer_scale=1.0).double()
    assert changed_outputs(block, torch.randn(1, 4, 30, dtype=torch.float64), 8) == {8, 9, 10, 11, 12}


def test_convnext_without_scale_is_the_identity():
    block = ConvNeXtBlock(4, layer_scale=0.0)
    x = torch.randn(1, 4, 9)
    assert torch.equal(block(x)[0], x)


def test_conditioned_convnext_needs_the_latent_and_follows_it():
    block = ConvNeXtBlock(4, latent=3, layer_scale=1.0)
    x = torch.randn(1, 4, 9)
    with pytest.raises(ValueError, match="needs the speaker latent"):
        block(x)
    one, other = (block(x, None, latent)[0] for latent in (torch.zeros(1, 3), torch.ones(1, 3)))
    assert (one - other).abs().max() > 1e-4


def test_dropout_is_for_training_only():
    block = ConvNeXtBlock(4, dropout=0.5, layer_scale=1.0)
    x = torch.randn(1, 4, 50)
    block.train()
    assert not torch.equal(block(x)[0], block(x)[0])
    block.eval()
    assert torch.equal(block(x)[0], block(x)[0])


def test_film_scales_and_shifts_each_channel():
    film = FiLM(2, 3).double()
    with torch.no_grad():
        film.project.weight.copy_(torch.arange(12, dtype=torch.float64).reshape(6, 2))
        film.project.bias.copy_(torch.tensor([0.0, 0.0, 0.0, 5.0, 6.0, 7.0]))
    x = torch.randn(1, 4, 3, dtype=torch.float64)
    scale = torch.tensor([2 * 0 + 3 * 1, 2 * 2 + 3 * 3, 2 * 4 + 3 * 5], dtype=torch.float64)
    shift = torch.tensor([2 * 6 + 3 * 7 + 5, 2 * 8 + 3 * 9 + 6, 2 * 10 + 3 * 11 + 7], dtype=torch.float64)
    latent = torch.tensor([[2.0, 3.0]], dtype=torch.float64)
    torch.testing.assert_close(film(x, latent), x * (1 + scale) + shift)


def test_film_starts_as_the_identity_for_a_zero_latent():
    x = torch.randn(2, 4, 3)
    assert torch.equal(FiLM(5, 3)(x, torch.zeros(2, 5)), x)


def test_each_stream_gets_its_own_latent():
    film, x, latent = FiLM(5, 3).double(), torch.randn(2, 4, 3).double(), torch.randn(2, 5).double()
    both = film(x, latent)
    for row in (0, 1):
        alone = film(x[row : row + 1], latent[row : row + 1])
        torch.testing.assert_close(alone, both[row : row + 1], rtol=0, atol=1e-14)


def sharp_pooling(channels: int) -> LearnablePooling:
    """Untrained scores are nearly equal; a large query makes attention choose."""
    pooling = LearnablePooling(channels).double()
    with torch.no_grad():
        pooling.query.copy_(3 * torch.randn(channels))
    return pooling


def test_pooling_averages_with_weights_that_sum_to_one():
    pooling = sharp_pooling(6)
    x = torch.randn(2, 6, 1, dtype=torch.float64)
    torch.testing.assert_close(pooling(x.expand(2, 6, 12)), x[..., 0])
    frames = torch.randn(2, 6, 12, dtype=torch.float64)
    pooled = pooling(frames)
    assert (pooled <= frames.amax(-1)).all()
    assert (pooled >= frames.amin(-1)).all()
    assert (pooled - frames.mean(-1)).abs().max() > 1e-2


def test_pooling_does_not_care_about_the_order():
    pooling, x = sharp_pooling(6), torch.randn(1, 6, 12, dtype=torch.float64)
    torch.testing.assert_close(pooling(x), pooling(x[..., torch.randperm(12)]))


def test_pooling_with_a_mask_is_pooling_of_what_is_left():
    pooling, x = sharp_pooling(6), torch.randn(2, 6, 12, dtype=torch.float64)
    mask = torch.ones(2, 12, dtype=torch.bool)
    mask[0, 9:] = False
    mask[1, ::2] = False
    pooled = pooling(x, mask)
    for row in (0, 1):
        torch.testing.assert_close(pooled[row], pooling(x[row : row + 1, :, mask[row]])[0])
    louder = torch.where(mask.unsqueeze(1), x, 1e3 * x)
    assert torch.equal(pooling(louder, mask), pooled)


def test_the_query_of_pooling_learns():
    pooling = sharp_pooling(6)
    pooling(torch.randn(1, 6, 12, dtype=torch.float64)).square().sum().backward()
    assert pooling.query.grad is not None
    assert pooling.query.grad.abs().max() > 1e-6


def chain() -> StreamingSequential:
    return StreamingSequential(
        CausalConv1d(2, 4, 7, stride=2),
        ConvNeXtBlock(4, kernel=3),
        StreamingSequential(Delay(4, 3), CausalConv1d(4, 4, 3, dilation=3)),
        CausalConvTranspose1d(4, 3, 10, 5),
    ).double()


@given(sizes=st.lists(st.integers(1, 12), min_size=1, max_size=10))
@settings(max_examples=30, deadline=None)
def test_a_sequence_streams_for_any_split(check_streaming, sizes):
    check_streaming(chain(), torch.randn(2, 2, 60, dtype=torch.float64), sizes, unit=2)


def test_a_sequence_has_one_state_per_layer_and_refuses_another_number():
    layers = chain()
    x = torch.randn(1, 2, 4, dtype=torch.float64)
    _, state = layers(x)
    assert isinstance(state, tuple)
    assert len(state) == 4
    with pytest.raises(ValueError, match="zip"):
        layers(x, state[:3])


def test_a_layer_must_say_its_initial_state():
    class Forgetful(StreamingModule):
        pass

    with pytest.raises(NotImplementedError, match="Forgetful"):
        Forgetful().initial_state(1, torch.zeros(1))
