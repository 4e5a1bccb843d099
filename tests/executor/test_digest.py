"""Names made of content."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from streamvc.executor import digest
from streamvc.presets.store import resolve


def test_every_part_of_a_value_counts() -> None:
    base = {"a": [1, 2.5, None, "x"], "b": np.arange(3, dtype=np.float32), "c": (True, b"y")}
    variants = [
        base,
        {**base, "a": [1, 2.5, None, "z"]},
        {**base, "a": [1, 2.5000001, None, "x"]},
        {**base, "b": np.arange(3, dtype=np.float64)},
        {**base, "b": np.arange(3, dtype=np.float32).reshape(3, 1)},
        {**base, "c": (1.0, b"y")},
        {**base, "d": None},
    ]
    assert len({digest.of_value(value) for value in variants}) == len(variants)
    assert digest.of_value(dict(reversed(base.items()))) == digest.of_value(base)


def test_presets_have_names() -> None:
    alice = resolve("alice")
    assert digest.of_value(alice) == digest.of_value(resolve("alice"))
    assert digest.of_value(alice) != digest.of_value(dataclasses.replace(alice, pitch=1.0))


def test_what_has_no_known_content_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        digest.of_value([object()])


def test_files(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"x" * (3 << 20))
    other.write_bytes(b"x" * (3 << 20) + b"y")
    assert digest.of_file(one) != digest.of_file(other)
    other.write_bytes(one.read_bytes())
    assert digest.of_file(one) == digest.of_file(other)
