"""Causal transposed convolution: the overlap tail is carried without the bias, which every output gets once."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from streamvc.layers.transposed import CausalConvTranspose1d

GRID = [
    (kernel, stride)
    for kernel, stride in itertools.product((1, 2, 3, 4, 7, 10, 16, 33), (1, 2, 4, 5, 8))
    if kernel >= stride
]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("chunk", [1, 2, 5])
@pytest.mark.parametrize(("kernel", "stride"), GRID)
def test_pieces_equal_one_step(check_streaming, dtype, kernel, stride, chunk, bias):
    layer = CausalConvTranspose1d(3, 4, kernel, stride, bias).to(dtype)
    check_streaming(layer, torch.randn(2, 3, 11, dtype=dtype), [chunk])


@pytest.mark.parametrize(("kernel", "stride"), GRID)
def test_an_input_reaches_exactly_one_kernel_of_outputs(changed_outputs, kernel, stride):
    layer = CausalConvTranspose1d(2, 3, kernel, stride).double()
    length, position = 60, 7
    start = position * stride
    expected = set(range(start, min(start + kernel, length * stride)))
    assert changed_outputs(layer, torch.randn(1, 2, length, dtype=torch.float64), position) == expected


@pytest.mark.parametrize(("kernel", "stride"), GRID)
def test_it_is_torch_transposed_convolution_without_its_tail(kernel, stride):
    layer = CausalConvTranspose1d(2, 3, kernel, stride).double()
    x = torch.randn(1, 2, 9, dtype=torch.float64)
    expected = F.conv_transpose1d(x, layer.weight, layer.bias, stride)[..., : 9 * stride]
    torch.testing.assert_close(layer(x)[0], expected, rtol=0, atol=1e-14)


def test_silence_gives_the_bias_once_per_output():
    layer = CausalConvTranspose1d(2, 3, 16, 8)
    x = torch.zeros(1, 2, 1)
    state = None
    for _ in range(5):
        y, state = layer(x, state)
        assert torch.equal(y, layer.bias[None, :, None].expand(1, 3, 8))
        assert not state.any()


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=8))
@settings(max_examples=30, deadline=None)
def test_any_split(check_streaming, sizes):
    layer = CausalConvTranspose1d(2, 3, 10, 5).double()
    check_streaming(layer, torch.randn(1, 2, 30, dtype=torch.float64), sizes)


def test_a_kernel_shorter_than_the_stride_is_refused():
    with pytest.raises(ValueError, match="kernel 3 does not reach over stride 4"):
        CausalConvTranspose1d(1, 1, 3, 4)
