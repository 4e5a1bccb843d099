"""Read the variables of a CTranslate2 model file (binary format version 6) without CTranslate2.

The file is little-endian: version u32, name of the specification, revision u32, number of variables u32; then for
each variable its name, rank u8, dimensions u32, type u8, size in bytes u32 and the bytes; then aliases, which are
pairs of names. A string is its length u16, counting the zero byte at its end, and its bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streamvc.errors import CheckpointError

#: Types by their number in the file; number 5, bfloat16, has no numpy type and is widened by hand.
TYPES: dict[int, str] = {0: "<f4", 1: "|i1", 2: "<i2", 3: "<i4", 4: "<f2", 5: "<u2"}
BFLOAT16 = 5
VERSION = 6


@dataclass
class _Cursor:
    data: memoryview
    position: int = 0

    def take(self, size: int) -> memoryview:
        end = self.position + size
        if end > len(self.data):
            raise CheckpointError(
                f"the CTranslate2 file ends at byte {len(self.data)} inside a field that goes on to byte {end};"
                " install the package that holds it again."
            )
        block = self.data[self.position : end]
        self.position = end
        return block

    def number(self, form: str) -> int:
        value: int = struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))[0]
        return value

    def string(self) -> str:
        return bytes(self.take(self.number("H"))).rstrip(b"\0").decode("utf-8")


def read_model(data: bytes) -> dict[str, npt.NDArray[Any]]:
    """All variables by name, aliases included; arrays are views of `data` except for bfloat16.

    Raises:
        CheckpointError: the data are truncated, of another version, or of a type that is not known.
    """
    cursor = _Cursor(memoryview(data))
    version = cursor.number("I")
    if version != VERSION:
        raise CheckpointError(f"the CTranslate2 file has format version {version}; only version {VERSION} can be read.")
    cursor.string()
    cursor.number("I")
    variables: dict[str, npt.NDArray[Any]] = {}
    for _ in range(cursor.number("I")):
        name = cursor.string()
        shape = tuple(cursor.number("I") for _ in range(cursor.number("B")))
        kind = cursor.number("B")
        block = cursor.take(cursor.number("I"))
        if kind not in TYPES:
            raise CheckpointError(
                f"variable {name} of the CTranslate2 file has unknown type {kind}; use a float model."
            )
        array = np.frombuffer(block, dtype=TYPES[kind])
        if array.size != int(np.prod(shape)):
            raise CheckpointError(f"variable {name} of the CTranslate2 file does not fill its shape; install it again.")
        if kind == BFLOAT16:
            array = (array.astype(np.uint32) << 16).view(np.float32)
        variables[name] = array.reshape(shape)
    for _ in range(cursor.number("I")):
        alias, name = cursor.string(), cursor.string()
        if name not in variables:
            raise CheckpointError(f"alias {alias} of the CTranslate2 file names the missing {name}; install it again.")
        variables[alias] = variables[name]
    return variables


def weight(variables: dict[str, npt.NDArray[Any]], name: str) -> npt.NDArray[np.float32]:
    """A weight in float32; int8 rows are divided by their scale, `NAME_scale`.

    Raises:
        CheckpointError: there is no such variable.
    """
    if name not in variables:
        raise CheckpointError(f"the CTranslate2 file has no variable {name}; use the Whisper-base model.")
    value = variables[name]
    if value.dtype != np.int8:
        return np.asarray(value, dtype=np.float32)
    scale = weight(variables, f"{name}_scale")
    shape = (-1,) + (1,) * (value.ndim - 1) if scale.ndim else ()
    return np.asarray(value.astype(np.float32) / scale.reshape(shape), dtype=np.float32)
