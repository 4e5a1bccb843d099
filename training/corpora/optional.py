"""Packages that are not part of the plain installation."""

from __future__ import annotations

import importlib.util

from streamvc.errors import RuntimeUnavailableError


def need(task: str, *modules: str, extra: str = "train") -> None:
    """Refuse a task before its work, not in the midst of it.

    Raises:
        RuntimeUnavailableError: one of the modules is not installed.
    """
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise RuntimeUnavailableError(
                f"For {task}, the package {module} is missing: run pip install 'streamvc[{extra}]'."
            )
