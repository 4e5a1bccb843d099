"""A small packed corpus made of synthetic voices, in the format of docs/architecture.md."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from streamvc.training.verifier import Verifier

SPEAKERS = {"low": 110.0, "high": 220.0, "mid": 160.0}


def speak(f0: float, seconds: float, seed: int) -> np.ndarray:
    """A buzz with moving formants and a syllable rhythm: voiced, pitched, never silent for long."""
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * 16_000)) / 16_000
    pitch = f0 * np.exp(0.12 * np.sin(2 * np.pi * 0.7 * time + random.uniform(0, 6)))
    phase = 2 * np.pi * np.cumsum(pitch) / 16_000
    centre = 700 + 400 * np.sin(2 * np.pi * 1.3 * time + random.uniform(0, 6))
    voice = sum(
        np.exp(-(((k * pitch - centre) / 500) ** 2)) * np.cos(k * phase) for k in range(1, int(4_000 / f0))
    )
    rhythm = 0.55 + 0.45 * np.sin(2 * np.pi * 3.1 * time)
    return np.asarray(0.1 * voice * rhythm + 0.001 * random.standard_normal(len(time)), np.float32)


@pytest.fixture(scope="session")
def make_speech() -> Callable[[float, float, int], np.ndarray]:
    """`make_speech(f0 in Hz, seconds, seed)`: see :func:`speak`."""
    return speak


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three speakers, eight utterances of 3 to 4 s each, with units by loudness and pitch."""
    folder = tmp_path_factory.mktemp("corpus")
    rows, pieces, position = [], [], 0
    for speaker, f0 in SPEAKERS.items():
        for i in range(8):
            samples = speak(f0, 3.0 + 0.1 * i, seed=1_000 * int(f0) + i)
            length = len(samples) // 320 * 320
            pieces.append((samples[:length] * 32_767).clip(-32_768, 32_767).astype("<i2"))
            rows.append({
                "id": f"{speaker}/{i}", "speaker": speaker, "corpus": "synthetic", "language": "en", "sex": "f",
                "band": "wide", "split": "valid" if speaker == "mid" else "train", "start": position, "length": length,
                "licence": "MIT", "text": None,
            })
            position += length
    audio = np.concatenate(pieces)
    audio.tofile(folder / "audio.i16")
    (folder / "index.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    level = np.abs(audio.reshape(-1, 320).astype(np.float64)).mean(axis=1)
    units = np.digitize(level, np.quantile(level, np.linspace(0.1, 0.9, 9))).astype(np.uint16)
    units[-5:] = 65_535
    np.save(folder / "units-loudness.npy", units)
    return folder


@pytest.fixture(scope="session")
def verifier() -> Verifier:
    """The real verification network; who asks for it is skipped where its packages are missing."""
    missing = [name for name in ("resemblyzer", "librosa", "webrtcvad") if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} of the eval extra (docs/evaluation.md)")
    from streamvc.training.verifier import Verifier

    return Verifier()
