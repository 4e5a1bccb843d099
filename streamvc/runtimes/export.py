"""Write the whole step of a checkpoint as one ONNX graph.

    python -m streamvc.runtimes.export streamvc/weights/live.safetensors streamvc/weights/live.onnx

Weights are stored in float16, as in the checkpoint, and cast once when the graph is loaded.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from streamvc.checkpoint import fingerprint, load_model
from streamvc.config import FRAME
from streamvc.controls import N_CONTROLS
from streamvc.model import Model
from streamvc.state import flatten_state, unflatten_state

_OPSET = 17
_SMALL = 4_096
"""Elements under which a constant stays float32."""


class _Flat(nn.Module):
    """`step` with the state as a flat list of tensors."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model
        self.like = model.initial_state(1)

    def forward(self, samples: Tensor, latent: Tensor, controls: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        audio, after = self.model.step(samples, latent, controls, unflatten_state(self.like, state))
        return (audio, *flatten_state(after))


def export_onnx(weights: Path, graph: Path) -> None:
    """Write the graph of a checkpoint, atomically.

    Raises:
        CheckpointError: the weights cannot be used.
        RuntimeUnavailableError: the package `onnx` is not installed.
    """
    from streamvc.errors import RuntimeUnavailableError

    try:
        import onnx
    except ImportError:
        raise RuntimeUnavailableError("Export needs the package onnx; run `pip install 'streamvc[train]'`.") from None
    model = load_model(weights, transform="matmul")
    flat = _Flat(model).eval()
    state = flatten_state(model.initial_state(1))
    names = [f"state{i}" for i in range(len(state))]
    inputs = (torch.zeros(1, FRAME), torch.zeros(1, model.config.latent_dim), torch.zeros(1, N_CONTROLS), *state)
    buffer = io.BytesIO()
    with torch.no_grad():
        torch.onnx.export(
            flat, inputs, buffer, opset_version=_OPSET, dynamo=False,
            input_names=["samples", "latent", "controls", *names], output_names=["audio", *(f"next_{n}" for n in names)],
        )
    proto = onnx.load_from_string(buffer.getvalue())
    _halve(proto)
    meta: dict[str, Any] = {
        "schema": 1, "fingerprint": fingerprint(weights), "latent_dim": model.config.latent_dim,
        "supports_formant": model.supports_formant, "state_names": names, "state_shapes": [list(s.shape) for s in state],
        "state_values": {n: s.flatten().tolist() for n, s in zip(names, state, strict=True) if bool(s.any())},
    }
    entry = proto.metadata_props.add()
    entry.key, entry.value = "streamvc", json.dumps(meta)
    onnx.checker.check_model(proto)
    handle, temporary = tempfile.mkstemp(dir=graph.parent, prefix=f".{graph.name}.")
    os.close(handle)
    try:
        Path(temporary).write_bytes(proto.SerializeToString())
        os.chmod(temporary, 0o644)
        os.replace(temporary, graph)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _halve(proto: Any) -> None:
    """Store large float32 constants that float16 holds exactly as float16 with a Cast: the checkpoint's weights are such."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    graph = proto.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
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
    options = parser.parse_args(arguments)
    export_onnx(options.weights, options.graph)
    print(f"{options.graph}: {options.graph.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
