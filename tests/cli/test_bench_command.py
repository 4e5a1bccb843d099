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
    assert sum(facts["frame_histogram"]["frames"]) == 50
    assert len(facts["frame_histogram"]["frames"]) == len(facts["frame_histogram"]["up_to_ms"]) + 1
    assert facts["render_x_realtime"] > 0
    assert facts["resident_mb"] > 30
    assert "pool" not in facts


def test_the_text_shows_latency_and_speed_apart(svc, model):
    lines = svc("bench", "--weights", model.weights, "--seconds", "1").out.splitlines()
    assert lines[0] == "Latency (algorithmic, the same on every machine)"
    assert "60.0 ms" in lines[1]
    speed = lines.index("Speed (this machine, one thread, onnx)")
    assert "compute per frame of 20 ms" in lines[speed + 1]
    bars = [line.split() for line in lines if line.endswith("#")]
    assert bars
    assert sum(int(words[words.index("ms") + 1]) for words in bars) <= 50
    assert "MB resident" in lines[-2]
    assert "x real time" in lines[-1]


def test_a_pool_is_measured_when_asked_for(svc, model):
    facts = json.loads(svc("bench", "--weights", model.weights, "--seconds", "1", "--voices", "3", "--json").out)
    assert facts["pool"]["voices"] == 3
    assert 0 < facts["pool"]["frame_ms"]["p50"] <= facts["pool"]["frame_ms"]["max"]
    assert "3 voices in one step" in svc("bench", "--weights", model.weights, "--seconds", "1", "--voices", "3").out


def test_a_histogram_counts_every_frame_once():
    from streamvc.cli.bench import FrameCost

    cost = FrameCost.of([0.1, 0.5, 0.6, 1.0, 19.0, 25.0, 300.0])
    assert cost.counts == (2, 1, 1, 0, 0, 0, 0, 0, 0, 1, 2)
    assert cost.max == 300.0
