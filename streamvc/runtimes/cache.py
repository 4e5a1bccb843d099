"""Where graphs that were built on first use are kept: by the fingerprint of their weights, without importing torch."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from streamvc.errors import CheckpointError
from streamvc.runtimes.base import GRAPH_SCHEMA


def fingerprint(path: str | os.PathLike[str]) -> str:
    """Sixteen hexadecimal digits that identify a weights file; presets carry those of the weights they belong to.

    Raises:
        CheckpointError: the file is missing or unreadable.
    """
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise CheckpointError(f"The weights file {path} cannot be read ({error.strerror}).") from error
    return digest.hexdigest()[:16]


def cached_graph(weights_fingerprint: str) -> Path:
    """The place of the graph of these weights in the user's cache folder, whether it exists or not."""
    return cache_folder() / f"{weights_fingerprint}-{GRAPH_SCHEMA}.onnx"


def cache_folder(variables: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """`streamvc` in the user's cache folder, as the platform (or `$XDG_CACHE_HOME`) has it."""
    # The XDG specification says that a relative path is to be ignored.
    xdg = variables.get("XDG_CACHE_HOME", "")
    if os.path.isabs(xdg):
        return Path(xdg) / "streamvc"
    if platform == "win32":
        local = variables.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "streamvc" / "cache"
    if platform == "darwin":
        return Path.home() / "Library" / "Caches" / "streamvc"
    return Path.home() / ".cache" / "streamvc"
