"""Operations that the exporter would write in several nodes, or decide for good, and that the graph has as one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def norm(x: Tensor, gain: Tensor, offset: Tensor, eps: float) -> Tensor:
    """Layer norm over the last axis; gain and offset may differ from stream to stream."""
    result: Tensor = _Norm.apply(x, gain, offset, eps)  # type: ignore[no-untyped-call]
    return result


def gelu(x: Tensor) -> Tensor:
    """The exact (erf) GELU."""
    result: Tensor = _Gelu.apply(x)  # type: ignore[no-untyped-call]
    return result


def total(*tensors: Tensor) -> Tensor:
    """The sum of tensors that broadcast against each other."""
    result: Tensor = _Total.apply(*tensors)  # type: ignore[no-untyped-call]
    return result


def backwards(x: Tensor, count: int) -> Tensor:
    """The last `count` values of the last axis, last first."""
    result: Tensor = _Backwards.apply(x, count)  # type: ignore[no-untyped-call]
    return result


def branch(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Scripted, not traced: what depends on values becomes a branch of the exported graph."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it stays for as long as the exporter that reads it
        scripted: Callable[..., Tensor] = torch.jit.script(function)
    return scripted


def put(rows: Tensor, index: Tensor, values: Tensor) -> Tensor:
    """A copy of `rows [b, h, n, d]` with `values [b, h, d]` at the places `index [b, h, 3]`."""
    result: Tensor = _Put.apply(rows, index, values)  # type: ignore[no-untyped-call]
    return result


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, offset: Tensor, eps: float) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], eps=eps) * gain + offset

    @staticmethod
    def symbolic(g: Any, x: Any, gain: Any, offset: Any, eps: float) -> Any:
        return g.op("LayerNormalization", x, gain, offset, axis_i=-1, epsilon_f=eps)


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> Tensor:
        result = tensors[0]
        for tensor in tensors[1:]:
            result = result + tensor
        return result

    @staticmethod
    def symbolic(g: Any, *tensors: Any) -> Any:
        return g.op("Sum", *tensors)


class _Put(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, index: Tensor, values: Tensor) -> Tensor:
        return rows.index_put(tuple(index.unbind(-1)), values)

    @staticmethod
    def symbolic(g: Any, rows: Any, index: Any, values: Any) -> Any:
        # Whole rows at once: measured, a third of the time that ScatterElements takes value by value.
        return g.op("ScatterND", rows, index, values).setType(rows.type())


class _Backwards(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, count: int) -> Tensor:
        return x[..., -count:].flip(-1)

    @staticmethod
    def symbolic(g: Any, x: Any, count: int) -> Any:
        place, axis, step = (g.op("Constant", value_t=torch.tensor([v])) for v in (-1, -1, -1))
        end = g.op("Constant", value_t=torch.tensor([-1 - count]))
        return g.op("Slice", x, place, end, axis, step)


class _Gelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return F.gelu(x)

    @staticmethod
    def symbolic(g: Any, x: Any) -> Any:
        # Standard from opset 20 on; before that only ONNX Runtime's own set has it.
        return g.op("com.microsoft::Gelu", x)
