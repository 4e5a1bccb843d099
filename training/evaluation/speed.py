"""What the conversion costs on this machine, and what it delays on any."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from streamvc.controls import Controls, Voice
from streamvc.engine import Engine
from streamvc.latency import LatencyReport
from streamvc.runtimes import Runtime
from streamvc.training.evaluation.pairs import Wave

SECONDS: Final = 5.0
"""How much speech is converted to take the time."""
_WARM_UP_FRAMES: Final = 25


@dataclass(frozen=True)
class Speed:
    """Speed of a runtime, taken frame by frame as live use calls it.

    Args:
        backend: name of the runtime.
        frames: how many frames were timed.
        frame_ms: length of a frame in ms; live use needs every frame to be done within it.
        p50_ms, p99_ms: percentiles of the time that a frame took, in ms.
        real_time_factor: time to compute over length of the sound; below 1 is faster than live.
        cpu_factor: the same in CPU time, which other work on the machine hardly changes.
        latency: algorithmic delay, the same on every machine.
    """

    backend: str
    frames: int
    frame_ms: float
    p50_ms: float
    p99_ms: float
    real_time_factor: float
    cpu_factor: float
    latency: LatencyReport

    def __str__(self) -> str:
        return (
            f"latency {self.latency}; {self.backend}: {self.p50_ms:.2f} ms median and {self.p99_ms:.2f} ms 99 % per "
            f"frame of {self.frame_ms:g} ms, real-time factor {self.real_time_factor:.2f} "
            f"({self.cpu_factor:.2f} in CPU time) on this machine"
        )

    def to_json(self) -> dict[str, Any]:
        """As plain data; times in ms."""
        return {
            "backend": self.backend,
            "machine": platform.machine(),
            "frames": self.frames,
            "frame_ms": self.frame_ms,
            "p50_ms": self.p50_ms,
            "p99_ms": self.p99_ms,
            "real_time_factor": self.real_time_factor,
            "cpu_factor": self.cpu_factor,
            "latency": {**vars(self.latency), "samples": self.latency.samples, "ms": self.latency.ms},
        }


def measure_speed(runtime: Runtime, speech: Wave, seconds: float = SECONDS) -> Speed:
    """Time the streaming engine on `seconds` of `speech` [samples] at 16 kHz, which is repeated where it is shorter.

    Takes as many threads as the runtime was given. Half a second before that warms up and does not count.
    """
    # The cost does not depend on whose voice it is.
    voice = Voice(np.zeros(runtime.latent_dim, dtype=np.float32), log_f0_mean=float(np.log(200.0)), log_f0_std=0.2)
    engine = Engine(runtime, voice, Controls())
    frame, rate = engine.frame, engine.latency.sample_rate
    frames = _WARM_UP_FRAMES + max(1, round(seconds * rate / frame))
    samples = np.resize(speech, frames * frame).astype(np.float32)
    times = []
    cpu = 0.0
    for number, start in enumerate(range(0, samples.size, frame)):
        if number == _WARM_UP_FRAMES:
            cpu = time.process_time()
        began = time.perf_counter()
        engine.process(samples[start : start + frame])
        times.append(1000.0 * (time.perf_counter() - began))
    cpu = time.process_time() - cpu
    counted = np.asarray(times[_WARM_UP_FRAMES:])
    p50, p99 = np.percentile(counted, [50, 99])
    frame_ms = 1000.0 * frame / rate
    return Speed(
        backend=runtime.name,
        frames=counted.size,
        frame_ms=frame_ms,
        p50_ms=float(p50),
        p99_ms=float(p99),
        real_time_factor=float(counted.mean()) / frame_ms,
        cpu_factor=1000.0 * cpu / counted.size / frame_ms,
        latency=engine.latency,
    )
