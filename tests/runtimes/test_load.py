"""Which runtime is chosen, and what it imports."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys

import pytest

from streamvc.errors import CheckpointError, ConfigError, RuntimeUnavailableError
from streamvc.runtimes import default_weights, load_runtime
from streamvc.runtimes.cache import cache_folder, cached_graph, fingerprint


@pytest.fixture
def lonely(small_live, tmp_path, monkeypatch):
    """Weights without a graph, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return shutil.copy(small_live / "live.safetensors", tmp_path / "m.safetensors")


def test_auto_takes_the_graph_beside_the_weights(small_live):
    assert load_runtime("auto", small_live / "live.safetensors").name == "onnx"
    assert load_runtime("torch", small_live / "live.safetensors").name == "torch"


def test_a_graph_alone_is_enough(small_live, tmp_path):
    shutil.copy(small_live / "live.onnx", tmp_path / "m.onnx")
    for path in (tmp_path / "m.safetensors", tmp_path / "m.onnx"):
        assert load_runtime("auto", path).fingerprint == fingerprint(small_live / "live.safetensors")
    with pytest.raises(CheckpointError, match="no weights file"):
        load_runtime("torch", tmp_path / "m.safetensors")


def test_a_graph_is_built_once_and_kept(lonely):
    graph = cached_graph(fingerprint(lonely))
    assert not graph.exists()
    assert load_runtime("auto", lonely).name == "onnx"
    built = graph.stat().st_mtime_ns
    assert [p.name for p in graph.parent.iterdir()] == [graph.name]
    assert load_runtime("onnx", lonely).fingerprint == fingerprint(lonely)
    assert graph.stat().st_mtime_ns == built


def test_a_damaged_graph_in_the_cache_is_built_again(lonely):
    graph = cached_graph(fingerprint(lonely))
    graph.parent.mkdir(parents=True)
    graph.write_bytes(b"half a graph")
    assert load_runtime("auto", lonely).name == "onnx"
    assert graph.stat().st_size > 10_000


def test_a_graph_of_other_weights_is_not_used(small_live, lonely, tmp_path, caplog):
    shutil.copy(small_live / "live.onnx", tmp_path / "m.onnx")
    from streamvc.checkpoint import load_model, save_model

    save_model(load_model(lonely), lonely, {"note": "trained further"})
    assert fingerprint(lonely) != fingerprint(small_live / "live.safetensors")
    assert load_runtime("auto", lonely).fingerprint == fingerprint(lonely)
    assert "other weights" in caplog.text


def test_auto_falls_back_to_torch_with_a_line_in_the_log(lonely, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("where the cache should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING):
        assert load_runtime("auto", lonely).name == "torch"
    assert len(caplog.records) == 1
    assert "with torch" in caplog.text


def test_onnx_without_onnx_runtime_says_what_to_install(small_live, without):
    without("onnxruntime")
    with pytest.raises(RuntimeUnavailableError, match="pip install onnxruntime"):
        load_runtime("onnx", small_live / "live.safetensors")
    assert load_runtime("auto", small_live / "live.safetensors").name == "torch"


def test_export_without_onnx_says_what_to_install(lonely, without):
    without("onnx")
    with pytest.raises(RuntimeUnavailableError, match="needs the package onnx"):
        load_runtime("onnx", lonely)


@pytest.mark.parametrize("backend", ["auto", "onnx", "torch"])
def test_missing_weights_are_said_so(tmp_path, backend):
    with pytest.raises(CheckpointError, match="no weights file at"):
        load_runtime(backend, tmp_path / "none.safetensors")


def test_an_unknown_backend_is_refused(small_live):
    with pytest.raises(ConfigError, match="choose auto, onnx or torch"):
        load_runtime("cuda", small_live / "live.safetensors")


def test_the_default_weights_are_the_package_s_own():
    assert default_weights().parts[-3:] == ("streamvc", "weights", "live.safetensors")


def test_the_cache_is_where_the_platform_has_it(tmp_path):
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path)}, "linux") == tmp_path / "streamvc"
    assert cache_folder({"XDG_CACHE_HOME": "relative"}, "linux").parts[-2:] == (".cache", "streamvc")
    assert cache_folder({}, "darwin").parts[-3:] == ("Library", "Caches", "streamvc")
    assert cache_folder({"LOCALAPPDATA": str(tmp_path)}, "win32") == tmp_path / "streamvc" / "cache"


@pytest.mark.parametrize("cached", [False, True], ids=["beside the weights", "from the cache"])
def test_onnx_runs_without_torch(small_live, lonely, cached):
    weights = lonely if cached else small_live / "live.safetensors"
    if cached:
        load_runtime("onnx", weights)
    program = f"""
import sys
import numpy as np
from streamvc.controls import Controls, Voice, pack
from streamvc.engine import Engine
from streamvc.runtimes import load_runtime
runtime = load_runtime("auto", {str(weights)!r})
assert runtime.name == "onnx"
engine = Engine(runtime, Voice(np.zeros(64), 5.0, 0.2), Controls(pitch_semitones=1))
assert np.isfinite(engine.process(np.full(640, 0.1, np.float32))).all()
heavy = {{"torch", "onnx", "safetensors", "pedalboard"}} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stderr


def test_the_shipped_graphs_belong_to_the_shipped_weights():
    """New weights need `python -m streamvc.runtimes.export live.safetensors live.onnx` in streamvc/weights."""
    from streamvc.runtimes.onnx import OnnxRuntime
    from streamvc.runtimes.speech import OnnxSpeechEncoder, speech_graph

    weights = default_weights()
    step, speech = OnnxRuntime(weights.with_suffix(".onnx")), speech_graph(weights.with_suffix(".onnx"))
    assert step.fingerprint == OnnxSpeechEncoder(speech).fingerprint == fingerprint(weights)
    assert (step.precision, step.batched) == ("int8", True)
