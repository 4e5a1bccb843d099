"""Making synthetic speech: sentences, the float graph and the loop, on small real files and graphs."""

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamvc.errors import CorpusError
from streamvc.training.corpora import austen, synthesis
from streamvc.training.corpora.kokoro import KokoroShards
from streamvc.training.corpora.kokoro_graph import rewrite
from streamvc.training.corpora.synthesis import Shard, Synthesiser, synthesise

onnx = pytest.importorskip("onnx", reason="the extra `train` is not installed")
onnxruntime = pytest.importorskip("onnxruntime")


def database(lines: list[str]) -> bytes:
    """A lazy-load database of R with one record of strings, and noise before it."""
    body = b"X\n" + b"".join(b"\0\4\0\x09" + struct.pack(">i", len(line)) + line.encode("latin-1") for line in lines)
    return b"\x78\x78noise" + struct.pack(">I", len(body)) + zlib.compress(body)


def test_sentences_of_a_database(tmp_path: Path) -> None:
    lines = [
        "It was a truth that nobody in the", "whole village doubted. Too short.",
        "He met Mr. Knight and 3 of his very old friends.",
        "It was a truth that nobody in the", "whole village doubted. But she, on the other hand, never",
        '_did_ say so to "them"!',
    ]  # fmt: skip
    (tmp_path / "novel.rdb").write_bytes(database(lines))
    assert austen.sentences(tmp_path) == [
        "It was a truth that nobody in the whole village doubted.",
        "But she, on the other hand, never did say so to them!",
    ]


def test_no_sentences_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="r-cran-janeaustenr"):
        austen.sentences(tmp_path)


def quantised(path: Path, chained: bool = True) -> None:
    """Two integer products as a dynamic quantiser writes them (one with bias), and a Round of the second."""
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    rng = np.random.default_rng(0)
    # Seven bits: processors without VNNI add pairs of these products in sixteen, and larger ones would be cut off.
    kernel, matrix = rng.integers(-63, 63, (4, 3, 3)), rng.integers(-63, 63, (4, 5))
    constants = {
        "kernel": kernel.astype(np.int8), "kernel_scale": np.array(0.02, np.float32),
        "kernel_zero": np.array(0, np.int8),
        "bias": rng.standard_normal(4).astype(np.float32), "column": np.array([1, 4, 1]),
        "matrix": matrix.astype(np.int8), "matrix_scale": np.array(0.04, np.float32),
        "matrix_zero": np.array(0, np.int8),
    }  # fmt: skip
    nodes = [
        ("DynamicQuantizeLinear", ["x"], ["xq", "xs", "xz"]), ("Mul", ["xs", "kernel_scale"], ["s1"]),
        ("Div", ["bias", "s1"], ["b1"]), ("Round", ["b1"], ["b2"]), ("Cast", ["b2"], ["b3"]),
        ("ConvInteger", ["xq", "kernel", "xz", "kernel_zero"], ["c1"]), ("Reshape", ["b3", "column"], ["b4"]),
        ("Add", ["c1", "b4"], ["c2"]),
        ("Cast", ["c2"], ["c3"]), ("Mul", ["c3", "s1"], ["conv"]), ("Transpose", ["conv"], ["turned"]),
        ("DynamicQuantizeLinear", ["turned"], ["tq", "ts", "tz"]), ("Mul", ["ts", "matrix_scale"], ["s2"]),
        ("MatMulInteger", ["tq", "matrix", "tz", "matrix_zero"], ["m1"]), ("Cast", ["m1"], ["m2"]),
        ("Mul", ["m2", "s2"] if chained else ["m2", "m2"], ["y"]), ("Round", ["y"], ["durations"]),
        ("Abs", ["durations"], ["z"]),
    ]  # fmt: skip
    attributes = {"Cast": {"to": 1}, "Transpose": {"perm": [0, 2, 1]}, "ConvInteger": {"pads": [1, 1]}}
    made = [helper.make_node(kind, a, b, f"n{n}", **attributes.get(kind, {})) for n, (kind, a, b) in enumerate(nodes)]
    made[4].attribute[0].i = onnx.TensorProto.INT32
    graph = helper.make_graph(
        made,
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 7])],
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in ("y", "z")],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def test_float_graph_says_what_the_integer_graph_says(tmp_path: Path) -> None:
    quantised(tmp_path / "int8.onnx")
    assert rewrite(tmp_path / "int8.onnx", tmp_path / "float.onnx") == 2
    model = onnx.load(tmp_path / "float.onnx")
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("Conv") == kinds.count("MatMul") == 1
    assert not {"DynamicQuantizeLinear", "ConvInteger", "MatMulInteger", "Cast", "Div"} & set(kinds)
    x = {"x": np.random.default_rng(1).standard_normal((1, 3, 7)).astype(np.float32)}
    sessions = [
        onnxruntime.InferenceSession(str(tmp_path / name), providers=["CPUExecutionProvider"])
        for name in ("int8.onnx", "float.onnx")
    ]
    (integer, _), (floating, _, durations) = (session.run(None, x) for session in sessions)
    assert np.abs(floating).max() > 1
    # activations of 8 bits err by half a step of 1/255 of their range, over 3 x 3 and 4 terms
    assert np.abs(integer - floating).max() < 0.03 * np.abs(floating).max()
    assert (durations == np.round(floating)).all()


