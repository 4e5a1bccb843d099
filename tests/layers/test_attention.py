"""The transformer block over a window of the past: streaming, causality, its window, and what its biases do."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from streamvc.layers.attention import WindowedBlock


def block(
    past: int = 6, ahead: int = 0, width: int = 16, heads: int = 4, dtype: torch.dtype = torch.float64
) -> WindowedBlock:
    torch.manual_seed(3)
    made = WindowedBlock(width, heads, 2, past, ahead)
    torch.nn.init.normal_(made.bias)
    return made.to(dtype).eval()


def frames(count: int, batch: int = 2, width: int = 16, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(batch, width, count, generator=torch.Generator().manual_seed(4), dtype=dtype)


def channels_first(made: WindowedBlock):
    """The block over `[batch, width, n]`, which the checks of layers cut along the last axis."""

    def step(x, state):
        y, after = made(x.transpose(1, 2), state)
        return y.transpose(1, 2), after

    return step


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("sizes", [[1], [2, 5, 1], [17]])
@pytest.mark.parametrize("ahead", [0, 1, 2])
@pytest.mark.parametrize("past", [2, 6, 40])
def test_pieces_give_what_one_step_gives(check_streaming, past, ahead, sizes, dtype):
    check_streaming(channels_first(block(past, ahead, dtype=dtype)), frames(30, dtype=dtype), sizes)


@pytest.mark.parametrize("ahead", [0, 1])
def test_a_frame_is_heard_now_and_as_long_as_the_window_reaches(changed_outputs, ahead):
    assert changed_outputs(channels_first(block(6, ahead)), frames(30), 10) == set(range(10, 17))


def test_without_a_window_it_is_the_block_of_whisper():
    """With all of the past in the window and no bias, the last frame attends to all, as in a block without a mask."""
    made = block(past=40)
    torch.nn.init.zeros_(made.bias)
    x = frames(20).transpose(1, 2)
    with torch.no_grad():
        y, _ = made(x)
        normed = F.layer_norm(x, (16,), made.attention_norm.weight, made.attention_norm.bias)
        query, key, value = (
            part.unflatten(2, (4, 4)).transpose(1, 2) for part in made.query_key_value(normed).chunk(3, dim=-1)
        )
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        z = x + made.output(mixed)
        z = z + made.contract(F.gelu(made.expand(made.mlp_norm(z))))
    torch.testing.assert_close(y[:, -1], z[:, -1])


def test_a_large_bias_picks_the_frame_at_that_distance():
    """A head that hears nothing but the frame three before speaks its value."""
    made = block(past=6, heads=1)
    torch.nn.init.zeros_(made.bias)
    with torch.no_grad():
        made.bias[0, 6 - 3] = 1e3
        made.contract.weight.zero_()
        made.contract.bias.zero_()
        x = frames(12).transpose(1, 2)
        y, _ = made(x)
        value = made.query_key_value(made.attention_norm(x))[..., 32:]
        torch.testing.assert_close(y[:, 3:], x[:, 3:] + made.output(value[:, :-3]))


def test_the_first_frames_attend_to_nothing_before_them():
    """The state before the first frame is no frame: it must not draw attention."""
    made = block(past=6, heads=1)
    with torch.no_grad():
        made.contract.weight.zero_()
        made.contract.bias.zero_()
        x = frames(1).transpose(1, 2)
        y, _ = made(x, made.initial_state(2, x))
        torch.testing.assert_close(y, x + made.output(made.query_key_value(made.attention_norm(x))[..., 32:]))


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="5 heads do not divide a width of 16"):
        WindowedBlock(16, 5, 2, 6)
