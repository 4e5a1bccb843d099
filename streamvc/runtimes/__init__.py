"""Where a model runs. `load_runtime` chooses; neither torch nor ONNX Runtime is imported before it is needed."""

from __future__ import annotations

import logging
from importlib import resources
from pathlib import Path
from typing import Literal

from streamvc.errors import CheckpointError, ConfigError, OutputError, RuntimeUnavailableError
from streamvc.runtimes.base import Array, Runtime, RuntimeState
from streamvc.runtimes.cache import cached_graph, fingerprint

Backend = Literal["auto", "onnx", "torch"]

__all__ = ["Array", "Backend", "Runtime", "RuntimeState", "default_weights", "load_runtime"]

_LOG = logging.getLogger(__name__)


def default_weights() -> Path:
    """The shipped `live` checkpoint."""
    return Path(str(resources.files("streamvc"))) / "weights" / "live.safetensors"


def load_runtime(backend: str = "auto", weights: str | Path | None = None) -> Runtime:
    """A runtime over a checkpoint (default: the shipped weights).

    `onnx` takes the graph (same name, `.onnx`) that lies beside the checkpoint and belongs to it; else the one in the
    user's cache folder, which is built there the first time (this needs torch and the package onnx). `auto` does the
    same, and falls back to `torch` where no graph can be had.

    Raises:
        ConfigError: the backend is unknown.
        CheckpointError: the weights or the graph cannot be used.
        RuntimeUnavailableError: a package that the backend needs is not installed.
        OutputError: `onnx` was asked for and the graph cannot be written to the cache.
    """
    path = Path(weights) if weights is not None else default_weights()
    if backend not in ("auto", "onnx", "torch"):
        raise ConfigError(f"No backend is named {backend!r}; choose auto, onnx or torch.")
    if not path.is_file() and not (backend != "torch" and path.with_suffix(".onnx").is_file()):
        raise CheckpointError(f"There is no weights file at {path}; check the path, or reinstall streamvc.")
    if backend == "torch":
        return _torch(path)
    if backend == "onnx":
        return _onnx(path)
    try:
        return _onnx(path)
    except (RuntimeUnavailableError, OutputError) as error:
        _LOG.warning("Running %s with torch, which is slower: %s", path, error)
        return _torch(path)


def _onnx(weights: Path) -> Runtime:
    from streamvc.runtimes.onnx import OnnxRuntime

    beside = weights.with_suffix(".onnx")
    if beside.is_file():
        runtime = OnnxRuntime(beside)
        if not weights.is_file() or beside == weights or runtime.fingerprint == fingerprint(weights):
            return runtime
        _LOG.warning("%s belongs to other weights than %s and is not used.", beside, weights.name)
    graph = cached_graph(fingerprint(weights))
    if graph.is_file():
        try:
            return OnnxRuntime(graph)
        except CheckpointError:
            _LOG.warning("%s is damaged and is built again.", graph)
    try:
        from streamvc.runtimes.export import export_onnx
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"There is no ONNX graph of {weights}, and building it needs PyTorch ({error}); "
            "run `pip install 'streamvc[torch]'`."
        ) from error
    export_onnx(weights, graph)
    return OnnxRuntime(graph)


def _torch(weights: Path) -> Runtime:
    try:
        from streamvc.runtimes.pytorch import TorchRuntime
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"The torch backend needs PyTorch ({error}); run `pip install 'streamvc[torch]'` or choose --backend onnx."
        ) from error
    return TorchRuntime(weights)
