"""`svc bench`: what the conversion costs on this machine, and what it delays on any."""

from __future__ import annotations

import gc
import json
import math
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
import numpy as np
import numpy.typing as npt

from streamvc.cli.options import model_options

if TYPE_CHECKING:
    from streamvc.engine import Engine
    from streamvc.plugin.render import RenderReport

Item = TypeVar("Item")

_RATES = (16_000, 44_100, 48_000)
_WARM_UP_FRAMES = 25


_BOUNDS = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0, 20.0)
"""Milliseconds that part the bars of the histogram."""


@dataclass(frozen=True)
class FrameCost:
    """Compute per frame in milliseconds: percentiles over many frames, the worst, and how they spread."""

    p50: float
    p95: float
    p99: float
    max: float
    counts: tuple[int, ...]
    """Frames up to each of `_BOUNDS`, each from the bound before, and those above the last."""

    @classmethod
    def of(cls, times: Sequence[float]) -> FrameCost:
        """Of times in milliseconds."""
        p50, p95, p99, worst = (float(value) for value in np.percentile(times, [50, 95, 99, 100]))
        counts = np.bincount(np.searchsorted(_BOUNDS, times), minlength=len(_BOUNDS) + 1)
        return cls(p50, p95, p99, worst, tuple(int(count) for count in counts))


@click.command()
@click.option(
    "--seconds",
    type=click.FloatRange(1.0, 3600.0),
    default=10.0,
    show_default=True,
    help="Audio to measure with.",
)
@click.option(
    "--voices",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    help="Streams of a pool that are stepped together; more than one adds a line for the pool.",
)
@model_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def bench(seconds: float, voices: int, backend: str, weights: Path | None, as_json: bool) -> None:
    """Measure the speed of the conversion on one thread, and list its latency.

    Latency is algorithmic: a property of the model and the sample rate that no machine changes. Speed is that of this
    machine: live use needs every frame to be done within its own length of 20 ms.
    """
    from streamvc.plugin.adapter import latency_at

    engine = _engine(backend, weights)
    cost = frame_cost(engine, seconds)
    memory = resident_megabytes()
    pool = pool_cost(engine, voices, seconds) if voices > 1 else None
    report = file_speed(engine, seconds)
    latencies = {rate: latency_at(engine.latency, rate) for rate in _RATES}
    if as_json:
        facts = {
            "backend": engine.runtime.name,
            "threads": 1,
            "machine": platform.machine(),
            "audio_seconds": seconds,
            "latency_ms": engine.latency.ms,
            "latency_ms_at_rate": {str(rate): round(latency.ms, 3) for rate, latency in latencies.items()},
            "frame_ms": _percentiles(cost),
            "frame_histogram": {"up_to_ms": list(_BOUNDS), "frames": list(cost.counts)},
            "render_x_realtime": round(report.speed, 2),
            "resident_mb": memory,
        }
        if pool is not None:
            facts["pool"] = {"voices": voices, "frame_ms": _percentiles(pool)}
        click.echo(json.dumps(facts))
        return
    click.echo("Latency (algorithmic, the same on every machine)")
    for rate, latency in latencies.items():
        click.echo(f"  {rate / 1000:g} kHz  {latency}")
    click.echo(f"Speed (this machine, one thread, {engine.runtime.name})")
    click.echo(
        f"  compute per frame of 20 ms  {cost.p50:.2f} ms median, {cost.p95:.2f} ms 95 %, {cost.p99:.2f} ms 99 %, "
        f"{cost.max:.2f} ms worst"
    )
    for line in _bars(cost):
        click.echo(f"    {line}")
    if pool is not None:
        click.echo(
            f"  {voices} voices in one step      {pool.p50:.2f} ms median, {pool.p99:.2f} ms 99 %: "
            f"{pool.p50 / voices:.2f} ms a voice"
        )
    if memory is not None:
        click.echo(f"  memory of a live voice      {memory:.0f} MB resident, of the whole process")
    click.echo(f"  rendering a 48 kHz file     {report.speed:.1f} x real time")


