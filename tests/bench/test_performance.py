"""The tools behind docs/performance.md count right. What they time is reported, never judged."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import soundfile

from streamvc.config import FRAME
from streamvc.runtimes.onnx import OnnxRuntime


@pytest.fixture
def bench(repository, monkeypatch):
    """`bench(name)`: a module of this folder by the name under which its command runs."""
    monkeypatch.syspath_prepend(str(repository))
    return lambda name: importlib.import_module(f"tests.bench.{name}")


@pytest.fixture(scope="module")
def speech(example_speech):
    return soundfile.read(example_speech, dtype="float32")[0][: 100 * FRAME]


@pytest.mark.parametrize("streams", [1, 3])
def test_products_are_counted(bench, small_live, speech, tmp_path, monkeypatch, streams):
    costs = bench("node_costs")
    monkeypatch.setattr(costs, "ROUNDS", 1)
    graph = costs.RunningGraph(small_live / "live.onnx", speech, tmp_path, streams)
    found = {cost.name: cost for cost in graph.costs()}
    block = found["/content/blocks.0/expand/Gemm"]
    assert (block.part, block.macs, block.constant_bytes) == ("content", streams * 24 * 96, 4 * (24 * 96 + 96))
    assert found["/network/fine.0/point/Gemm"].macs == 4 * streams * 16 * 64
    assert found["/content/blocks.0/Gelu"].macs == 0
    assert len(found) > 300
    session, fed = graph.run_products()
    names = [output.name for output in session.get_outputs()]
    for name, value in zip(names, session.run(None, fed), strict=True):
        assert np.allclose(value, graph.values[name], atol=1e-4)


def test_a_step_of_many_streams_is_timed(bench, small_live, speech):
    times = list(bench("node_costs").step_times(OnnxRuntime(small_live / "live.onnx"), speech, 3, 5))
    assert len(times) == 5
    assert min(times) > 0


def test_lateness_adds_up_until_there_is_time_again(bench):
    late = bench("soak").deadlines_missed(np.array([0.004, 0.013, 0.009, 0.001, 0.001]), 0.010)
    assert late == pytest.approx([-0.006, 0.003, 0.002, -0.007, -0.009])


def test_a_short_soak(bench, speech):
    result = bench("soak").soak(np.repeat(speech, 3), 48_000, 10.0, 0.01)
    assert result.blocks == 60
    assert 0 < result.p50_ms <= result.p99_ms <= result.max_ms
    assert result.memory_end_mb > 50


def test_the_page_has_all_tables(bench):
    measure, pages = bench("measure"), bench("pages")
    curve = {voices: 1.0 * voices for voices in measure.VOICES}
    names = ("onnx, as shipped", "onnx, fp32", "torch, `live`", "torch, `paper`")
    page = pages.Page(
        machine=measure.machine(), times={name: [1.0, 2.0, 4.0] for name in names}, noise_db={"alice": 47.0},
        parts=[measure.Part("log-mel", 3, 2_000_000, 1_000_000, 12.0)],
        products=measure.Products(5, 10**7, 10**7, 400.0),
        pool={"int8": curve, "fp32": curve}, memory_mb=100.0, start_seconds=(0.4, 0.1), jobs={1: 10.0, 2: 6.0},
        wheel_mb=30.0, soak=[],
    )
    text = page.text()
    assert "| median of a frame | at most 1.5 ms | 2.00 ms |" in text
    assert "| log-mel | 3 | 2.00 | 1.00 | 12 | 100 % |" in text
    assert text.count("\n## ") == 6
    assert max(map(len, text.splitlines())) <= 160
