"""A voice to build presets from, and folders of the tests' own."""

from __future__ import annotations

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
