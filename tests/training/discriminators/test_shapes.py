"""Sizes of the discriminators are the published ones: parameters, time scales, how much of the signal a logit sees."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from streamvc.errors import ConfigError
from streamvc.training.discriminators import (
    NAMES,
    SIZES,
    Discriminators,
    Ensemble,
    build_discriminators,
)
from streamvc.training.discriminators.melgan import MelGanDiscriminator, ScaleDiscriminator
from streamvc.training.discriminators.period import PERIODS, MultiPeriodDiscriminator, PeriodDiscriminator
from streamvc.training.discriminators.stft import MultiStftDiscriminator, StftDiscriminator


def weights(module: nn.Module) -> int:
    """Parameters without those that weight normalisation adds: a length for each output channel."""
    return sum(p.numel() for name, p in module.named_parameters() if not name.endswith("original0"))


def noise(rows: int, samples: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(rows, samples, generator=torch.Generator().manual_seed(seed))


def seen(discriminator: nn.Module, samples: int, step: int) -> tuple[int, int]:
    """First and last sample (and one) that a logit of the time step depends on."""
    x = noise(1, samples).requires_grad_()
    logits = discriminator(x)[0]
    (slope,) = torch.autograd.grad(logits[0, 0, step].sum(), x)
    places = slope[0].nonzero()
    return int(places.min()), int(places.max()) + 1


def test_melgan_has_its_layers() -> None:
    scale = ScaleDiscriminator()
    shapes = [(m.in_channels, m.out_channels, m.kernel_size[0], m.stride[0], m.groups)
              for m in scale.modules() if isinstance(m, nn.Conv1d)]
    assert shapes == [
        (1, 16, 15, 1, 1), (16, 64, 41, 4, 4), (64, 256, 41, 4, 16), (256, 1_024, 41, 4, 64),
        (1_024, 1_024, 41, 4, 256), (1_024, 1_024, 5, 1, 1), (1_024, 1, 3, 1, 1),
    ]
    # Kernel x inputs of a group x outputs, and biases: 5.6 million, three times.
    grouped = sum(41 * 4 * c + c for c in (64, 256, 1_024, 1_024))
    expected = 15 * 16 + 16 + grouped + 5 * 1_024 * 1_024 + 1_024 + 3 * 1_024 + 1
    assert weights(scale) == expected
    assert weights(MelGanDiscriminator()) == 3 * expected


def test_melgan_gives_a_logit_for_each_256_samples_and_half_as_many_at_each_scale() -> None:
    judgements = MelGanDiscriminator(0.25)(noise(2, 8_192))
    assert [tuple(logits.shape) for logits, _ in judgements] == [(2, 1, 32), (2, 1, 16), (2, 1, 8)]
    channels, times = [4, 16, 64, 256, 256, 256], [8_192, 2_048, 512, 128, 32, 32]
    for number, (_, inner) in enumerate(judgements):
        assert [tuple(x.shape) for x in inner] == [(2, c, t >> number) for c, t in zip(channels, times, strict=True)]


def test_a_logit_of_melgan_sees_4951_samples() -> None:
    scale = ScaleDiscriminator(0.25)
    begin, end = seen(scale, 16_384, 32)
    assert end - begin == 4_951
    assert begin < 32 * 256 < end
    later = seen(scale, 16_384, 33)
    assert later == (begin + 256, end + 256)
    coarse = seen(lambda x: MelGanDiscriminator(0.25)(x)[2], 65_536, 32)  # type: ignore[arg-type]
    # A quarter of the rate, and the two averages around its ends (4 samples each, 2 apart).
    assert coarse[1] - coarse[0] == 4 * (4_951 - 1) + 1 + 3 + 2 * 3


def test_periods_have_their_layers_and_never_mix_columns() -> None:
    whole = MultiPeriodDiscriminator()
    sizes = [(1, 32), (32, 128), (128, 512), (512, 1_024), (1_024, 1_024)]
    expected = sum(5 * a * b + b for a, b in sizes) + 3 * 1_024 + 1
    assert weights(whole) == len(PERIODS) * expected
    period = PeriodDiscriminator(5, 0.125)
    x = noise(1, 2_000).requires_grad_()
    logits, inner = period(x)
    assert logits.shape == (1, 1, 5, 5)
    assert [y.shape[3] for y in inner] == [5] * 5
    (slope,) = torch.autograd.grad(logits[0, 0, 2, 3], x)
    assert set((slope[0].nonzero() % 5).flatten().tolist()) == {3}


@pytest.mark.parametrize("samples", [4_000, 4_001, 4_007])
def test_periods_take_any_length(samples: int) -> None:
    for period, (logits, _) in zip(PERIODS, MultiPeriodDiscriminator(0.0625)(noise(2, samples)), strict=True):
        assert logits.shape[0] == 2
        assert logits.shape[3] == period
        assert abs(logits.shape[2] * 81 - samples / period) < 2 * 81


def test_stft_has_its_layers() -> None:
    expected = (3 * 9 * 2 * 32 + 32) + 3 * (3 * 9 * 32 * 32 + 32) + (3 * 3 * 32 * 32 + 32) + (3 * 3 * 32 + 1)
    assert weights(StftDiscriminator(1_024)) == expected
    assert weights(StftDiscriminator(1_024, view="log")) == expected - 3 * 9 * 32
    for size, (logits, inner) in zip((512, 128), MultiStftDiscriminator(0.25, sizes=(512, 128))(noise(2, 4_096)),
                                     strict=True):
        frames = (4_096 - size) // (size // 4) + 1
        assert logits.shape[:3] == (2, 1, frames)
        assert all(x.shape[:3] == (2, 8, frames) for x in inner)
        assert logits.shape[3] == size // 16 + 1  # bins halved three times


def test_a_logit_of_stft_sees_its_frames() -> None:
    # Frames on either side: 1 + 1 + 2 + 4 + 1 + 1; of the outer ones the edges of a window, where it is 0.
    begin, end = seen(StftDiscriminator(256, 0.25, "log"), 8_000, 60)
    assert end - begin == 20 * 64 + 256 - 1


def test_the_log_view_is_near_0_and_1_for_speech() -> None:
    log = StftDiscriminator(512, view="log")._see(noise(4, 16_000) / 2)
    assert abs(log.mean().item()) < 0.7
    assert 0.1 < log.std().item() < 1


def test_envelopes_and_textures_give_their_inner_life() -> None:
    judgements = Discriminators(textures=2)(noise(4, 8_000))
    assert len(judgements) == len(SIZES) + 2
    assert all(len(inner) == 4 for _, inner in judgements)
    # The names under which the critics of the shipped weights are kept.
    names = set(Discriminators().state_dict())
    assert {"envelopes.2.layers.3.weight", "envelopes.0.last.bias", "textures.0.layers.0.weight"} <= names
    assert len(names) == 4 * 10
    assert sum(p.numel() for p in Discriminators().parameters()) == 2_001_572


@pytest.mark.parametrize("name", NAMES)
def test_every_name_gives_judgements_with_time_in_dimension_2(name: str) -> None:
    """Twice the signal has about twice the steps in every tensor."""
    critic = build_discriminators([name], 0.25)
    short, long = critic(noise(1, 8_000)), critic(noise(1, 16_000))
    for (logits, inner), (more, deeper) in zip(short, long, strict=True):
        for a, b in zip((logits, *inner), (more, *deeper), strict=True):
            assert a.ndim >= 3
            assert abs(b.shape[2] - 2 * a.shape[2]) <= 0.2 * b.shape[2] + 12
            assert a.shape[:2] == b.shape[:2]


def test_widths_scale_channels() -> None:
    counts = [weights(build_discriminators(["melgan"], width)) for width in (0.25, 0.5, 1)]
    assert all(3 < b / a < 4.2 for a, b in pairwise(counts))


def test_several_are_one_ensemble_and_one_is_itself() -> None:
    torch.manual_seed(1)
    both = build_discriminators(["envelope", "period"], 0.125)
    assert isinstance(both, Ensemble)
    assert list(both.members) == ["envelope", "period"]
    x = noise(1, 8_000)
    parts = [judgement for member in both.members.values() for judgement in member(x)]
    assert len(both(x)) == 4 + len(PERIODS)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(both(x), parts, strict=True))
    alone = build_discriminators(["envelope"])
    assert isinstance(alone, Discriminators)
    alone.load_state_dict(Discriminators().state_dict())


@pytest.mark.parametrize(
    ("names", "width", "message"),
    [
        ([], 1.0, "choose from melgan"), (["mel"], 1.0, "'mel'"), (["stft", "stft"], 1.0, "twice"),
        (["stft"], 0.0, "above 0"), (["stft"], float("nan"), "above 0"),
    ],
)
def test_a_wrong_choice_is_named(names: list[str], width: float, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_discriminators(names, width)
