"""The chain: every row from its own seed, every effect by its own knobs, nothing done to padding or to labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch

from streamvc.errors import ConfigError
from streamvc.training.perturbation import EFFECTS, USUAL, Perturbation, PerturbationConfig

Speak = Callable[[float, float, int], np.ndarray]
OFF = PerturbationConfig()


@pytest.fixture(scope="module")
def batch(make_speech: Speak) -> torch.Tensor:
    return torch.from_numpy(np.stack([make_speech(100.0 + 20 * i, 1.3, i) for i in range(6)]))


def test_a_row_is_what_its_seed_makes_of_it_however_the_batch_is_split(batch: torch.Tensor) -> None:
    perturb = Perturbation(PerturbationConfig(**dict.fromkeys(EFFECTS, 0.6)))
    seeds = torch.arange(6) + 40
    whole = perturb(batch, seeds)
    parts = torch.cat([perturb(batch[:1], seeds[:1]), perturb(batch[1:4], seeds[1:4]), perturb(batch[4:], seeds[4:])])
    assert torch.equal(whole, parts)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    assert torch.equal(perturb(batch[order], seeds[order]), whole[order])
    assert not torch.equal(perturb(batch, seeds + 1), whole)


@pytest.mark.parametrize("effect", EFFECTS)
def test_every_effect_has_a_probability_of_its_own(batch: torch.Tensor, effect: str) -> None:
    rows = batch.repeat(20, 1)[:, :4_000]
    seeds = torch.arange(len(rows))
    some = Perturbation(dataclasses.replace(OFF, **{effect: 0.3}))(rows, seeds)
    always = Perturbation(dataclasses.replace(OFF, **{effect: 1.0}))(rows, seeds)
    changed = (some != rows).any(dim=1)
    assert 0.15 < float(changed.float().mean()) < 0.45
    assert (always != rows).any(dim=1).all()
    # The same draw, whether others happen or not.
    assert torch.equal(some[changed], always[changed])


def test_with_everything_off_nothing_changes(batch: torch.Tensor) -> None:
    assert torch.equal(Perturbation(OFF)(batch, range(6)), batch)
    assert not OFF.active
    assert USUAL.active


@pytest.mark.parametrize(
    ("effect", "strengths"),
    [
        ("pitch", {"pitch_semitones": (0.2, 6.0)}),
        ("formants", {"formant_semitones": (1.0, 6.0)}),
        ("equaliser", {"equaliser_decibels": (1.0, 12.0)}),
        ("rooms", {"room_decibels": ((20.0, 20.0), (0.0, 0.0))}),
        ("noise", {"noise_decibels": ((30.0, 30.0), (5.0, 5.0))}),
    ],
)
def test_every_effect_has_a_strength(batch: torch.Tensor, effect: str, strengths: dict) -> None:
    ((knob, (weak, strong)),) = strengths.items()

    def change(value: object) -> float:
        perturb = Perturbation(dataclasses.replace(OFF, **{effect: 1.0, knob: value}))
        power = [torch.stft(x, 512, 128, window=torch.hann_window(512), return_complex=True).abs().square()
                 for x in (batch, perturb(batch, range(6)))]
        return float((torch.log(power[0] + 1e-3) - torch.log(power[1] + 1e-3)).abs().mean())

    assert change(strong) > 1.2 * change(weak)


def test_padding_is_neither_heard_nor_filled(batch: torch.Tensor) -> None:
    perturb = Perturbation(PerturbationConfig(**dict.fromkeys(EFFECTS, 1.0)))
    lengths = torch.tensor([20_800, 9_600, 320, 12_800, 16_000, 0])
    padding = torch.arange(20_800) >= lengths.unsqueeze(1)
    first = perturb(batch, range(6), lengths)
    assert torch.equal(first, perturb(batch.masked_fill(padding, 0.7), range(6), lengths))
    assert first[padding].abs().sum() == 0
    assert torch.isfinite(first).all()
    assert (first[:5].abs().amax(dim=1) > 0.01).all()


def test_the_rhythm_stays_so_labels_do_too(batch: torch.Tensor) -> None:
    """Loudness over frames of 20 ms correlates best with what it was at no delay."""
    perturb = Perturbation(PerturbationConfig(pitch=1, formants=1, equaliser=1, rooms=0, noise=1))
    frames = [torch.log(x.reshape(6, -1, 320).square().mean(dim=-1) + 1e-4) for x in (batch, perturb(batch, range(6)))]
    before, after = (x - x.mean(dim=1, keepdim=True) for x in frames)
    fits = [float((before[:, 3:-3] * after.roll(-lag, dims=1)[:, 3:-3]).sum()) for lag in range(-3, 4)]
    assert int(np.argmax(fits)) == 3


@pytest.mark.parametrize(
    ("knob", "value"),
    [
        ("pitch", 1.5), ("noise", -0.1), ("pitch_semitones", 40.0), ("room_seconds", (0.6, 0.1)),
        ("room_seconds", (0.0, 0.1)), ("equaliser_decibels", float("nan")), ("noise_decibels", (1.0,)),
    ],
)
def test_a_value_out_of_range_is_named(knob: str, value: object) -> None:
    with pytest.raises(ConfigError, match=knob):
        PerturbationConfig(**{knob: value})  # type: ignore[arg-type]


def test_rows_and_seeds_must_be_as_many(batch: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="6 rows"):
        Perturbation()(batch, [1, 2])
