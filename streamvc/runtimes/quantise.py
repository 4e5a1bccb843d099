"""Eight-bit weights for the large products of an exported graph.

One row times a matrix of weights costs what it costs to read the matrix from memory, so a quarter of the bytes is a
quarter of the time. Weights keep a float32 scale for each block of their inputs; ONNX Runtime rounds activations to
eight bits block by block as well (its operator MatMulNBits), so the noise stays about 40 dB below each product.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 256
"""Inputs that share a scale."""


def quantise(proto: Any, products: Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]) -> None:
    """Replace the named Gemm nodes of an ONNX model: `products` gives the weight `[outputs, inputs]` and bias of each.

    Raises:
        KeyError: the graph has no such node.
    """
    from onnx import helper, numpy_helper

    graph = proto.graph
    places = {node.name: i for i, node in enumerate(graph.node)}
    for number, (name, (weight, bias)) in enumerate(products.items()):
        place = places[name]
        node = graph.node[place]
        outputs, inputs = weight.shape
        codes, scales = to_codes(weight)
        constants: dict[str, NDArray[Any]] = {"codes": codes, "scales": scales, "bias": bias}
        graph.initializer.extend(numpy_helper.from_array(v, f"product{number}_{k}") for k, v in constants.items())
        names = [f"product{number}_{k}" for k in constants]
        graph.node[place].CopyFrom(helper.make_node(
            "MatMulNBits", [node.input[0], *names[:2], "", "", names[2]], list(node.output), name,
            domain="com.microsoft", K=inputs, N=outputs, bits=8, block_size=BLOCK, accuracy_level=4,
        ))
    if not any(o.domain == "com.microsoft" for o in proto.opset_import):
        proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    _drop_unused(graph)


def to_codes(weight: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Codes `[outputs, blocks, BLOCK]` around 128 and scales `[outputs, blocks]` of a weight `[outputs, inputs]`."""
    outputs, inputs = weight.shape
    blocks = -(-inputs // BLOCK)
    padded = np.zeros((outputs, blocks * BLOCK), np.float32)
    padded[:, :inputs] = weight
    padded = padded.reshape(outputs, blocks, BLOCK)
    scales = np.maximum(np.abs(padded).max(axis=2) / 127, np.float32(1e-12)).astype(np.float32)
    codes = np.round(padded / scales[..., None]) + 128
    return codes.astype(np.uint8), scales


def _drop_unused(graph: Any) -> None:
    """Remove the nodes and constants that no output needs any more."""
    needed = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if not needed.intersection(node.output):
            continue
        kept.append(node)
        needed.update(node.input)
        for attribute in node.attribute:
            needed.update(name for inner in attribute.g.node for name in inner.input)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    constants = [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.initializer[:]
    graph.initializer.extend(constants)