def test_an_unknown_chain_is_refused(tmp_path: Path) -> None:
    quantised(tmp_path / "int8.onnx", chained=False)
    with pytest.raises(CorpusError, match="use the int8 graph of Kokoro"):
        rewrite(tmp_path / "int8.onnx", tmp_path / "float.onnx")
    assert not (tmp_path / "float.onnx").exists()


VOICES = {name: np.full((510, 256), value, np.float32) for name, value in (("af_x", 1), ("bm_y", 2), ("jf_z", 4))}


def test_blends_have_an_english_half() -> None:
    voices = synthesis.with_blends(VOICES, 3)
    assert set(voices) - set(VOICES) == {"af_x+bm_y", "af_x+jf_z", "bm_y+jf_z"}
    assert (voices["bm_y+jf_z"] == 3).all()
    with pytest.raises(CorpusError, match="make 3 blends, not 4"):
        synthesis.with_blends(VOICES, 4)


def test_style_packs(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no style packs"):
        synthesis.load_voices(tmp_path)
    VOICES["af_x"].tofile(tmp_path / "af_x.bin")
    assert synthesis.load_voices(tmp_path)["af_x"].shape == (510, 256)
    (tmp_path / "b.bin").write_bytes(b"123")
    with pytest.raises(CorpusError, match="no style pack"):
        synthesis.load_voices(tmp_path)


@pytest.fixture
def synthesiser(tmp_path: Path) -> Synthesiser:
    """A graph with Kokoro's inputs: every token lasts a unit of 600 samples, as loud as the style says."""
    helper = onnx.helper
    values = {"six": np.array([1, 600], np.int64), "one": np.array([1], np.int64), "gain": np.array(0.1, np.float32),
              "start": np.array([0], np.int64), "end": np.array([1], np.int64), "axis": np.array([1], np.int64),
              "column": np.array([-1, 1], np.int64)}  # fmt: skip
    nodes = [
        helper.make_node("Cast", ["tokens"], ["t"], to=1), helper.make_node("Mul", ["t", "start_f"], ["zero"]),
        helper.make_node("Slice", ["style", "start", "end", "axis"], ["loud"]),
        helper.make_node("Mul", ["loud", "gain"], ["g"]),
        helper.make_node("Add", ["zero", "g"], ["flat"]), helper.make_node("Reshape", ["flat", "column"], ["tall"]),
        helper.make_node("Tile", ["tall", "six"], ["audio"]), helper.make_node("Mul", ["zero", "speed"], ["none"]),
        helper.make_node("Exp", ["none"], ["durations"]),
    ]  # fmt: skip
    inputs = [("tokens", onnx.TensorProto.INT64, [1, "n"]), ("style", onnx.TensorProto.FLOAT, [1, 256])]
    inputs += [("speed", onnx.TensorProto.FLOAT, [1])]
    tensors = [onnx.numpy_helper.from_array(value, name) for name, value in values.items()]
    tensors.append(onnx.numpy_helper.from_array(np.array(0, np.float32), "start_f"))
    graph = helper.make_graph(
        nodes, "k", [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in ("audio", "durations")], tensors,
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "k.onnx")
    letters = {letter: number for number, letter in enumerate("abcdefghijklmnopqrstuvwxyz ", 1)}
    (tmp_path / "vocab.json").write_text(json.dumps({"vocab": letters}))
    return Synthesiser(tmp_path / "k.onnx", tmp_path / "vocab.json", lambda text: [text.lower()])


SENTENCES = [f"some words of sentence {letter}." for letter in "abcdefgh"]


def test_every_voice_reads_and_shards_share_the_work(tmp_path: Path, synthesiser: Synthesiser) -> None:
    out = tmp_path / "out"
    for number in range(2):
        assert synthesise(synthesiser, VOICES, SENTENCES, out, 2, shard=Shard(number, 2)) == 3
    recordings = list(KokoroShards(out).recordings())
    assert sorted({recording.speaker for recording in recordings}) == ["kokoro-af_x", "kokoro-bm_y", "kokoro-jf_z"]
    assert len({recording.spans[0].text for recording in recordings}) == len(recordings) == 6
    for recording in recordings:
        samples, rate = soundfile.read(recording.path)
        alignment = recording.spans[0].alignment
        assert alignment is not None
        assert rate == 16_000
        assert alignment[-1][1] == samples.size
        loud = {"kokoro-af_x": 0.1, "kokoro-bm_y": 0.2, "kokoro-jf_z": 0.4}[recording.speaker]
        assert samples[2000:-2000] == pytest.approx(loud, abs=1e-3)


def test_what_is_there_is_not_made_again(tmp_path: Path, synthesiser: Synthesiser) -> None:
    assert synthesise(synthesiser, VOICES, SENTENCES, tmp_path / "out", 1) == 3
    assert synthesise(synthesiser, VOICES, SENTENCES, tmp_path / "out", 2) == 3


def test_refusals(tmp_path: Path, synthesiser: Synthesiser) -> None:
    with pytest.raises(CorpusError, match="need 9 sentences, not 8"):
        synthesise(synthesiser, VOICES, SENTENCES, tmp_path / "out", 3)
    with pytest.raises(CorpusError, match="no shard 2 of 2"):
        Shard(2, 2)
    with pytest.raises(CorpusError, match="is missing"):
        Synthesiser(tmp_path / "none.onnx", tmp_path / "vocab.json", lambda text: [text])
