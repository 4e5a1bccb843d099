"""The built wheel holds what it should and works away from the checkout."""

from __future__ import annotations

import tarfile
import tomllib
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from pedalboard.io import AudioFile


@pytest.fixture(scope="module")
def wheel_files(distributions: Any) -> set[str]:
    with zipfile.ZipFile(distributions.wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def test_wheel_holds_the_declared_packages_and_their_data(repository: Path, wheel_files: set[str]) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))
    table = project["tool"]["setuptools"]
    expected = {"streamvc/py.typed"}
    for package in table["packages"]:
        top = max((name for name in table["package-dir"] if f"{package}.".startswith(f"{name}.")), key=len)
        folder = repository / table["package-dir"][top] / Path(*package.removeprefix(top).strip(".").split("."))
        expected |= {f"{package.replace('.', '/')}/{file.name}" for file in folder.glob("*.py")}
    expected |= {f"streamvc/weights/{file.name}" for file in (repository / "streamvc" / "weights").iterdir()}
    expected |= {f"streamvc/presets/data/{file.name}" for file in (repository / "presets" / "data").glob("*.npz")}
    training = repository / "training"
    expected |= {f"streamvc/training/{file.relative_to(training)}" for file in training.glob("**/*.toml")}
    installed = {name for name in wheel_files if ".dist-info" not in PurePosixPath(name).parts[0]}
    assert installed == expected


def test_wheel_holds_weights_and_voices(wheel_files: set[str]) -> None:
    weights = {"live.safetensors", "live.onnx", "live-speech.onnx"}
    assert {f"streamvc/weights/{name}" for name in weights} <= wheel_files
    assert "streamvc/presets/data/alice.npz" in wheel_files
    assert sum(name.startswith("streamvc/presets/data/") for name in wheel_files) >= 12


def test_wheel_is_at_most_80_megabytes(distributions: Any) -> None:
    assert distributions.wheel.stat().st_size <= 80e6


def test_wheel_holds_licence_and_notice(wheel_files: set[str]) -> None:
    names = {PurePosixPath(name).name for name in wheel_files if ".dist-info/licenses/" in name}
    assert names == {"LICENSE", "NOTICE"}


def test_sdist_holds_tests_documents_and_examples(distributions: Any) -> None:
    with tarfile.open(distributions.sdist) as archive:
        files = {str(PurePosixPath(*PurePosixPath(name).parts[1:])) for name in archive.getnames()}
    assert {"CHANGELOG.md", "NOTICE", "docs/architecture.md", "examples/speech.wav", "tests/conftest.py"} <= files
    assert "cli/__init__.py" in files
    assert "streamvc/cli/__init__.py" not in files, "the links in streamvc/ were followed"


@pytest.mark.parametrize("command", ["svc", "streamvc"])
def test_installed_command_answers_from_another_folder(environment: Any, command: str, tmp_path: Path) -> None:
    result = environment.run(command, "--help", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "render" in result.stdout


def test_installed_package_is_not_the_checkout(environment: Any, repository: Path, tmp_path: Path) -> None:
    code = "import streamvc, streamvc.plugin, streamvc.presets as p; print(streamvc.__file__, p.__file__, sep='\\n')"
    result = environment.run("python", "-c", code, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    for line in result.stdout.splitlines():
        assert not Path(line).resolve().is_relative_to(repository)


def test_installed_command_renders_speech_from_another_folder(
    environment: Any, example_speech: Path, tmp_path: Path
) -> None:
    output = tmp_path / "alice.wav"
    result = environment.run("svc", "render", str(example_speech), "--preset", "alice", "-o", str(output), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    with AudioFile(str(example_speech)) as source, AudioFile(str(output)) as rendered:
        assert rendered.frames == source.frames
        assert rendered.samplerate == source.samplerate
        original, audio = source.read(source.frames), rendered.read(rendered.frames)
    assert 0.01 < float((audio**2).mean() ** 0.5) < 0.5
    assert abs(audio - original).mean() > 0.01, "the output is the input"
