"""Causal convolution, delay and windows: streaming equals offline, and each output reads exactly what it should."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from streamvc.layers.conv import CausalConv1d, Delay, Windows

KERNELS, STRIDES, DILATIONS, CHUNKS = (1, 2, 3, 7, 16), (1, 2, 4, 5, 8), (1, 3, 9), (1, 2, 5)
GRID = [
    (kernel, stride, dilation)
    for kernel, stride, dilation in itertools.product(KERNELS, STRIDES, DILATIONS)
    if (kernel - 1) * dilation + 1 >= stride
]


@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize(("kernel", "stride", "dilation"), GRID)
def test_pieces_equal_one_step(check_streaming, dtype, kernel, stride, dilation, chunk):
    layer = CausalConv1d(3, 4, kernel, stride, dilation).to(dtype)
    check_streaming(layer, torch.randn(2, 3, 11 * stride, dtype=dtype), [chunk], unit=stride)


@pytest.mark.parametrize(("kernel", "stride", "dilation"), GRID)
def test_outputs_read_only_their_own_past(changed_outputs, kernel, stride, dilation):
    layer = CausalConv1d(2, 3, kernel, stride, dilation).double()
    length, position = 40 * stride, 5 * stride + stride // 2
    taps = range(kernel)
    readers = {
        j
        for j in range(length // stride)
        if any((j + 1) * stride - 1 - tap * dilation == position for tap in taps)
    }
    assert changed_outputs(layer, torch.randn(1, 2, length, dtype=torch.float64), position) == readers


def test_it_is_torch_convolution_of_the_signal_after_silence():
    layer = CausalConv1d(2, 3, kernel=5, stride=2, dilation=3).double()
    x = torch.randn(1, 2, 60, dtype=torch.float64)
    padded = torch.cat((torch.zeros(1, 2, 4 * 3 + 1 - 2, dtype=torch.float64), x), dim=-1)
    expected = F.conv1d(padded, layer.weight, layer.bias, stride=2, dilation=3)
    torch.testing.assert_close(layer(x)[0], expected, rtol=0, atol=0)


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("bias", [True, False])
def test_groups_and_bias(check_streaming, groups, bias):
    layer = CausalConv1d(4, 8, 3, groups=groups, bias=bias).double()
    check_streaming(layer, torch.randn(1, 4, 20, dtype=torch.float64), [1, 3])


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=8))
@settings(max_examples=30, deadline=None)
def test_any_split(check_streaming, sizes):
    layer = CausalConv1d(2, 3, 7, stride=2, dilation=3).double()
    check_streaming(layer, torch.randn(1, 2, 60, dtype=torch.float64), sizes, unit=2)


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match="does not reach over stride 4"):
        CausalConv1d(1, 1, kernel=3, stride=4)
    with pytest.raises(ValueError, match="9 samples is not a multiple of the stride 4"):
        CausalConv1d(1, 1, kernel=4, stride=4)(torch.zeros(1, 1, 9))


def test_no_state_means_silence_before_the_first_sample():
    layer = CausalConv1d(2, 3, 7)
    x = torch.randn(1, 2, 10)
    assert torch.equal(layer(x)[0], layer(x, layer.initial_state(1, x))[0])
    assert layer.initial_state(3, x.double()).dtype == torch.float64


def test_streams_of_a_batch_do_not_meet():
    layer = CausalConv1d(2, 3, 7, dilation=2).double()
    x = torch.randn(2, 2, 30, dtype=torch.float64)
    both, _ = layer(x)
    for row in range(2):
        torch.testing.assert_close(layer(x[row : row + 1])[0], both[row : row + 1], rtol=0, atol=1e-14)


@pytest.mark.parametrize("length", [0, 1, 4, 13])
@pytest.mark.parametrize("chunk", [1, 3, 8])
def test_delay_shifts_and_streams(check_streaming, changed_outputs, length, chunk):
    layer = Delay(2, length)
    x = torch.randn(2, 2, 24)
    y, _ = layer(x)
    assert torch.equal(y, F.pad(x, (length, 0))[..., : x.shape[-1]])
    check_streaming(layer, x, [chunk], tolerance=0.0)
    assert changed_outputs(layer, x, 7) == {7 + length}


@pytest.mark.parametrize(("size", "hop"), [(4, 4), (10, 4), (13, 5), (16, 4)])
@pytest.mark.parametrize("chunk", [1, 3, 4, 5, 9])
def test_windows_end_at_each_hop_and_stream(check_streaming, size, hop, chunk):
    layer = Windows(size, hop)
    x = torch.randn(2, 1, 12 * hop)
    windows, _ = layer(x)
    padded = F.pad(x, (size, 0))
    for j in range(12):
        end = size + (j + 1) * hop
        assert torch.equal(windows[:, j], padded[:, 0, end - size : end])
    check_streaming(layer, x, [chunk], unit=hop, axis=1, tolerance=0.0)


def test_windows_refuse_wrong_sizes():
    with pytest.raises(ValueError, match="window of 3"):
        Windows(3, 4)
    with pytest.raises(ValueError, match="not a multiple of the hop 4"):
        Windows(10, 4)(torch.zeros(1, 1, 6))
