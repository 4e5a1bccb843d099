"""`svc bench`: what the conversion costs on this machine, and what it delays on any."""

from __future__ import annotations

import json
import math
import platform
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import numpy.typing as npt

from streamvc.cli.options import model_options

if TYPE_CHECKING:
    from streamvc.engine import Engine
    from streamvc.plugin.render import RenderReport

_RATES = (16_000, 44_100, 48_000)
_WARM_UP_FRAMES = 25


@dataclass(frozen=True)
class FrameCost:
    """Compute per frame in milliseconds: percentiles over many frames, and the worst."""

    p50: float
    p95: float
    p99: float
    max: float


@click.command()
@click.option(
    "--seconds",
    type=click.FloatRange(1.0, 3600.0),
    default=10.0,
    show_default=True,
    help="Audio to measure with.",
)
@model_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def bench(seconds: float, backend: str, weights: Path | None, as_json: bool) -> None:
    """Measure the speed of the conversion on one thread, and list its latency.

    Latency is algorithmic: a property of the model and the sample rate that no machine changes. Speed is that of this
    machine: live use needs every frame to be done within its own length of 20 ms.
    """
    from streamvc.plugin.adapter import latency_at

    engine = _engine(backend, weights)
    cost = frame_cost(engine, seconds)
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
            "frame_ms": {name: round(value, 4) for name, value in vars(cost).items()},
            "render_x_realtime": round(report.speed, 2),
        }
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
    click.echo(f"  rendering a 48 kHz file     {report.speed:.1f} x real time")


def frame_cost(engine: Engine, seconds: float) -> FrameCost:
    """Time the engine frame by frame, as live use calls it, after some frames to warm up."""
    frame = engine.frame
    speech = _speechlike(engine.latency.sample_rate, seconds)
    engine.reset()
    times = []
    for number in range(_WARM_UP_FRAMES + len(speech) // frame):
        start = number * frame % (len(speech) // frame * frame)
        began = time.perf_counter()
        engine.process(speech[start : start + frame])
        times.append(1000.0 * (time.perf_counter() - began))
    p50, p95, p99, worst = np.percentile(times[_WARM_UP_FRAMES:], [50, 95, 99, 100])
    return FrameCost(float(p50), float(p95), float(p99), float(worst))


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
