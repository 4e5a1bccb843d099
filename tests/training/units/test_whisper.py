"""The encoder, against torch's own transformer layer with the same weights; no download is needed."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from streamvc.errors import CheckpointError
from streamvc.training.corpora.base import Utterance
from streamvc.training.units.extract import balanced, batches
from streamvc.training.units.whisper import (
    BLOCKS,
    POSITIONS,
    WIDTH,
    WhisperEncoder,
    WhisperTeacher,
    encoder_from,
)

Variables = dict[str, npt.NDArray[np.float16]]


@pytest.fixture(scope="module")
def variables() -> Variables:
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> npt.NDArray[np.float16]:
        return (rng.standard_normal(shape, dtype=np.float32) / np.sqrt(shape[-1])).astype(np.float16)

    found = {
        "conv1/weight": draw(WIDTH, 80, 3), "conv1/bias": draw(WIDTH), "conv2/weight": draw(WIDTH, WIDTH, 3),
        "conv2/bias": draw(WIDTH), "position_encodings/encodings": draw(POSITIONS, WIDTH),
        "layer_norm/gamma": draw(WIDTH), "layer_norm/beta": draw(WIDTH),
    }  # fmt: skip
    for number in range(BLOCKS):
        for part in ("self_attention", "ffn"):
            inner = 3 * WIDTH if part == "self_attention" else 4 * WIDTH
            outer = WIDTH if part == "self_attention" else 4 * WIDTH
            found[f"layer_{number}/{part}/layer_norm/gamma"] = np.float16(1) + draw(WIDTH)
            found[f"layer_{number}/{part}/layer_norm/beta"] = draw(WIDTH)
            found[f"layer_{number}/{part}/linear_0/weight"] = draw(inner, WIDTH)
            found[f"layer_{number}/{part}/linear_0/bias"] = draw(inner)
            found[f"layer_{number}/{part}/linear_1/weight"] = draw(WIDTH, outer)
            found[f"layer_{number}/{part}/linear_1/bias"] = draw(WIDTH)
    return {f"encoder/{name}": value for name, value in found.items()}


@pytest.fixture(scope="module")
def encoder(variables: Variables) -> WhisperEncoder:
    return encoder_from(variables)


def test_blocks_equal_torch_layers_with_the_same_weights(encoder: WhisperEncoder, variables: Variables) -> None:
    mel = torch.randn(2, 80, 60, generator=torch.Generator().manual_seed(0))
    found = encoder(mel, (0, 1, 2))
    x = found[0]
    for number in range(2):
        layer = nn.TransformerEncoderLayer(WIDTH, 8, 4 * WIDTH, 0.0, "gelu", batch_first=True, norm_first=True).eval()

        def take(name: str, number: int = number) -> nn.Parameter:
            return nn.Parameter(torch.from_numpy(variables[f"encoder/layer_{number}/{name}"].astype(np.float32)))

        layer.norm1.weight, layer.norm1.bias = (
            take("self_attention/layer_norm/gamma"),
            take("self_attention/layer_norm/beta"),
        )
        layer.norm2.weight, layer.norm2.bias = take("ffn/layer_norm/gamma"), take("ffn/layer_norm/beta")
        layer.self_attn.in_proj_weight = take("self_attention/linear_0/weight")
        layer.self_attn.in_proj_bias = take("self_attention/linear_0/bias")
        layer.self_attn.out_proj.weight = take("self_attention/linear_1/weight")
        layer.self_attn.out_proj.bias = take("self_attention/linear_1/bias")
        layer.linear1.weight, layer.linear1.bias = take("ffn/linear_0/weight"), take("ffn/linear_0/bias")
        layer.linear2.weight, layer.linear2.bias = take("ffn/linear_1/weight"), take("ffn/linear_1/bias")
        x = layer(x)
        assert torch.allclose(found[number + 1], x, atol=1e-4)
    assert x.shape == (2, 30, WIDTH)


def test_a_wrong_shape_is_named(variables: Variables) -> None:
    wrong = {**variables, "encoder/conv1/bias": np.zeros(3, np.float16)}
    with pytest.raises(CheckpointError, match="encoder/conv1/bias has shape"):
        encoder_from(wrong)


def utterance(name: str, start: int, frames: int, speaker: str = "a") -> Utterance:
    return Utterance(name, speaker, "made", "en", None, "wide", "train", start, frames * 320, "CC0-1.0")


def test_a_batch_of_unequal_lengths_gives_what_each_gives_alone(encoder: WhisperEncoder) -> None:
    rng = np.random.default_rng(0)
    audio = (3000 * rng.standard_normal(320 * 60)).astype(np.int16)
    rows = [utterance("x", 0, 20), utterance("y", 320 * 20, 40)]
    teacher = WhisperTeacher(encoder, audio, frames=100, half=False)
    together = {row.id: found for row, found in teacher(rows, (2, 4))}
    for row in rows:
        ((_, alone),) = teacher([row], (2, 4))
        for a, b in zip(together[row.id], alone, strict=True):
            assert a.shape == (row.length // 320, WIDTH)
            assert torch.allclose(a, b, atol=1e-3)


def test_batches_hold_every_utterance_once_and_stay_small() -> None:
    rng = np.random.default_rng(0)
    rows = [utterance(str(number), 0, int(rng.integers(10, 400))) for number in range(100)]
    found = batches(rows, 1000)
    assert sorted(row.id for batch in found for row in batch) == sorted(row.id for row in rows)
    assert all(len(batch) * max(row.length for row in batch) <= 1000 * 320 for batch in found)


def test_balance_gives_small_speakers_all_and_large_ones_the_same() -> None:
    rows = [
        utterance(f"{speaker}{n}", 0, 50, speaker) for speaker, m in (("a", 2), ("b", 40), ("c", 80)) for n in range(m)
    ]
    chosen = balanced(rows, 2000, seed=0)
    counts = {speaker: sum(row.speaker == speaker for row in chosen) for speaker in "abc"}
    assert counts["a"] == 2
    assert counts["b"] == counts["c"] == 19
    assert balanced(rows, 2000, seed=0) == chosen
    assert balanced(rows, 10**6, seed=0) != []
