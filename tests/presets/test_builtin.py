"""The voices that come with the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamvc.checkpoint import fingerprint
from streamvc.presets.format import Preset, check_model
from streamvc.presets.store import builtin_folder, list_presets, resolve
from streamvc.runtimes import default_weights
from streamvc.training.builtin_voices import read_table


@pytest.fixture(scope="module")
def voices() -> dict[str, Preset]:
    return {path.stem: Preset.load(path) for path in sorted(builtin_folder().glob("*.npz"))}


def test_the_voices_are_those_of_the_table(voices: dict[str, Preset]) -> None:
    assert sorted(voices) == sorted(voice.name for voice in read_table())
    for voice in read_table():
        preset = voices[voice.name]
        assert preset.name == voice.name
        assert preset.sex == voice.sex
        assert (preset.description, preset.source) == (voice.description, voice.origin)
        assert (preset.licence, preset.consent) == (voice.licence, voice.consent)


def test_they_are_found_by_name(folder: Path, voices: dict[str, Preset]) -> None:
    assert resolve("alice") == voices["alice"]
    listed = list_presets()
    assert [info.name for info in listed] == sorted(voices)
    assert all(info.builtin and info.problem is None for info in listed)


def test_they_belong_to_the_shipped_weights(voices: dict[str, Preset]) -> None:
    model = fingerprint(default_weights())
    for preset in voices.values():
        check_model(preset, model)


def test_there_are_a_dozen_of_them_women_and_men_low_to_high(voices: dict[str, Preset]) -> None:
    assert len(voices) >= 12
    women = [preset.f0_hz for preset in voices.values() if preset.sex == "f"]
    men = [preset.f0_hz for preset in voices.values() if preset.sex == "m"]
    assert min(len(women), len(men)) >= 6
    assert min(men) < 95
    assert max(women) > 240
    assert np.median(men) < 140 < 180 < np.median(women)


def test_no_two_of_them_are_the_same(voices: dict[str, Preset]) -> None:
    # About their mean, which all latents share and no decoder can tell voices by.
    latents = np.stack([preset.latent for preset in voices.values()])
    latents -= latents.mean(axis=0)
    latents /= np.linalg.norm(latents, axis=1, keepdims=True)
    cosines = latents @ latents.T - np.eye(len(latents))
    assert cosines.max() < 0.95
