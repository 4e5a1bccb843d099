"""Latency and speed of the runtime that converts. No test here asserts a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from streamvc.checkpoint import save_model
from streamvc.config import get_config
from streamvc.model import build_model
from streamvc.runtimes import load_runtime
from streamvc.training.evaluation.speed import measure_speed


@pytest.mark.parametrize("samples", [100, 40_000])
def test_every_frame_is_timed_and_the_latency_is_the_engines(tmp_path: Path, samples: int) -> None:
    weights = tmp_path / "w.safetensors"
    save_model(build_model(get_config("live")), weights, dtype=torch.float32)
    speech = np.random.default_rng(0).normal(0, 0.05, samples).astype(np.float32)
    speed = measure_speed(load_runtime("torch", weights), speech, seconds=0.2)
    assert (speed.backend, speed.frames, speed.frame_ms) == ("torch", 10, 20.0)
    assert 0 < speed.p50_ms <= speed.p99_ms
    assert speed.latency.samples == 960
    data = speed.to_json()
    assert data["latency"] == {
        "framing": 320, "look_ahead": 640, "resample_in": 0, "resample_out": 0, "sample_rate": 16_000,
        "samples": 960, "ms": 60.0,
    }  # fmt: skip
    assert data["cpu_factor"] == speed.cpu_factor > 0
    assert data["real_time_factor"] == speed.real_time_factor > 0
    assert "60.0 ms" in str(speed)
