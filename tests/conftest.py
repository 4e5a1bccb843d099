"""What all tests share: one thread, repeatable draws, a home that is not the user's, and the checks that every
streaming module has to pass.
"""

from __future__ import annotations

import os

# Must come before torch, numpy or ONNX Runtime start their thread pools: results then do not depend on the machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch
from torch import Tensor

from streamvc.state import State, flatten_state, unflatten_state
from tests.dask_cluster import dask_cluster as dask_cluster  # a fixture

Step = Callable[..., tuple[Tensor, State]]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}
"""Largest difference between streaming and offline, relative to the largest output."""

REPOSITORY = Path(__file__).resolve().parent.parent

hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=25)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def example_speech() -> Path:
    """A real recording of English speech: 8 s, 16 kHz, mono."""
    return REPOSITORY / "examples" / "speech.wav"


@pytest.fixture(scope="session", autouse=True)
def home_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the user's presets and caches out of the tests, and the tests out of them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        patch.delenv("SVC_PRESETS", raising=False)
        yield


def split(x: Tensor, sizes: Iterable[int], unit: int = 1) -> Iterator[Tensor]:
    """Consecutive pieces of the last axis: `unit` times each of the sizes, over and over until `x` is used up."""
    sizes = list(sizes)
    start, turn = 0, 0
    while start < x.shape[-1]:
        stop = start + sizes[turn % len(sizes)] * unit
        yield x[..., start:stop]
        start, turn = stop, turn + 1


@pytest.fixture(scope="session")
def check_streaming() -> Callable[..., None]:
    """`check(step, x, sizes, unit=1, axis=-1, tolerance=None)`: pieces give what one long step gives.

    `step(x, state) -> (y, state)`; pieces are cut from the last axis of x and put together along `axis` of y. The state
    goes through flatten and unflatten between the steps, and no step may change the one that it was given.
    """

    def check(
        step: Step, x: Tensor, sizes: Sequence[int], unit: int = 1, axis: int = -1, tolerance: float | None = None
    ) -> None:
        with torch.no_grad():
            offline, last = step(x, None)
            pieces, state = [], None
            for piece in split(x, sizes, unit):
                known = None if state is None else [leaf.clone() for leaf in flatten_state(state)]
                given = piece.clone()
                y, after = step(piece, state)
                assert torch.equal(piece, given), "the step changed its input"
                if state is not None and known is not None:
                    for leaf, copy in zip(flatten_state(state), known, strict=True):
                        assert torch.equal(leaf, copy), "the step changed the state that it was given"
                state = unflatten_state(after, [leaf.clone() for leaf in flatten_state(after)])
                pieces.append(y)
        streamed = torch.cat(pieces, dim=axis)
        scale = offline.abs().max()
        assert scale > 1e-3, "silence proves nothing"
        assert streamed.shape == offline.shape
        limit = TOLERANCE[offline.dtype] if tolerance is None else tolerance
        assert (streamed - offline).abs().max() <= limit * scale
        assert state is not None
        for leaf, expected in zip(flatten_state(state), flatten_state(last), strict=True):
            assert leaf.shape == expected.shape
            if leaf.numel():
                assert (leaf - expected).abs().max() <= limit * max(expected.abs().max(), scale)

    return check


@pytest.fixture(scope="session")
def changed_outputs() -> Callable[..., set[int]]:
    """`changed(step, x, position, axis=-1)`: the output times that differ when x differs at one time."""

    def changed(step: Step, x: Tensor, position: int, axis: int = -1) -> set[int]:
        other = x.clone()
        other[..., position : position + 1] += 0.5 + 0.1 * torch.arange(x.shape[-2], dtype=x.dtype).unsqueeze(-1)
        with torch.no_grad():
            before, after = step(x, None)[0], step(other, None)[0]
        differs = (before != after).movedim(axis, 0).flatten(1).any(dim=1)
        return set(differs.nonzero().flatten().tolist())

    return changed


@pytest.fixture(scope="session")
def voice() -> Callable[..., Tensor]:
    """`voice(samples, hz=150, dtype=float64)`: a buzz with vibrato, pauses and breath noise, `[samples]`, peak 0.3."""

    def make(samples: int, hz: float = 150.0, dtype: torch.dtype = torch.float64) -> Tensor:
        generator = torch.Generator().manual_seed(7)
        time = torch.arange(samples, dtype=torch.float64) / 16_000
        f0 = hz * torch.exp(0.1 * torch.sin(2 * torch.pi * 3.1 * time))
        phase = 2 * torch.pi * torch.cumsum(f0, 0) / 16_000
        buzz = sum(torch.cos(k * phase) / k for k in range(1, 20))
        speaking = (torch.sin(2 * torch.pi * 1.3 * time + 1.0) > -0.7).double()
        x = buzz * speaking + 0.02 * torch.randn(samples, generator=generator, dtype=torch.float64)
        return (0.3 * x / x.abs().max()).to(dtype)

    return make


@pytest.fixture(scope="session")
def small_live(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `live.safetensors` and its graph `live.onnx`: a narrow, untrained model that is not silent."""
    from streamvc.checkpoint import save_model
    from streamvc.config import LiveConfig
    from streamvc.model import build_model
    from streamvc.runtimes.export import export_onnx

    folder = tmp_path_factory.mktemp("small_live")
    config = LiveConfig(
        encoder_width=24, encoder_blocks=2, speech_width=16, speech_blocks=2, decoder_width=32, decoder_blocks=2,
        fine_width=16, fine_blocks=2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = build_model(config)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "film" in name or ".head." in name:
                    parameter.add_(0.2 * torch.randn_like(parameter))
        save_model(model, folder / "live.safetensors", {"note": "untrained"})
    export_onnx(folder / "live.safetensors", folder / "live.onnx", "fp32")
    return folder


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(params=[torch.float64, torch.float32], ids=["fp64", "fp32"])
def dtype(request: Any) -> torch.dtype:
    """Double precision shows errors of logic, single precision is what runs."""
    return request.param  # type: ignore[no-any-return]
