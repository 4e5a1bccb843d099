"""The command line as a function, and a model that is small enough to run in every test."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pedalboard.io import AudioFile

from streamvc.presets.format import Preset


@dataclass(frozen=True)
class Result:
    """What a run of the command printed, and how it ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Model:
    """Weights with their graph, and a preset that was made for them."""

    weights: Path
    preset: Path
    fingerprint: str

    @property
    def options(self) -> list[str]:
        """Arguments that choose this voice of this model."""
        return ["--preset", str(self.preset), "--weights", str(self.weights)]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """An untrained, narrow model: it makes no speech, but takes the same way as one that does."""
    import torch

    from streamvc.checkpoint import fingerprint, save_model
    from streamvc.config import LiveConfig
    from streamvc.model import build_model
    from streamvc.runtimes.export import export_onnx

    narrow = {"encoder_width": 16, "encoder_blocks": 1, "speech_width": 16, "speech_blocks": 1}
    narrow |= {"decoder_width": 16, "decoder_blocks": 1, "fine_width": 16, "fine_blocks": 1}
    folder = tmp_path_factory.mktemp("model")
    weights = folder / "small.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(3)
        save_model(build_model(dataclasses.replace(LiveConfig(), **narrow)), weights)
    export_onnx(weights, weights.with_suffix(".onnx"))
    latent = np.random.default_rng(0).standard_normal(64).astype(np.float32)
    preset = Preset("someone", latent, log_f0_mean=5.0, log_f0_std=0.2, model=fingerprint(weights))
    return Model(weights, preset.save(folder / "someone.npz"), fingerprint(weights))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    path = tmp_path / "work"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


@pytest.fixture
def svc(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Result]]:
    """`svc(*arguments) -> Result`: run the command in this process."""
    from streamvc.cli.main import main

    handler = signal.getsignal(signal.SIGTERM)

    def run(*arguments: object) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        code = stop.value.code
        return Result(0 if code is None else int(code), printed.out, printed.err)

    yield run
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def start(repository: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """`start(*arguments, **options) -> Popen`: run the command in a process of its own, in its own process group."""
    running: list[subprocess.Popen[str]] = []

    def run(*arguments: object, **options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "streamvc.cli.main", *map(str, arguments)]
        path = os.pathsep.join(filter(None, [str(repository), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": path, **options.pop("env", {})}
        prepare = options.pop("preexec_fn", None)

        def before() -> None:
            # A shell lets what it starts in the background ignore interrupts, and that is inherited.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if prepare is not None:
                prepare()

        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        process = subprocess.Popen(command, text=True, env=environment, preexec_fn=before, **options)
        running.append(process)
        return process

    yield run
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def write_speech() -> Callable[..., Path]:
    """`write_speech(path, seconds=0.4, rate=16000, channels=1, **format)`: a file of pulses at 120 Hz; returns it."""

    def write(path: Path, seconds: float = 0.4, rate: int = 16_000, channels: int = 1, **options: Any) -> Path:
        time = np.arange(rate) / rate
        second = sum(np.cos(2 * np.pi * 120 * k * time) / k for k in range(1, 20))
        second = (0.1 * second * np.sin(np.pi * time) ** 2).astype(np.float32)
        path.parent.mkdir(parents=True, exist_ok=True)
        with AudioFile(str(path), "w", samplerate=rate, num_channels=channels, **options) as file:
            left = round(rate * seconds)
            while left > 0:
                file.write(np.tile(second[:left], (channels, 1)))
                left -= rate
        return path

    return write
