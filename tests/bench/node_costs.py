"""What each operation of an exported graph costs by itself: repeated on the inputs that it has in a running stream.

ONNX Runtime's own profile adds two microseconds to every operation, more than most of them take.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper

from streamvc.controls import Controls, Voice, pack
from streamvc.runtimes.base import stack
from streamvc.runtimes.onnx import OnnxRuntime

REPEATS, ROUNDS, WARM_UP = 20, 40, 80
Values = dict[str, np.ndarray]


@dataclass(frozen=True)
class NodeCost:
    """One operation.

    Attributes:
        name: as the exporter gave it; the first part is a part of the model.
        operator: its type.
        macs: multiplications and additions of a product, 0 of anything else.
        constant_bytes: of the weights and tables that it reads.
        microseconds: the fastest of some rounds, with its inputs in the cache.
    """

    name: str
    operator: str
    macs: int
    constant_bytes: int
    microseconds: float

    @property
    def part(self) -> str:
        """The part of the model that it belongs to, or nothing."""
        pieces = self.name.split("/")
        return pieces[1] if len(pieces) > 2 else ""


class RunningGraph:
    """A graph as ONNX Runtime optimises it, with all values of one step in the middle of speech.

    Args:
        path: a graph of :mod:`streamvc.runtimes.export`.
        speech: 16 kHz, at least `WARM_UP + 1` frames.
        streams: how many are stepped together, all the same.
    """

    def __init__(self, path: Path, speech: np.ndarray, folder: Path, streams: int = 1) -> None:
        optimised = folder / "optimised.onnx"
        options = _options(onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED)
        options.optimized_model_filepath = str(optimised)
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.model = onnx.load(optimised)
        self.constants = {tensor.name: tensor for tensor in self.model.graph.initializer}
        self.values = self._values(OnnxRuntime(path), speech, streams)

    def _values(self, runtime: OnnxRuntime, speech: np.ndarray, streams: int) -> Values:
        latent = np.random.default_rng(0).standard_normal(runtime.latent_dim).astype(np.float32)
        controls, state = pack(Voice(latent, math.log(200.0), 0.2), Controls()), runtime.initial_state()
        frames = speech[: (WARM_UP + 1) * runtime.frame].reshape(-1, runtime.frame)
        for frame in frames[:-1]:
            _, state = runtime.step(frame, latent, controls, state)
        # The graph itself takes an adaptation as well, of zeros for a voice that has none.
        conditioning = np.pad(latent, (0, runtime.adaptation_dim))
        given = [frames[-1][None], conditioning[None], controls[None], *state]
        names = [value.name for value in self.model.graph.input]
        values = dict(zip(names, stack([tuple(given)] * streams), strict=True))
        open_graph = onnx.ModelProto()
        open_graph.CopyFrom(self.model)
        known = {output.name for output in open_graph.graph.output}
        inner = [name for node in self.model.graph.node for name in node.output if name and name not in known]
        open_graph.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in inner)
        session = _session(open_graph)
        outputs = [output.name for output in session.get_outputs()]
        return values | dict(zip(outputs, session.run(outputs, values), strict=True))

    def costs(self) -> list[NodeCost]:
        """Of every operation, branches (If) left out."""
        return [self._cost(node) for node in self.model.graph.node if node.op_type != "If"]

    def products(self) -> Any:
        """A graph of nothing but the products with weights, on their inputs: the least that a step can cost here."""
        nodes = [node for node in self.model.graph.node if self._macs(node) and self._constant_bytes(node)]
        return self._graph(nodes, [node.output[0] for node in nodes])

    def run_products(self) -> tuple[Any, Values]:
        """A session over :meth:`products`, and what to feed it."""
        model = self.products()
        return _session(model), {value.name: self.values[value.name] for value in model.graph.input}

    def _cost(self, node: Any) -> NodeCost:
        many, once = (self._time(node, count) for count in (REPEATS + 1, 1))
        return NodeCost(
            node.name, node.op_type, self._macs(node), self._constant_bytes(node),
            max(0.0, (many - once) / REPEATS * 1e6),
        )

    def _time(self, node: Any, count: int) -> float:
        copies = []
        for number in range(count):
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.name = f"copy{number}"
            copy.output[:] = [f"{name}_{number}" if name else "" for name in node.output]
            copies.append(copy)
        model = self._graph(copies, [next(name for name in copies[-1].output if name)])
        session, fed = _session(model), {value.name: self.values[value.name] for value in model.graph.input}
        best = math.inf
        for _ in range(ROUNDS):
            began = time.perf_counter()
            session.run(None, fed)
            best = min(best, time.perf_counter() - began)
        return best

    def _graph(self, nodes: list[Any], outputs: list[str]) -> Any:
        read = dict.fromkeys(name for node in nodes for name in node.input if name)
        constants = [self.constants[name] for name in read if name in self.constants]
        inputs = [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(self.values[name].dtype), self.values[name].shape
            )
            for name in read if name not in self.constants
        ]
        taken = [helper.make_empty_tensor_value_info(name) for name in outputs]
        graph = helper.make_graph(nodes, "part", inputs, taken, constants)
        model = helper.make_model(graph, opset_imports=self.model.opset_import)
        model.ir_version = self.model.ir_version
        return model

    def _macs(self, node: Any) -> int:
        if node.op_type not in ("MatMul", "FusedMatMul", "Gemm", "MatMulNBits"):
            return 0
        outputs = int(np.prod(self.values[node.output[0]].shape))
        left, transposed = self._shape(node.input[0]), any(a.name == "transA" and a.i for a in node.attribute)
        return outputs * left[-2 if transposed else -1]

    def _shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.constants[name].dims) if name in self.constants else self.values[name].shape

    def _constant_bytes(self, node: Any) -> int:
        return sum(
            int(np.prod(self.constants[name].dims)) * np.dtype(
                helper.tensor_dtype_to_np_dtype(self.constants[name].data_type)
            ).itemsize
            for name in node.input if name in self.constants
        )


def step_times(runtime: OnnxRuntime, speech: np.ndarray, streams: int, frames: int) -> Iterator[float]:
    """Milliseconds of steps of so many streams at once, each at another place of the speech."""
    latents = np.random.default_rng(0).standard_normal((streams, runtime.latent_dim)).astype(np.float32)
    controls = np.stack([pack(Voice(latent, math.log(200.0), 0.2), Controls()) for latent in latents])
    state = stack([runtime.initial_state()] * streams)
    whole = speech[: len(speech) // runtime.frame * runtime.frame].reshape(-1, runtime.frame)
    for number in range(frames):
        samples = whole[(number + 7 * np.arange(streams)) % len(whole)]
        began = time.perf_counter()
        _, state = runtime.step_batch(samples, latents, controls, state)
        yield 1000.0 * (time.perf_counter() - began)


def _options(level: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    options.graph_optimization_level = level
    return options


def _session(model: Any) -> Any:
    options = _options(onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL)
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
