"""One of every built-in plugin of the installed pedalboard, processors of known behaviour, and signals."""

from __future__ import annotations

import inspect
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterable
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pedalboard
import pytest
from pedalboard.io import AudioFile

from streamvc.plugin.chain_natives import CANNOT_STREAM

RATE = 48_000

ABSTRACT = {"AudioUnitPlugin", "ExternalPlugin", "IIRFilter", "Plugin", "PluginContainer", "VST3Plugin"}
"""Plugin classes of which nothing is made here: bases, and those that load somebody else's plugin."""

SETTINGS: dict[str, Callable[[], tuple[Any, ...]]] = {
    "Chain": lambda: ([pedalboard.HighpassFilter(300), pedalboard.Gain(-3)],),
    "Compressor": lambda: (-20, 3),
    "Delay": lambda: (0.03, 0.4, 0.5),
    "Limiter": lambda: (-20.0, 50.0),
    "LowpassFilter": lambda: (2000,),
    "Mix": lambda: ([pedalboard.Chorus(), pedalboard.Delay(0.01)],),
    "NoiseGate": lambda: (-20.0,),
    "Pedalboard": lambda: ([pedalboard.Compressor(-20, 3), pedalboard.Reverb()],),
    "PitchShift": lambda: (3,),
}
"""Arguments of those that would do little or nothing without."""

BUILTIN = sorted(
    name
    for name, kind in vars(pedalboard).items()
    if inspect.isclass(kind) and issubclass(kind, pedalboard.Plugin) and name not in ABSTRACT and name[0] != "_"
)


@pytest.fixture(params=BUILTIN)
def builtin(request: pytest.FixtureRequest) -> str:
    """The name of every built-in plugin in turn."""
    return str(request.param)


@pytest.fixture(params=[name for name in BUILTIN if name not in CANNOT_STREAM])
def streaming(request: pytest.FixtureRequest) -> str:
    """The name of every built-in plugin that can stream in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def make_plugin(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], pedalboard.Plugin]:
    """`make_plugin(name)`: a new plugin of that type, with settings that are heard."""
    path = tmp_path_factory.mktemp("impulse_response") / "decay.wav"
    decay = np.random.default_rng(3).standard_normal(1440) * np.exp(-np.arange(1440) / 300) * 0.1
    with AudioFile(str(path), "w", RATE, 1) as file:
        file.write(decay.astype(np.float32))

    def make(name: str) -> pedalboard.Plugin:
        if name == "Convolution":
            return pedalboard.Convolution(str(path), 0.7)
        return getattr(pedalboard, name)(*SETTINGS.get(name, tuple)())

    return make


class Late:
    """Gives back what it hears times `gain`, later by `delay` samples; holds its callers to the contract."""

    def __init__(self, delay: int = 0, gain: float = 1.0) -> None:
        self.delay = delay
        self.gain = gain
        self.resets = 0
        self.reset()

    def reset(self) -> None:
        self.resets += 1
        self._held: Any = None

    def latency_samples(self, sample_rate: float) -> int:
        return self.delay

    def process(self, input_array: Any, sample_rate: float, buffer_size: int = 8192, reset: bool = True) -> Any:
        assert input_array.dtype == np.float32
        assert input_array.ndim == 2
        if reset:
            self.reset()
            return self.gain * input_array
        if self._held is None:
            self._held = np.zeros((input_array.shape[0], self.delay), dtype=np.float32)
        joined = np.concatenate([self._held, self.gain * input_array], axis=1)
        count = input_array.shape[1]
        self._held = joined[:, count:]
        return joined[:, :count]


@pytest.fixture(scope="session")
def late() -> type[Late]:
    """The class `Late`."""
    return Late


@pytest.fixture(scope="session")
def noise() -> Callable[..., Any]:
    """`noise(samples, channels=1)`: [channels, samples] of changing loudness, so that dynamics have something to do."""

    def make(samples: int, channels: int = 1) -> Any:
        loudness = 0.25 + 0.2 * np.sin(2 * np.pi * 3 * np.arange(samples) / RATE)
        return (np.random.default_rng(0).uniform(-1, 1, (channels, samples)) * loudness).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def stream() -> Callable[..., Any]:
    """`stream(plugin, audio, sizes, rate=48000)`: the outputs for blocks of these sizes over and over, as a list."""

    def run(plugin: Any, audio: Any, sizes: Iterable[int], rate: int = RATE) -> list[Any]:
        outputs, start = [], 0
        for size in cycle(sizes):
            if start >= audio.shape[-1]:
                return outputs
            outputs.append(plugin.process(audio[..., start : start + size], rate, reset=False))
            start += size
        raise AssertionError("no sizes")

    return run


@pytest.fixture(scope="session")
def build_vst3(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`build_vst3(latency, instrument=False)`: the path of a real VST3 plugin, "Late Gain", late by so many samples.

    No small one comes ready made, so it is compiled from vst3/ here, with the VST3 implementation of DPF.
    """
    framework = Path("/usr/share/dpf/distrho")
    compiler = shutil.which("g++")
    if not framework.is_dir() or compiler is None or platform.system() != "Linux":
        pytest.skip("building the VST3 plugin needs Linux, g++ and DPF: apt-get install g++ dpf-source")
    source = Path(__file__).parent / "vst3"
    built: dict[tuple[int, bool], Path] = {}

    def build(latency: int, instrument: bool = False) -> Path:
        if (latency, instrument) not in built:
            plugin = tmp_path_factory.mktemp("vst3") / "LateGain.vst3"
            library = plugin / "Contents" / f"{platform.machine()}-linux" / "LateGain.so"
            library.parent.mkdir(parents=True)
            options = ["-O1", "-std=gnu++14", "-fPIC", "-shared", "-fvisibility=hidden"]
            defines = ["-DDISTRHO_PLUGIN_TARGET_VST3", f"-DLATENCY={latency}", f"-I{source}", f"-I{framework}"]
            if instrument:
                defines.append("-DINSTRUMENT")
            files = [str(source / "late_gain.cpp"), str(framework / "DistrhoPluginMain.cpp"), "-o", str(library)]
            subprocess.run([compiler, *options, *defines, *files], check=True, capture_output=True)
            built[latency, instrument] = plugin
        return built[latency, instrument]

    return build
