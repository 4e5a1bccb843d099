"""The file that the exporter writes: small, complete, and refused when it is damaged."""

from __future__ import annotations

import json
import stat

import numpy as np
import onnx
import pytest

from streamvc.config import FRAME, PaperConfig
from streamvc.controls import Controls, Voice, pack
from streamvc.errors import CheckpointError, ConfigError, OutputError
from streamvc.runtimes.export import export_onnx, main
from streamvc.runtimes.onnx import OnnxRuntime
from streamvc.runtimes.quantise import BLOCK, to_codes

PACKED = pack(Voice(np.zeros(64), 5.2, 0.25), Controls())


def test_large_weights_are_stored_in_half_the_space_and_lose_nothing(small_live):
    graph = onnx.load(small_live / "live.onnx").graph
    halves = [t for t in graph.initializer if t.data_type == onnx.TensorProto.FLOAT16]
    assert halves
    for tensor in graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and np.prod(tensor.dims) >= 4096:
            values = onnx.numpy_helper.to_array(tensor)
            assert not np.array_equal(values.astype(np.float16).astype(np.float32), values)
    casts = {node.input[0] for node in graph.node if node.op_type == "Cast"}
    assert {t.name for t in halves} <= casts


def test_pitch_is_computed_in_double_precision_throughout(small_live):
    """The exporter takes a tensor without dimensions for a Python number, and computes with it in single precision."""
    graph = onnx.load(small_live / "live.onnx").graph
    single = [
        node.name for node in graph.node
        if node.name.startswith(("/yin/", "/pitch/", "/pulses/")) and node.op_type == "Cast"
        and node.attribute[0].i == onnx.TensorProto.FLOAT
    ]
    # Candidates are 0 or 1 and counted in float32; nothing else is.
    assert len(single) <= 1, single


def test_the_exporter_leaves_one_readable_file(small_live, tmp_path):
    graph = tmp_path / "new folder" / "g.onnx"
    export_onnx(small_live / "live.safetensors", graph)
    assert [p.name for p in graph.parent.iterdir()] == ["g.onnx"]
    assert stat.S_IMODE(graph.stat().st_mode) == 0o644


def test_a_graph_that_cannot_be_written_is_said_so(small_live, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        export_onnx(small_live / "live.safetensors", tmp_path / "file" / "g.onnx")


def test_eight_bits_are_close_to_single_precision(small_live, tmp_path, speech, latents, onnx_runtime, run, capsys):
    graph = tmp_path / "int8.onnx"
    main([str(small_live / "live.safetensors"), str(graph)])
    assert "int8.onnx" in capsys.readouterr().out
    operators = [node.op_type for node in onnx.load(graph).graph.node]
    # Of the encoder the second convolution and four in each block, of which the first has its queries apart; of the
    # decoder two in each 50 Hz block, and what expands a frame to quarters.
    assert operators.count("MatMulNBits") == 1 + 5 + 4 + 2 * 2 + 1
    assert (onnx_runtime.precision, OnnxRuntime(graph).precision) == ("fp32", "int8")
    x = speech[40 * FRAME : 100 * FRAME]
    exact, rough = (run(r, x, latents[0], PACKED) for r in (onnx_runtime, OnnxRuntime(graph)))
    noise = np.mean((exact - rough) ** 2) / np.mean(exact**2)
    assert 0 < noise < 10 ** (-25 / 10)


def test_codes_are_within_half_a_step_of_the_weights():
    weight = np.random.default_rng(0).standard_normal((5, BLOCK + 7)).astype(np.float32)
    codes, scales = to_codes(weight)
    assert codes.shape == (5, 2, BLOCK)
    restored = ((codes.astype(np.float32) - 128) * scales[..., None]).reshape(5, -1)[:, : weight.shape[1]]
    assert (np.abs(restored - weight) <= np.repeat(scales, BLOCK, axis=1)[:, : weight.shape[1]] * 0.501).all()


def test_only_the_live_model_is_exported_in_eight_bits(tmp_path):
    from streamvc.checkpoint import save_model
    from streamvc.model import build_model

    small = PaperConfig(content_channels=4, speech_channels=4, decoder_channels=4)
    save_model(build_model(small), tmp_path / "p.safetensors")
    with pytest.raises(ConfigError, match="fp32"):
        export_onnx(tmp_path / "p.safetensors", tmp_path / "p.onnx", "int8")


def test_a_missing_graph_says_how_to_make_one(tmp_path):
    with pytest.raises(CheckpointError, match=r"no ONNX graph at .*export"):
        OnnxRuntime(tmp_path / "none.onnx")


@pytest.mark.parametrize("content", [b"", b"not a graph", "cut"], ids=["empty", "text", "truncated"])
def test_a_damaged_graph_is_refused(small_live, tmp_path, content):
    graph = tmp_path / "bad.onnx"
    whole = (small_live / "live.onnx").read_bytes()
    graph.write_bytes(whole[: len(whole) // 2] if content == "cut" else content)
    with pytest.raises(CheckpointError, match="export it again") as caught:
        OnnxRuntime(graph)
    assert "\n" not in str(caught.value)


def test_a_graph_of_something_else_is_refused(tmp_path):
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    other = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    opset = onnx.helper.make_opsetid("", 17)
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [value], [other]), opset_imports=[opset])
    model.ir_version = 9
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(CheckpointError, match="is not a StreamVC graph"):
        OnnxRuntime(tmp_path / "other.onnx")


def test_a_graph_of_another_version_is_refused(small_live, tmp_path):
    model = onnx.load(small_live / "live.onnx")
    entry = next(p for p in model.metadata_props if p.key == "streamvc")
    entry.value = json.dumps(json.loads(entry.value) | {"schema": 99})
    onnx.save(model, tmp_path / "new.onnx")
    with pytest.raises(CheckpointError, match="another version of streamvc"):
        OnnxRuntime(tmp_path / "new.onnx")
