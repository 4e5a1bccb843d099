"""The voice between two voices."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvc.errors import PresetError
from streamvc.presets.blend import arc, blend
from streamvc.presets.format import Preset

MakePreset = Callable[..., Preset]


def vector(*head: float) -> np.ndarray:
    return np.pad(np.array(head, np.float32), (0, 64 - len(head)))


def angle(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.astype(float) / np.linalg.norm(a), b.astype(float) / np.linalg.norm(b)
    return 2 * math.atan2(np.linalg.norm(a - b), np.linalg.norm(a + b))


def test_a_third_of_a_right_angle() -> None:
    assert arc(vector(8), vector(0, 8), 1 / 3) == pytest.approx(vector(8 * math.sqrt(3) / 2, 4), abs=1e-6)
    assert arc(vector(2), vector(0, 4), 0.5) == pytest.approx(vector(3 / math.sqrt(2), 3 / math.sqrt(2)), abs=1e-6)


@given(seed=st.integers(0, 1000), weight=st.floats(0, 1), stretch=st.floats(0.1, 10))
@settings(max_examples=100, deadline=None)
def test_direction_turns_steadily_and_length_is_interpolated(seed: int, weight: float, stretch: float) -> None:
    a, b = np.random.default_rng(seed).standard_normal((2, 64)).astype(np.float32)
    b *= np.float32(stretch)
    mixed = arc(a, b, weight)
    assert mixed.dtype == np.float32
    assert angle(a, mixed) == pytest.approx(weight * angle(a, b), abs=1e-5)
    assert angle(mixed, b) == pytest.approx((1 - weight) * angle(a, b), abs=1e-5)
    lengths = [float(np.linalg.norm(x)) for x in (a, mixed, b)]
    assert lengths[1] == pytest.approx((1 - weight) * lengths[0] + weight * lengths[2], rel=1e-5)
    assert np.allclose(mixed, arc(b, a, 1 - weight), atol=1e-4)


def test_layer_normed_latents_give_layer_normed_latents() -> None:
    a, b = np.random.default_rng(3).standard_normal((2, 64))
    a, b = ((x - x.mean()) / x.std() for x in (a, b))
    mixed = arc(a.astype(np.float32), b.astype(np.float32), 0.4)
    assert mixed.mean() == pytest.approx(0, abs=1e-6)
    assert mixed.std() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_where_there_is_no_arc_the_line_takes_its_place(weight: float) -> None:
    a = np.random.default_rng(1).standard_normal(64).astype(np.float32)
    assert arc(a, a, weight) == pytest.approx(a, abs=1e-6)
    assert arc(a, 2 * a, weight) == pytest.approx((1 + weight) * a, abs=1e-6)
    assert arc(a, -a, weight) == pytest.approx((1 - 2 * weight) * a, abs=1e-6)
    assert arc(a, np.zeros(64, np.float32), weight) == pytest.approx((1 - weight) * a, abs=1e-6)
    nearly = a + np.float32(1e-6) * vector(1)
    assert arc(a, nearly, weight) == pytest.approx(a, abs=1e-5)


def test_the_pitch_is_the_geometric_interpolation_at_every_moment(make_preset: MakePreset) -> None:
    low = make_preset(log_f0_mean=math.log(100.0), log_f0_std=0.1)
    high = make_preset(log_f0_mean=math.log(225.0), log_f0_std=0.3)
    mixed = blend(low, high, 0.25, "mixed")
    assert mixed.f0_hz == pytest.approx(100.0**0.75 * 225.0**0.25)
    for whitened in (-2.0, 0.5, 3.0):
        pitches = [math.exp(p.log_f0_mean + p.log_f0_std * whitened) for p in (low, mixed, high)]
        assert pitches[1] == pytest.approx(pitches[0] ** 0.75 * pitches[2] ** 0.25)


@pytest.mark.parametrize(("weight", "parent"), [(0.0, 0), (1.0, 1)])
def test_the_ends_are_the_parents(make_preset: MakePreset, weight: float, parent: int) -> None:
    parents = [make_preset(seed=i, log_f0_mean=4.8 + 0.3 * i, pitch=i, formant=-i, gain=3 * i) for i in range(2)]
    mixed = blend(*parents, weight, "mixed")
    assert mixed.latent == pytest.approx(parents[parent].latent, abs=1e-6)
    assert (mixed.log_f0_mean, mixed.log_f0_std) == (parents[parent].log_f0_mean, parents[parent].log_f0_std)
    assert (mixed.pitch, mixed.formant, mixed.gain) == (parent, -parent, 3 * parent)


def test_meta_tells_where_the_blend_comes_from(make_preset: MakePreset) -> None:
    a = make_preset(name="alice", licence="Apache-2.0", sex="f", source="Speech of A", consent="", created="2026-02-01")
    b = make_preset(name="bob", pitch=-2.0, gain=6.0)
    mixed = blend(a, b, 0.3, "between")
    assert mixed.name == "between"
    assert mixed.parents == (("alice", 0.7), ("bob", 0.3))
    assert mixed.description == "Blend: 70 % alice, 30 % bob"
    assert mixed.source == "Blend of 70 % alice, 30 % bob; Speech of A; Recordings of Bob"
    assert mixed.licence == "Apache-2.0 AND CC-BY-4.0"
    assert mixed.consent == "unknown; Bob agreed"
    assert mixed.sex == "other"
    assert mixed.model == a.model
    assert mixed.created == "2026-02-01"
    assert (mixed.pitch, mixed.gain) == (pytest.approx(-0.6), pytest.approx(1.8))
    assert blend(a, b, 0.3, "between", "A new one").description == "A new one"
    assert blend(b, b, 0.5, "twin").sex == "m"
    assert Preset.from_bytes(mixed.to_bytes(), "x") == mixed


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        ("MIT", "MIT", "MIT"),
        ("", "MIT", "unknown AND MIT"),
        ("", "", "unknown"),
        ("MIT AND CC-BY-4.0", "CC-BY-4.0 AND GPL-2.0-only", "MIT AND CC-BY-4.0 AND GPL-2.0-only"),
        ("MIT OR Apache-2.0", "CC0-1.0", "(MIT OR Apache-2.0) AND CC0-1.0"),
    ],
)
def test_licences_are_joined(make_preset: MakePreset, first: str, second: str, joined: str) -> None:
    assert blend(make_preset(licence=first), make_preset(licence=second), 0.5, "x").licence == joined


def test_blends_of_blends_stay_within_the_limits_of_a_preset(make_preset: MakePreset) -> None:
    mixed = make_preset(source="x" * 1900, consent="y" * 1900)
    for seed in range(5):
        mixed = blend(mixed, make_preset(seed=seed, source=f"{seed}" * 500, consent="z" * 500), 0.5, f"blend {seed}")
    assert Preset.from_bytes(mixed.to_bytes(), "x") == mixed


@pytest.mark.parametrize("weight", [-0.1, 1.1, math.nan, math.inf])
def test_a_weight_outside_the_unit_interval_is_refused(make_preset: MakePreset, weight: float) -> None:
    with pytest.raises(PresetError, match="weight of a blend must lie from 0"):
        blend(make_preset(), make_preset(), weight, "x")


def test_voices_of_two_models_do_not_mix(make_preset: MakePreset) -> None:
    with pytest.raises(PresetError, match="another model"):
        blend(make_preset(model="abc"), make_preset(model="def"), 0.5, "x")


def test_an_unsafe_name_is_refused(make_preset: MakePreset) -> None:
    with pytest.raises(PresetError, match="name 'a/b'"):
        blend(make_preset(), make_preset(), 0.5, "a/b")
