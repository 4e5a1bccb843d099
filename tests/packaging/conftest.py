"""A wheel built the long way (sdist, then wheel from it) and installed into an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import dataclass
from email import message_from_bytes
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement


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
    # A path line reaches the dependencies but does not run the .pth files there, so an editable install of the
    # checkout stays out of sight.
    return installed(distributions.wheel, root, {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})


@pytest.fixture(scope="session")
def plain_environment(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel with what `pip install streamvc` brings and nothing else: no extra, so no torch."""
    root = tmp_path_factory.mktemp("plain")
    libraries = root / "libraries"
    libraries.mkdir()
    for name in required(distributions.wheel):
        tops = {file.parts[0] for file in metadata.distribution(name).files or ()}
        for entry in tops - {"..", "__pycache__"}:
            (libraries / entry).symlink_to(Path(str(metadata.distribution(name).locate_file(entry))))
    return installed(distributions.wheel, root / "environment", {str(libraries)})


def required(wheel: Path) -> set[str]:
    """The distributions that a wheel needs, and those need, without extras."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        waiting = message_from_bytes(archive.read(name)).get_all("Requires-Dist", [])
    found: set[str] = set()
    while waiting:
        requirement = Requirement(waiting.pop())
        if requirement.name not in found and (requirement.marker is None or requirement.marker.evaluate()):
            found.add(requirement.name)
            waiting += metadata.requires(requirement.name) or []
    return found


def installed(wheel: Path, root: Path, libraries: set[str]) -> Environment:
    """A new virtual environment with a wheel, and folders of libraries behind it."""
    venv.create(root, with_pip=False)
    bin_folder = root / ("Scripts" if os.name == "nt" else "bin")
    pip = [sys.executable, "-m", "pip", "--python", str(bin_folder / "python"), "--quiet"]
    install = [*pip, "install", "--no-deps", "--no-index", str(wheel)]
    result = subprocess.run(install, env=without_checkout(), capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(root), "platbase": str(root)}))
    (site / "dependencies.pth").write_text("\n".join(sorted(libraries)) + "\n", encoding="utf-8")
    return Environment(bin_folder)
