from __future__ import annotations

import json

import pytest


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_json_has_the_promised_entries(svc, model, backend):
    result = svc("bench", "--weights", model.weights, "--backend", backend, "--seconds", "1", "--json")
    assert result.code == 0, result.err
    facts = json.loads(result.out)
    assert facts["backend"] == backend
    assert facts["threads"] == 1
    assert facts["latency_ms"] == 60.0
    frame = facts["frame_ms"]
    assert 0 < frame["p50"] <= frame["p95"] <= frame["p99"] <= frame["max"]
    assert facts["render_x_realtime"] > 0


def test_the_text_shows_latency_and_speed_apart(svc, model):
    lines = svc("bench", "--weights", model.weights, "--seconds", "1").out.splitlines()
    latency, speed = lines.index("Latency (algorithmic, the same on every machine)"), len(lines) - 3
    assert latency == 0
    assert lines[speed].startswith("Speed (this machine, one thread, onnx)")
    assert "60.0 ms" in lines[1]
    assert "x real time" in lines[-1]
