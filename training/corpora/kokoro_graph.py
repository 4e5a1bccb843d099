"""Rewrite a dynamically quantised ONNX graph in float32, which doubles its speed on x86, and show its durations.

In such a graph a product is DynamicQuantizeLinear -> ConvInteger or MatMulInteger -> (Add of an integer bias) ->
Cast -> Mul by the scales. Each such chain becomes one Conv or MatMul with weights that are dequantised once.
Kokoro rounds the predicted duration of each token, in units of 25 ms: the output of its only Round node.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from streamvc.errors import CorpusError, RuntimeUnavailableError

if TYPE_CHECKING:
    import onnx

FLOAT_OPERATION = {"ConvInteger": "Conv", "MatMulInteger": "MatMul"}


def dequantise(model: onnx.ModelProto) -> int:
    """Replace every integer product of `model`, in place; what nothing reads any more is taken out.

    Returns:
        How many products were replaced.

    Raises:
        CorpusError: a product does not stand in such a chain.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    producer = {output: node for node in graph.node for output in node.output}
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)

    def only_reader(node: Any, operation: str) -> Any:
        found = readers.get(node.output[0], [])
        if len(found) != 1 or found[0].op_type != operation:
            raise CorpusError(f"node {node.name} is not followed by one {operation}; use the int8 graph of Kokoro.")
        return found[0]

    def array(name: str) -> Any:
        return numpy_helper.to_array(weights[name]).astype(np.float32)

    replaced: dict[str, Any] = {}
    dropped: set[str] = set()
    for node in graph.node:
        if node.op_type not in FLOAT_OPERATION:
            continue
        quantiser = producer.get(node.input[0])
        if quantiser is None or quantiser.op_type != "DynamicQuantizeLinear" or node.input[1] not in weights:
            raise CorpusError(f"node {node.name} has no dynamically quantised input; use the int8 graph of Kokoro.")
        last, bias = node, []
        following = readers.get(node.output[0], [])
        if len(following) == 1 and following[0].op_type == "Add":
            last = following[0]
            bias = [_float_bias(next(name for name in last.input if name != node.output[0]), producer, weights)]
        cast = only_reader(last, "Cast")
        scaled = only_reader(cast, "Mul")
        scales = producer[next(name for name in scaled.input if name != cast.output[0])]
        scale = array(next(name for name in scales.input if name in weights))
        zero = array(node.input[3])
        axis = 0 if node.op_type == "ConvInteger" else -1
        weight = array(node.input[1])
        shape = [1] * weight.ndim
        shape[axis] = -1
        name = f"{node.input[1]}_float"
        if name not in weights:
            value = (weight - _spread(zero, shape)) * _spread(scale, shape)
            tensor = numpy_helper.from_array(value.astype(np.float32), name)
            graph.initializer.append(tensor)
            weights[name] = tensor
        new = helper.make_node(
            FLOAT_OPERATION[node.op_type], [quantiser.input[0], name, *bias], [scaled.output[0]], f"{node.name}_float"
        )
        new.attribute.extend(node.attribute)
        replaced[scaled.output[0]] = new
        dropped.update(gone.output[0] for gone in (node, last, cast))
    nodes = [replaced.get(node.output[0], node) for node in graph.node if node.output[0] not in dropped]
    _set_nodes(graph, nodes)
    return len(replaced)


def _spread(values: Any, shape: list[int]) -> Any:
    return values.reshape(shape) if values.size > 1 else values.reshape(())


def _float_bias(name: str, producer: dict[str, Any], weights: dict[str, Any]) -> str:
    """Where the float bias is that was divided by the scales, rounded and cast to become an integer one."""
    for _ in range(8):
        if name not in producer:
            break
        node = producer[name]
        if node.op_type == "Div":
            return str(next(source for source in node.input if source in weights))
        name = next((source for source in node.input if source in producer), "")
    raise CorpusError("an integer bias has no float one behind it; use the int8 graph of Kokoro.")


def _set_nodes(graph: Any, nodes: list[Any]) -> None:
    """Give `graph` these nodes, less those whose outputs nothing reads, and only the weights that they read."""
    kept = {output.name for output in graph.output}
    while True:
        read = kept | {name for node in nodes for name in node.input}
        useful = [node for node in nodes if any(output in read for output in node.output)]
        if len(useful) == len(nodes):
            break
        nodes = useful
    del graph.node[:]
    graph.node.extend(nodes)
    initializers = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(initializers)


def rewrite(source: Path, target: Path) -> int:
    """Write `source` in float32 to `target`, with the token durations as a second output.

    Returns:
        How many products were replaced.

    Raises:
        RuntimeUnavailableError: onnx is not installed.
        CorpusError: the graph is not Kokoro's.
    """
    try:
        import onnx
    except ImportError as error:
        raise RuntimeUnavailableError("rewriting a graph needs onnx; install it with `pip install onnx`.") from error
    if not source.is_file():
        raise CorpusError(f"{source} is missing; join the parts of the Kokoro model there.")
    model = onnx.load(source)
    count = dequantise(model)
    rounds = [node for node in model.graph.node if node.op_type == "Round"]
    if len(rounds) != 1:
        raise CorpusError(f"{source} rounds {len(rounds)} tensors, where Kokoro rounds only durations; use its graph.")
    model.graph.output.append(onnx.helper.make_tensor_value_info(rounds[0].output[0], onnx.TensorProto.FLOAT, None))
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        onnx.save(model, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return count