def frame_cost(engine: Engine, seconds: float) -> FrameCost:
    """Time the engine frame by frame, as live use calls it, after some frames to warm up."""
    engine.reset()
    return _time(engine.process, _frames(engine, seconds))


def pool_cost(engine: Engine, voices: int, seconds: float) -> FrameCost:
    """Time one step of a pool of so many streams, each at another place of the same speech.

    Raises:
        ConfigError: the model cannot step several streams at once.
    """
    from streamvc.pool import VoicePool

    pool, frames = VoicePool(engine.runtime), _frames(engine, seconds)
    streams = [pool.open(engine.voice) for _ in range(voices)]

    def step(at: int) -> None:
        pool.process({stream: frames[(at + 7 * n) % len(frames)] for n, stream in enumerate(streams)})

    return _time(step, range(len(frames)))


def resident_megabytes() -> float | None:
    """Largest memory that this process has held so far; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)


def _frames(engine: Engine, seconds: float) -> list[npt.NDArray[np.float32]]:
    speech = _speechlike(engine.latency.sample_rate, seconds)
    return [speech[start : start + engine.frame] for start in range(0, len(speech) - engine.frame + 1, engine.frame)]


def _time(step: Callable[[Item], object], items: Sequence[Item]) -> FrameCost:
    """Milliseconds of each call, collection of garbage kept out of them as live use does (plugin/live/worker.py)."""
    gc.collect()
    gc.freeze()
    try:
        times = []
        for number in range(_WARM_UP_FRAMES + len(items)):
            began = time.perf_counter()
            step(items[number % len(items)])
            times.append(1000.0 * (time.perf_counter() - began))
    finally:
        gc.unfreeze()
    return FrameCost.of(times[_WARM_UP_FRAMES:])


def _percentiles(cost: FrameCost) -> dict[str, float]:
    return {name: round(getattr(cost, name), 4) for name in ("p50", "p95", "p99", "max")}


def _bars(cost: FrameCost) -> list[str]:
    """A line for each stretch of the histogram from the first that is not empty to the last."""
    names = [f"up to {bound:4.1f} ms" for bound in _BOUNDS] + [f"above {_BOUNDS[-1]:4.1f} ms"]
    used = [number for number, count in enumerate(cost.counts) if count]
    longest = max(cost.counts)
    return [
        f"{names[n]}  {cost.counts[n]:6d}  {'#' * math.ceil(40 * cost.counts[n] / longest)}".rstrip()
        for n in range(used[0], used[-1] + 1)
    ]


def file_speed(engine: Engine, seconds: float) -> RenderReport:
    """Time `svc render`'s work on a 48 kHz mono file: reading, resampling, converting, writing."""
    from pedalboard.io import AudioFile

    from streamvc.plugin.render import render_file

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "source.wav", Path(folder) / "target.wav"
        with AudioFile(str(source), "w", samplerate=48_000, num_channels=1) as file:
            file.write(_speechlike(48_000, seconds)[np.newaxis])
        return render_file(source, target, engine)


def _engine(backend: str, weights: Path | None) -> Engine:
    from streamvc.controls import Voice
    from streamvc.engine import Engine
    from streamvc.runtimes import load_runtime

    runtime = load_runtime(backend, weights)
    if runtime.name == "torch":
        import torch

        torch.set_num_threads(1)
    # The cost does not depend on whose voice it is.
    voice = Voice(np.zeros(runtime.latent_dim, dtype=np.float32), log_f0_mean=math.log(200.0), log_f0_std=0.2)
    return Engine(runtime, voice)


def _speechlike(sample_rate: int, seconds: float) -> npt.NDArray[np.float32]:
    """Pulses at a moving pitch in bursts of a quarter second, over a floor of noise: [samples]."""
    time_ = np.arange(round(sample_rate * seconds)) / sample_rate
    phase = 2 * np.pi * (120 * time_ + 3 * np.sin(2 * np.pi * 1.5 * time_))
    voiced = sum(np.cos(k * phase) / k for k in range(1, 20)) * (np.sin(2 * np.pi * 2 * time_) > 0)
    noise = np.random.default_rng(0).standard_normal(len(time_))
    return np.asarray(0.1 * voiced + 0.003 * noise, dtype=np.float32)
