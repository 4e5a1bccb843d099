"""A wheel built the long way (sdist, then wheel from it) and installed into an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Distributions:
    sdist: Path
    wheel: Path


@dataclass(frozen=True)
class Environment:
    """A virtual environment that has the built wheel, and the dependencies of the test environment behind it."""

    bin: Path

    def run(self, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a program of this environment, blind to the checkout."""
        env = without_checkout()
        env["PATH"] = os.pathsep.join([str(self.bin), env.get("PATH", "")])
        program, *arguments = command
        return subprocess.run([self.bin / program, *arguments], cwd=cwd, env=env, capture_output=True, text=True)


def without_checkout() -> dict[str, str]:
    """The environment variables without those that could put the checkout on the import path (PYTHONPATH)."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}


def build_inputs(folder: str, names: list[str]) -> set[str]:
    """What must not be copied beside the sources: history, earlier builds (setuptools would reuse them), runs."""
    unwanted = {".git", ".venv", "venv", "build", "dist", "runs", "corpora", "__pycache__"}
    at_root = (Path(folder) / "pyproject.toml").is_file()
    return {
        name
        for name in names
        if (name in unwanted and (at_root or name == "__pycache__")) or name.endswith((".egg-info", "_cache"))
    }


@pytest.fixture(scope="session")
def distributions(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    folder = tmp_path_factory.mktemp("distributions")
    checkout = folder / "checkout"
    shutil.copytree(repository, checkout, symlinks=True, ignore=build_inputs)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist"), str(checkout)]
    result = subprocess.run(command, env=without_checkout(), capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    (wheel,) = (folder / "dist").glob("*.whl")
    return Distributions(sdist, wheel)


@pytest.fixture(scope="session")
def environment(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    root = tmp_path_factory.mktemp("installed")
    venv.create(root, with_pip=False)
    bin_folder = root / ("Scripts" if os.name == "nt" else "bin")
    pip = [sys.executable, "-m", "pip", "--python", str(bin_folder / "python"), "--quiet"]
    install = [*pip, "install", "--no-deps", "--no-index", str(distributions.wheel)]
    result = subprocess.run(install, env=without_checkout(), capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    # A path line reaches the dependencies but does not run the .pth files there, so an editable install of the
    # checkout stays out of sight.
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(root), "platbase": str(root)}))
    paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "dependencies.pth").write_text("\n".join(sorted(paths)) + "\n", encoding="utf-8")
    return Environment(bin_folder)
