"""A person's recordings, clean and spoilt: the example of the project, and what microphones make of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from streamvc.model.live import LiveModel

RATE = 16_000


@pytest.fixture(scope="session")
def spoken(example_speech: Path) -> np.ndarray:
    """Eight seconds of English, [samples] at 16 kHz."""
    samples, rate = soundfile.read(example_speech, dtype="float32")
    assert rate == RATE
    return np.asarray(samples)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """`write(name, samples, rate=16000)`: a file in a folder of the test's own; returns it."""
    folder = tmp_path / "recordings"
    folder.mkdir()

    def go(name: str, samples: np.ndarray, rate: int = RATE, **options: Any) -> Path:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, samples, rate, **options)
        return path

    return go


@pytest.fixture(scope="session")
def shipped() -> LiveModel:
    """The model that is shipped."""
    from streamvc.checkpoint import load_model
    from streamvc.runtimes import default_weights

    model = load_model(default_weights())
    assert isinstance(model, LiveModel)
    return model
