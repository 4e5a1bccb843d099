"""A voice to build presets from, and folders of the tests' own."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamvc.presets.format import Preset

MakePreset = Callable[..., Preset]


@pytest.fixture
def make_preset() -> MakePreset:
    """`make_preset(seed=0, **fields)`: a valid preset; the seed draws its latent."""

    def make(seed: int = 0, **fields: Any) -> Preset:
        latent = np.random.default_rng(seed).standard_normal(64).astype(np.float32)
        values: dict[str, Any] = {
            "name": "bob",
            "latent": latent,
            "log_f0_mean": math.log(120.0),
            "log_f0_std": 0.2,
            "model": "0123456789abcdef",
            "description": "A low voice",
            "source": "Recordings of Bob",
            "licence": "CC-BY-4.0",
            "consent": "Bob agreed",
            "sex": "m",
            "created": "2026-01-31",
        }
        return Preset(**{**values, **fields})

    return make


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty user folder that the store looks at."""
    path = tmp_path / "voices"
    monkeypatch.setenv("SVC_PRESETS", str(path))
    return path


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of an untrained, narrow model: its latents mean nothing, but they depend on the voice."""
    import torch

    from streamvc.checkpoint import save_model
    from streamvc.config import LiveConfig
    from streamvc.model import build_model

    narrow = {"encoder_width": 16, "encoder_blocks": 1, "speech_width": 16, "speech_blocks": 1}
    narrow |= {"decoder_width": 16, "decoder_blocks": 1, "fine_width": 16, "fine_blocks": 1}
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = build_model(dataclasses.replace(LiveConfig(), **narrow))
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_model(model, path)
    return path


@pytest.fixture(scope="session")
def say() -> Callable[..., np.ndarray]:
    """`say(seconds, hz=150, spread=0.2, rate=16000, seed=0)`: vowel-like sounds, [samples] float64, peak 0.5.

    Harmonics of a pitch whose logarithm swings as a sine with standard deviation `spread`, so that its statistics are
    known, under a slow change of timbre.
    """

    def make(seconds: float, hz: float = 150.0, spread: float = 0.2, rate: int = 16_000, seed: int = 0) -> np.ndarray:
        time = np.arange(round(seconds * rate)) / rate
        log_f0 = math.log(hz) + spread * math.sqrt(2) * np.sin(2 * np.pi * 0.5 * time)
        phase = 2 * np.pi * np.cumsum(np.exp(log_f0)) / rate
        count = int(min(3400, 0.45 * rate) / (hz * math.exp(2 * spread)))
        weights = np.random.default_rng(seed).uniform(0.3, 1, (2, count)) / np.arange(1, count + 1)
        mix = 0.5 + 0.5 * np.sin(2 * np.pi * 1.7 * time)
        sound = sum((mix * weights[0, k] + (1 - mix) * weights[1, k]) * np.sin((k + 1) * phase) for k in range(count))
        return 0.5 * sound / np.abs(sound).max()

    return make
