"""A name for a value, made of its content: equal values have equal names in every process and on every machine."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

_SIZE = 16
_BLOCK = 1 << 20


def of_stream(stream: BinaryIO) -> str:
    """Of the rest of an open file, 32 hexadecimal digits; reads a megabyte at a time."""
    digest = hashlib.blake2b(digest_size=_SIZE)
    while block := stream.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()


def of_file(path: Path) -> str:
    """Of a file's bytes, 32 hexadecimal digits.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        return of_stream(stream)


def of_value(value: Any) -> str:
    """Of plain data, arrays and dataclasses of them, 32 hexadecimal digits.

    Raises:
        TypeError: the value holds something whose content is not known.
    """
    text = json.dumps(_plain(value), sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=_SIZE).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return [type(value).__name__, value.name]
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return float(value).hex()
    if isinstance(value, np.ndarray):
        content = hashlib.blake2b(np.ascontiguousarray(value).tobytes(), digest_size=_SIZE).hexdigest()
        return ["array", str(value.dtype), list(value.shape), content]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, bytes):
        return ["bytes", value.hex()]
    if isinstance(value, dict):
        return ["dict", sorted([json.dumps(_plain(key)), _plain(entry)] for key, entry in value.items())]
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return [type(value).__name__, fields]
    if isinstance(value, Path):
        return ["path", str(value)]
    raise TypeError(f"The content of a {type(value).__name__} cannot be named.")
