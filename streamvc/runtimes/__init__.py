"""Where a model runs. `load_runtime` chooses; neither torch nor ONNX Runtime is imported before it is needed."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Literal

from streamvc.errors import CheckpointError, ConfigError
from streamvc.runtimes.base import Array, Runtime, RuntimeState

Backend = Literal["auto", "onnx", "torch"]

__all__ = ["Array", "Backend", "Runtime", "RuntimeState", "default_weights", "load_runtime"]


def default_weights() -> Path:
    """The shipped `live` checkpoint."""
    return Path(str(resources.files("streamvc"))) / "weights" / "live.safetensors"


def load_runtime(backend: str = "auto", weights: str | Path | None = None) -> Runtime:
    """A runtime over a checkpoint (default: the shipped weights).

    `auto` takes `onnx` where the graph (same name, `.onnx`) lies beside the checkpoint, else `torch`.

    Raises:
        ConfigError: the backend is unknown.
        CheckpointError: the weights or the graph cannot be used.
        RuntimeUnavailableError: the backend's package is not installed.
    """
    path = Path(weights) if weights is not None else default_weights()
    graph = path.with_suffix(".onnx")
    if backend not in ("auto", "onnx", "torch"):
        raise ConfigError(f"No backend is named {backend!r}; choose auto, onnx or torch.")
    if not path.is_file() and not graph.is_file():
        raise CheckpointError(f"There is no weights file at {path}; check the path, or reinstall streamvc.")
    if backend == "onnx" or (backend == "auto" and graph.is_file()):
        from streamvc.runtimes.onnx import OnnxRuntime

        return OnnxRuntime(graph)
    from streamvc.runtimes.pytorch import TorchRuntime

    return TorchRuntime(path)
