"""Write the whole step of a checkpoint as one ONNX graph, and its speech encoder as another beside it.

    python -m streamvc.runtimes.export streamvc/weights/live.safetensors streamvc/weights/live.onnx

The large products of the `live` model are stored and computed in eight bits, which is what is shipped; with
`--precision fp32` they are not. All other weights are stored in float16, as in the checkpoint, and cast once when the
graph is loaded.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from streamvc.checkpoint import fingerprint, load_model, read_config
from streamvc.config import FRAME, LiveConfig
from streamvc.controls import N_CONTROLS
from streamvc.errors import ConfigError, OutputError, RuntimeUnavailableError
from streamvc.model import Model
from streamvc.model.live import LiveModel
from streamvc.runtimes.base import GRAPH_SCHEMA
from streamvc.runtimes.frame import FrameStep
from streamvc.runtimes.quantise import quantise
from streamvc.runtimes.speech import speech_graph
from streamvc.runtimes.speech_step import speech_step
from streamvc.state import flatten_state, unflatten_state

Precision = Literal["fp32", "int8"]
_OPSET = 17
_SMALL = 4_096
"""Elements under which a constant stays float32."""


class _Whole(nn.Module):
    """`step` of any model, with the state as a flat list of tensors."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model
        self.like = model.initial_state(1)

    def initial_state(self) -> tuple[Tensor, ...]:
        return tuple(flatten_state(self.like))

    def forward(self, samples: Tensor, latent: Tensor, controls: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        audio, after = self.model.step(samples, latent, controls, unflatten_state(self.like, state))
        return (audio, *flatten_state(after))


def export_onnx(weights: Path, graph: Path, precision: Precision | None = None) -> None:
    """Write the graph of a checkpoint, atomically; `live` in int8 and `paper` in fp32 when no precision is asked for.

    Raises:
        ConfigError: `int8` is asked of another model than `live`.
        CheckpointError: the weights cannot be used.
        RuntimeUnavailableError: the package `onnx` is not installed.
        OutputError: the graph cannot be written.
    """
    model = load_model(weights, transform="matmul")
    step = FrameStep(model.analyse_in_double()) if isinstance(model, LiveModel) else _Whole(model)
    if precision is None:
        precision = "int8" if isinstance(step, FrameStep) else "fp32"
    if precision == "int8" and not isinstance(step, FrameStep):
        raise ConfigError("Only the live model is exported in int8; choose the precision fp32.")
    with torch.no_grad():
        state = step.initial_state()
    names = [f"state{i}" for i in range(len(state))]
    batched = isinstance(step, FrameStep)
    # Traced with two streams, so that nothing takes their number for a constant 1.
    adaptation = model.decoder.adaptation_dim if isinstance(model, LiveModel) else 0
    latent = torch.zeros(1, model.config.latent_dim + adaptation)
    examples = (torch.zeros(1, FRAME), latent, torch.zeros(1, N_CONTROLS), *state)
    inputs = tuple(torch.cat((tensor, tensor)) if batched else tensor for tensor in examples)
    rings = step.rings.count if isinstance(step, FrameStep) else 0
    given = ["samples", "latent", "controls", *names]
    taken = ["audio", *(f"next_{name}" for name in names[: len(names) - rings]), *["ring"] * bool(rings)]
    proto = _trace(step, inputs, given, taken, {n: {0: "streams"} for n in (*given, *taken)} if batched else None)
    if precision == "int8" and isinstance(step, FrameStep):
        with torch.no_grad():
            quantise(proto, {name: (w.numpy(), b.numpy()) for name, (w, b) in step.products().items()})
    _halve(proto)
    meta: dict[str, Any] = {
        "kind": "step", "schema": GRAPH_SCHEMA, "fingerprint": fingerprint(weights),
        "latent_dim": model.config.latent_dim, "adaptation_dim": adaptation,
        "supports_formant": model.supports_formant, "precision": precision, "batched": batched, "rings": rings,
        "state": [_describe(name, tensor) for name, tensor in zip(names, state, strict=True)],
    }
    _save(proto, meta, graph)


def export_speech(weights: Path, graph: Path) -> None:
    """Write the graph of a checkpoint's speech encoder, atomically.

    Raises:
        ConfigError: the model is not `live`.
        CheckpointError: the weights cannot be used.
        RuntimeUnavailableError: the package `onnx` is not installed.
        OutputError: the graph cannot be written.
    """
    model = load_model(weights)
    if not isinstance(model, LiveModel):
        raise ConfigError("Only the live model's speech encoder is exported; use it with torch.")
    example = torch.zeros(1, 20 * FRAME)
    proto = _trace(speech_step(model), (example,), ["samples"], ["latent"], {"samples": {1: "length"}})
    _halve(proto)
    _save(proto, {"kind": "speech", "schema": GRAPH_SCHEMA, "fingerprint": fingerprint(weights)}, graph)


def _trace(
    step: nn.Module, inputs: tuple[Tensor, ...], given: list[str], taken: list[str],
    dynamic: dict[str, dict[int, str]] | None,
) -> Any:
    try:
        import onnx
    except ImportError:
        raise RuntimeUnavailableError("Export needs the package onnx; run `pip install 'streamvc[torch]'`.") from None
    with torch.no_grad(), _quiet(), tempfile.TemporaryDirectory() as folder:
        draft = str(Path(folder) / "draft.onnx")
        torch.onnx.export(
            step.eval(), inputs, draft, opset_version=_OPSET, dynamo=False, do_constant_folding=False,
            input_names=given, output_names=taken, dynamic_axes=dynamic,
            custom_opsets={"com.microsoft": 1} if isinstance(step, FrameStep) else None,
        )
        return onnx.load(draft)


def _save(proto: Any, meta: dict[str, Any], path: Path) -> None:
    import onnx

    entry = proto.metadata_props.add()
    entry.key, entry.value = "streamvc", json.dumps(meta)
    onnx.checker.check_model(proto)
    _write(path, proto.SerializeToString())


def _describe(name: str, tensor: Tensor) -> dict[str, Any]:
    """Shape, type and the values that are not zero, by their place."""
    flat = tensor.flatten()
    places = flat.nonzero().flatten()
    return {
        "name": name, "shape": list(tensor.shape), "dtype": str(tensor.dtype).removeprefix("torch."),
        "places": places.tolist(), "values": flat[places].tolist(),
    }


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise OutputError(f"The graph {path} cannot be written ({error.strerror}); choose another folder.") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise OutputError(f"The graph {path} cannot be written ({error.strerror}); free some space.") from error
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns of its own age and of every Python number it meets; tests hold the graph to the model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _halve(proto: Any) -> None:
    """Store large float32 constants that float16 holds exactly, such as the checkpoint's weights, so, with a Cast."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    graph = proto.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if values.size < _SMALL or not np.array_equal(half.astype(np.float32), values):
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *rest])


def main(arguments: Sequence[str] | None = None) -> None:
    """Export from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("graph", type=Path)
    parser.add_argument("--precision", choices=("fp32", "int8"), default=None)
    options = parser.parse_args(arguments)
    export_onnx(options.weights, options.graph, options.precision)
    written = [options.graph]
    if isinstance(read_config(options.weights), LiveConfig):
        written.append(speech_graph(options.graph))
        export_speech(options.weights, written[-1])
    for graph in written:
        print(f"{graph}: {graph.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
