"""What of an installation the results depend on: workers must have the same, or bits would differ."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata

from streamvc import __version__


@cache
def _version(name: str) -> str:
    if name == "Python":
        return f"{sys.version_info.major}.{sys.version_info.minor}"
    if name == "streamvc":
        return __version__
    if name == "processor":
        return platform.machine()
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "none"


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of this interpreter, of StreamVC and of distributions, and the kind of processor."""
    return {name: _version(name) for name in ("processor", "Python", "streamvc", *packages)}


def difference(wanted: Mapping[str, str]) -> str | None:
    """The first difference of this installation in words, `numpy 2.1 where this command has 2.2`; None for none."""
    for name, version in wanted.items():
        if _version(name) != version:
            return f"{name} {_version(name)} where this command has {version}"
    return None
