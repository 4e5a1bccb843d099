"""The list of packages in pyproject.toml is the tree, and the checkout shows the names that an installation has."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

MAPPED = ("cli", "plugin", "presets", "training")


@pytest.fixture(scope="module")
def setuptools_table(repository: Path) -> dict[str, Any]:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))
    return project["tool"]["setuptools"]


def python_folders(root: Path, name: str) -> dict[str, Path]:
    """Dotted names of the folders at and below `root` that hold Python files; links are not followed."""
    found = {}
    for folder, _, files in os.walk(root, followlinks=False):
        if any(file.endswith(".py") for file in files):
            found[".".join([name, *Path(folder).relative_to(root).parts])] = Path(folder)
    return found


def test_declared_packages_are_the_tree(repository: Path, setuptools_table: dict[str, Any]) -> None:
    found = python_folders(repository / "streamvc", "streamvc")
    for name in MAPPED:
        found |= python_folders(repository / name, f"streamvc.{name}")
    assert sorted(setuptools_table["packages"]) == sorted(found)
    for name, folder in found.items():
        assert (folder / "__init__.py").is_file(), f"{name} has modules but no __init__.py"


def test_every_mapped_folder_is_declared_and_linked(repository: Path, setuptools_table: dict[str, Any]) -> None:
    expected = {"streamvc": "streamvc"} | {f"streamvc.{name}": name for name in MAPPED}
    assert setuptools_table["package-dir"] == expected
    for name in MAPPED:
        link = repository / "streamvc" / name
        assert link.is_symlink()
        assert link.readlink() == Path("..") / name


@pytest.mark.parametrize("name", MAPPED)
def test_general_names_stay_free(name: str, repository: Path) -> None:
    """The installation owns `streamvc` and no other top-level name, such as `cli`."""
    code = f"import importlib.util as u; spec = u.find_spec({name!r}); print(spec.origin if spec else '')"
    result = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert str(repository) not in result.stdout
