"""What the tests of the runtimes share: both runtimes over one model, and speech to feed them."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamvc.config import FRAME
from streamvc.runtimes.base import Array, Runtime
from streamvc.runtimes.onnx import OnnxRuntime
from streamvc.runtimes.pytorch import TorchRuntime


@pytest.fixture(scope="session")
def torch_runtime(small_live: Path) -> TorchRuntime:
    return TorchRuntime(small_live / "live.safetensors")


@pytest.fixture(scope="session")
def onnx_runtime(small_live: Path) -> OnnxRuntime:
    return OnnxRuntime(small_live / "live.onnx")


@pytest.fixture(params=["torch", "onnx"])
def runtime(request: pytest.FixtureRequest, torch_runtime: TorchRuntime, onnx_runtime: OnnxRuntime) -> Runtime:
    return torch_runtime if request.param == "torch" else onnx_runtime


@pytest.fixture(scope="session")
def speech(example_speech: Path) -> Array:
    """The first four seconds of the example, in whole frames."""
    samples, rate = soundfile.read(example_speech, dtype="float32")
    assert rate == 16_000
    return samples[: 200 * FRAME]


@pytest.fixture(scope="session")
def latents() -> Array:
    """Two speakers, `[2, 64]`."""
    return np.random.default_rng(3).standard_normal((2, 64)).astype(np.float32)


@pytest.fixture(scope="session")
def run() -> Callable[..., Array]:
    """`run(runtime, samples, latent, controls, sizes)`: the output of steps of so many frames, over and over."""

    def go(runtime: Runtime, samples: Array, latent: Array, controls: Array, sizes: tuple[int, ...] = (1,)) -> Array:
        state, pieces, start, turn = runtime.initial_state(), [], 0, 0
        while start < len(samples):
            stop = start + sizes[turn % len(sizes)] * FRAME
            audio, state = runtime.step(samples[start:stop], latent, controls, state)
            pieces.append(audio)
            start, turn = stop, turn + 1
        return np.concatenate(pieces)

    return go


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`without(name)` makes the import of a package fail, as if it were not installed."""
    real = builtins.__import__

    def forbid(name):
        def fake(asked, *args, **kwargs):
            if asked == name or asked.startswith(f"{name}."):
                raise ImportError(f"No module named {name!r}")
            return real(asked, *args, **kwargs)

        for module in [m for m in sys.modules if m == name or m.startswith(f"{name}.")]:
            monkeypatch.delitem(sys.modules, module)
        monkeypatch.setattr(builtins, "__import__", fake)

    return forbid
