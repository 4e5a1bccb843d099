from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from streamvc.config import LATENT_DIM
from streamvc.controls import N_CONTROLS, Controls, Voice, pack
from streamvc.errors import ConfigError


@pytest.fixture
def voice() -> Voice:
    return Voice(np.linspace(-1, 1, LATENT_DIM), log_f0_mean=math.log(200.0), log_f0_std=0.2)


def test_pack_orders_the_controls(voice):
    packed = pack(voice, Controls(pitch_semitones=-3, formant_semitones=1.5, intonation=0.5, source_pitch_hz=120.0))
    assert packed.dtype == np.float32
    np.testing.assert_allclose(packed, [math.log(200.0), 0.2, -3.0, 1.5, 0.5, math.log(120.0)], rtol=1e-6)


def test_a_source_that_is_followed_packs_as_zero(voice):
    packed = pack(voice, Controls())
    assert packed.shape == (N_CONTROLS,)
    np.testing.assert_allclose(packed[2:], [0.0, 0.0, 1.0, 0.0])


def test_a_voice_keeps_its_own_read_only_latent():
    latent = np.zeros(LATENT_DIM)
    voice = Voice(latent, 5.0, 0.2)
    latent[0] = 1.0
    assert voice.latent[0] == 0.0
    assert voice.latent.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        voice.latent[0] = 1.0


def test_an_adaptation_stands_behind_the_latent(voice):
    change = np.linspace(0, 1, 10)
    adapted = replace(voice, adaptation=change)
    change[0] = 5.0
    assert voice.adaptation is None
    assert np.array_equal(voice.conditioning, voice.latent)
    np.testing.assert_allclose(adapted.adaptation, np.linspace(0, 1, 10), rtol=1e-6)
    assert adapted.conditioning.dtype == np.float32
    assert np.array_equal(adapted.conditioning, np.concatenate((voice.latent, adapted.adaptation)))
    assert adapted != voice
    assert adapted == replace(voice, adaptation=np.linspace(0, 1, 10))
    with pytest.raises(ValueError, match="read-only"):
        adapted.adaptation[0] = 1.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (np.zeros((2, 3)), "one axis"), (np.zeros(0), "one axis"), (1.0, "one axis"), ([np.nan], "finite"),
        ([np.inf], "finite"), ("a", "array of numbers"), ([None, "b"], "array of numbers"),
    ],
    ids=str,
)
def test_an_adaptation_that_cannot_be_one_is_refused(voice, change, words):
    with pytest.raises(ConfigError, match=words):
        replace(voice, adaptation=change)


def test_voices_compare_and_hash_by_value(voice):
    same = Voice(voice.latent.copy(), voice.log_f0_mean, voice.log_f0_std)
    assert same == voice
    assert hash(same) == hash(voice)
    assert Voice(voice.latent + 1, voice.log_f0_mean, voice.log_f0_std) != voice
    assert voice != "alice"


@pytest.mark.parametrize(
    "latent", [np.zeros(63), np.zeros((1, 64)), np.full(64, np.nan), np.full(64, np.inf), "alice", ["a"] * 64, None]
)
def test_a_latent_that_is_none_is_refused(latent):
    with pytest.raises(ConfigError, match="latent"):
        Voice(latent, 5.0, 0.2)


@pytest.mark.parametrize(
    ("mean", "std", "name"),
    [(math.nan, 0.2, "log_f0_mean"), (0.0, 0.2, "log_f0_mean"), (5.0, -0.1, "log_f0_std"), (5.0, math.inf, "log_f0")],
)
def test_f0_statistics_out_of_range_are_refused(mean, std, name):
    with pytest.raises(ConfigError, match=name):
        Voice(np.zeros(LATENT_DIM), mean, std)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("pitch_semitones", 24.1),
        ("pitch_semitones", math.nan),
        ("pitch_semitones", "3"),
        ("pitch_semitones", True),
        ("formant_semitones", -4.5),
        ("intonation", -0.1),
        ("intonation", 2.5),
        ("source_pitch_hz", 0.0),
        ("source_pitch_hz", 1.0),
        ("source_pitch_hz", math.inf),
    ],
)
def test_controls_out_of_range_are_refused_by_name(setting, value):
    with pytest.raises(ConfigError, match=setting):
        Controls(**{setting: value})


def test_controls_at_their_limits_are_taken():
    controls = Controls(pitch_semitones=np.float32(24), formant_semitones=-4, intonation=2, source_pitch_hz=40)
    assert controls == Controls(24.0, -4.0, 2.0, 40.0)
    assert type(controls.pitch_semitones) is float
