"""Voices that can be told apart sample by sample, and a map of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streamvc.plugin import VoiceConverter
from streamvc.presets.format import Preset

FINGERPRINT = "00000000000000aa"


class LoudnessRuntime:
    """A model in which a voice is a factor: the delayed input times the first number of the latent."""

    name = "loudness"
    frame = 320
    look_ahead = 640
    fingerprint = FINGERPRINT
    latent_dim = 64
    supports_formant = False
    lowest_hz = None  # the tests speak in constants

    def initial_state(self):
        return (np.zeros(640, dtype=np.float32),)

    def step(self, samples, latent, controls, state):
        joined = np.concatenate([state[0], samples])
        return joined[: len(samples)] * latent[0], (joined[len(samples) :],)


def make_preset(name: str, loudness: float, **fields) -> Preset:
    latent = np.zeros(64, dtype=np.float32)
    latent[0], latent[1] = loudness, 1.0
    return Preset(name, latent, 5.0, 0.2, model=fields.pop("model", FINGERPRINT), **fields)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of presets: `mute`, `half`, `full` (with a pitch of 3 semitones), and `alien` of another
    model.
    """
    folder = tmp_path / "voices"
    folder.mkdir()
    monkeypatch.setenv("SVC_PRESETS", str(folder))
    make_preset("mute", 0.0).save(folder / "mute.npz")
    make_preset("half", 0.5).save(folder / "half.npz")
    make_preset("full", 1.0, pitch=3.0).save(folder / "full.npz")
    make_preset("alien", 1.0, model="00000000000000bb").save(folder / "alien.npz")
    return folder


@pytest.fixture
def new_converter(store: Path) -> Callable[[], VoiceConverter]:
    """`new_converter()`: one that speaks with `mute`."""
    return lambda: VoiceConverter("mute", runtime=LoudnessRuntime())


@pytest.fixture
def converter(new_converter: Callable[[], VoiceConverter]) -> VoiceConverter:
    """Speaks with `mute`."""
    return new_converter()


@pytest.fixture(scope="session")
def until() -> Callable[..., None]:
    """`until(condition, seconds=20)`: wait for something to become true; how long it takes is not judged."""

    def wait(condition: Callable[[], object], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.005)

    return wait
