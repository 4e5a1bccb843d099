"""Whatever the package imports is declared in pyproject.toml, in the place that fits the importer."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
IMPORT_NAMES = {  # where the import name is not the name of the distribution
    "hibari-tts": {"hibari"},
    "jack-client": {"jack"},
    "praat-parselmouth": {"parselmouth"},
    "python-rtmidi": {"rtmidi"},
    "scikit-learn": {"sklearn"},
}
PARTS = {"core": "streamvc", "cli": "cli", "plugin": "plugin", "presets": "presets", "training": "training"}


def declared(requirements: list[str]) -> set[str]:
    """Import names of a list of requirements."""
    names = [re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower() for requirement in requirements]
    return {module for name in names for module in IMPORT_NAMES.get(name, {name.replace("-", "_")})}


BASE = declared(PROJECT["dependencies"])
EXTRAS = {extra: declared(requirements) for extra, requirements in PROJECT["optional-dependencies"].items()}


def third_party_imports(folder: Path, at_import_time: bool) -> dict[str, set[str]]:
    """Top-level names that the files below `folder` import from other distributions, with the files that do.

    With `at_import_time`, only imports that run when the module is imported: not those inside functions, and not
    those for annotations only.
    """
    found: dict[str, set[str]] = {}

    def visit(node: Any, file: Path) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            return
        if at_import_time and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            names = []
        for name in names:
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names and top != "streamvc":
                found.setdefault(top, set()).add(str(file.relative_to(REPOSITORY)))
        for child in ast.iter_child_nodes(node):
            visit(child, file)

    for file in folder.rglob("*.py"):
        if not any(parent.is_symlink() for parent in file.parents):
            visit(ast.parse(file.read_text(encoding="utf-8")), file)
    return found


@pytest.mark.parametrize("part", [name for name in PARTS if name != "training"])
def test_modules_import_with_the_base_installation(part: str) -> None:
    # The model in torch is part of the core; that nothing else loads it is seen in test_imports.py.
    allowed = BASE | EXTRAS["torch"] if part == "core" else BASE
    undeclared = {
        name: files
        for name, files in third_party_imports(REPOSITORY / PARTS[part], at_import_time=True).items()
        if name not in allowed
    }
    assert not undeclared


def test_training_imports_with_its_extra() -> None:
    allowed = BASE | EXTRAS["train"] | EXTRAS["eval"]
    imports = third_party_imports(REPOSITORY / "training", at_import_time=True)
    assert not {name: files for name, files in imports.items() if name not in allowed}


@pytest.mark.parametrize("part", PARTS)
def test_lazy_imports_are_declared_in_some_extra(part: str) -> None:
    allowed = BASE.union(*(names for extra, names in EXTRAS.items() if extra not in ("dev", "test")))
    imports = third_party_imports(REPOSITORY / PARTS[part], at_import_time=False)
    assert not {name: files for name, files in imports.items() if name not in allowed}


def test_every_base_dependency_is_used() -> None:
    used = set().union(*(third_party_imports(REPOSITORY / folder, at_import_time=False) for folder in PARTS.values()))
    assert not BASE - used
