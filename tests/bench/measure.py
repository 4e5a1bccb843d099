"""The measurements behind docs/performance.md, each on one thread."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import soundfile

from streamvc.config import FRAME, PaperConfig
from streamvc.controls import Controls, Voice, pack
from streamvc.runtimes.onnx import OnnxRuntime
from tests.bench.node_costs import RunningGraph, step_times

VOICES = (1, 2, 4, 8, 16, 32, 64)
JOBS = (1, 2, 4)
_ROUNDS, _FRAMES, _PAPER_FRAMES, _SETTLE = 8, 100, 12, 3
_TITLES = {
    "mel": "log-mel", "content": "content encoder", "energy": "energy", "yin": "YIN",
    "pitch": "whitening, target pitch", "pulses": "pulse train",
    "network": "decoder network", "filter": "filters", "": "state, features, past of blocks",
}


@dataclass(frozen=True)
class Part:
    """A part of the model in the graph: operations, MACs, bytes of constants read, microseconds."""

    title: str
    nodes: int
    macs: int
    constant_bytes: int
    microseconds: float


@dataclass(frozen=True)
class Products:
    """The products with weights: MACs, bytes, and the median microseconds of a graph of nothing else."""

    count: int
    macs: int
    constant_bytes: int
    microseconds: float


def machine() -> dict[str, str]:
    """What the figures depend on."""
    import onnxruntime

    names = [line for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "processor": names[0].split(":")[1].strip() if names else platform.processor(),
        "cores": str(os.cpu_count()),
        "load when it began": f"{os.getloadavg()[0]:.1f}",
        "Python": platform.python_version(),
        "ONNX Runtime": onnxruntime.__version__,
    }


def frame_times(shipped: OnnxRuntime, exact: OnnxRuntime, weights: Path, speech: np.ndarray) -> dict[str, list[float]]:
    """Milliseconds of each frame of one voice, for every runtime, in turns: a busy moment meets all of them."""
    import torch

    from streamvc.model import build_model
    from streamvc.runtimes.pytorch import TorchRuntime

    torch.set_num_threads(1)
    runs: dict[str, tuple[Iterator[float], int]] = {
        "onnx, as shipped": (step_times(shipped, speech, 1, 10**9), _FRAMES),
        "onnx, fp32": (step_times(exact, speech, 1, 10**9), _FRAMES),
        "torch, `live`": (step_times(TorchRuntime(weights), speech, 1, 10**9), _FRAMES),  # type: ignore[arg-type]
    }
    torch.manual_seed(0)
    paper = build_model(PaperConfig()).eval()
    latent, controls = torch.zeros(1, 64), torch.from_numpy(pack(Voice(np.zeros(64), 5.3, 0.2), Controls()))[None]

    def paper_times() -> Iterator[float]:
        state = paper.initial_state(1)
        for start in range(0, 10**9, FRAME):
            x = torch.from_numpy(speech[start % (len(speech) - FRAME) :][:FRAME])[None]
            began = time.perf_counter()
            with torch.inference_mode():
                _, state = paper.step(x, latent, controls, state)
            yield 1000.0 * (time.perf_counter() - began)

    runs["torch, `paper`"] = (paper_times(), _PAPER_FRAMES)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(_ROUNDS):
        for name, (source, count) in runs.items():
            # The first frames after another model find its weights in the cache.
            times[name] += list(islice(source, count + _SETTLE))[_SETTLE:]
    return times


def noise_db(shipped: OnnxRuntime, exact: OnnxRuntime, speech: np.ndarray) -> dict[str, float]:
    """Decibels of the fp32 output over what the shipped graph says differently, for some built-in voices."""
    from streamvc.presets.store import list_presets, resolve

    x = speech[: len(speech) // FRAME * FRAME]
    found = {}
    for name in [info.name for info in list_presets() if info.builtin][:3]:
        voice = resolve(name).voice()
        how = voice.latent, pack(voice, Controls())
        one, other = (r.step(x, *how, r.initial_state())[0].astype(np.float64) for r in (exact, shipped))
        found[name] = float(10 * np.log10((one**2).sum() / ((one - other) ** 2).sum()))
    return found


def parts(graph: RunningGraph) -> list[Part]:
    """What each part costs, dearest first; operations by themselves, their inputs in the cache."""
    costs = graph.costs()
    found = []
    for part, title in _TITLES.items():
        own = [cost for cost in costs if (cost.part if cost.part in _TITLES else "") == part]
        found.append(Part(
            title, len(own), sum(c.macs for c in own), sum(c.constant_bytes for c in own),
            sum(c.microseconds for c in own),
        ))
    return sorted(found, key=lambda part: -part.microseconds)


def products(graph: RunningGraph) -> Products:
    """A graph of the products with weights alone, on their true inputs."""
    session, fed = graph.run_products()
    times = [_seconds(lambda: session.run(None, fed)) for _ in range(400)]
    own = [graph._cost(node) for node in graph.products().graph.node]
    return Products(
        len(own), sum(c.macs for c in own), sum(c.constant_bytes for c in own), 1e6 * float(np.median(times[50:]))
    )


def pool(runtime: OnnxRuntime, speech: np.ndarray) -> dict[int, float]:
    """Median milliseconds of a step of so many voices; single steps and batches in turns."""
    frames = {voices: max(12, 320 // voices) for voices in VOICES}
    runs = {voices: step_times(runtime, speech, voices, 10**9) for voices in VOICES}
    times: dict[int, list[float]] = {voices: [] for voices in VOICES}
    for _ in range(4):
        for voices, source in runs.items():
            times[voices] += list(islice(source, frames[voices] // 4 + _SETTLE))[_SETTLE:]
    return {voices: float(np.median(found)) for voices, found in times.items()}


def live_memory() -> float:
    """Resident megabytes of a process that converts a 48 kHz stream, after ten seconds of it, without torch."""
    code = (
        "import sys, numpy as np\n"
        "from streamvc.plugin import VoiceConverter\n"
        "converter, block = VoiceConverter('alice'), np.random.default_rng(0).normal(0, 0.1, (1, 480)).astype('f4')\n"
        "for _ in range(1000): converter.process(block, 48000, reset=False)\n"
        "assert 'torch' not in sys.modules\n"
        "print([l for l in open('/proc/self/status') if l.startswith('VmRSS')][0].split()[1])\n"
    )
    return int(_run(sys.executable, "-c", code)) * 1024 / 1e6


def start(folder: Path, speech: np.ndarray) -> tuple[float, float]:
    """Seconds of CPU of `svc render` on one second of audio, and of Python doing nothing."""
    soundfile.write(folder / "second.wav", speech[:16_000], 16_000)
    render = [sys.executable, "-m", "streamvc.cli.main", "render", str(folder / "second.wav"), "--preset", "alice"]
    commands = [*render, "-o", str(folder / "out.wav"), "--overwrite"], [sys.executable, "-c", "pass"]
    one, other = (min(_cpu(command) for _ in range(4)) for command in commands)
    return one, other


def jobs(folder: Path, example: Path) -> dict[int, float]:
    """Seconds of `svc render --jobs N` on eight files of half a minute."""
    audio, rate = soundfile.read(example)
    (folder / "many").mkdir()
    for number in range(8):
        soundfile.write(folder / "many" / f"{number}.wav", np.resize(np.roll(audio, 4_000 * number), 30 * rate), rate)
    found = {}
    for count in JOBS:
        command = [sys.executable, "-m", "streamvc.cli.main", "render", str(folder / "many"), "--preset", "alice"]
        target = str(folder / f"out{count}")
        found[count] = _seconds(lambda c=[*command, "-o", target, "--jobs", str(count)]: _run(*c))
    return found


def wheel(repository: Path, folder: Path) -> float:
    """Megabytes of the wheel of the last commit."""
    copy = folder / "commit"
    copy.mkdir()
    archive = subprocess.run(["git", "-C", str(repository), "archive", "HEAD"], check=True, capture_output=True)
    subprocess.run(["tar", "-x", "-C", str(copy)], input=archive.stdout, check=True)
    _run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder / "dist"), str(copy))
    (built,) = (folder / "dist").glob("*.whl")
    return built.stat().st_size / 1e6


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _cpu(command: list[str]) -> float:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(command)} failed")
    return usage.ru_utime + usage.ru_stime


def _run(*command: str) -> str:
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {result.stderr}")
    return result.stdout


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
