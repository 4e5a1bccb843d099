"""The reader of CTranslate2 files, on a small file written here from the description of the format."""

import struct

import numpy as np
import pytest

from streamvc.errors import CheckpointError
from streamvc.training.units.ctranslate2 import read_model, weight


def string(text: str) -> bytes:
    data = text.encode() + b"\0"
    return struct.pack("<H", len(data)) + data


def variable(name: str, shape: tuple[int, ...], kind: int, data: bytes) -> bytes:
    dimensions = struct.pack(f"<B{len(shape)}I", len(shape), *shape)
    return string(name) + dimensions + struct.pack("<BI", kind, len(data)) + data


def model(*variables: bytes, aliases: tuple[tuple[str, str], ...] = (), version: int = 6) -> bytes:
    head = struct.pack("<I", version) + string("WhisperSpec") + struct.pack("<II", 3, len(variables))
    tail = struct.pack("<I", len(aliases)) + b"".join(string(a) + string(b) for a, b in aliases)
    return head + b"".join(variables) + tail


WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3) / 4


def test_reads_every_type() -> None:
    top = (WEIGHT.view(np.uint32) >> 16).astype("<u2")
    found = read_model(
        model(
            variable("single", (2, 3), 0, WEIGHT.tobytes()),
            variable("half", (2, 3), 4, WEIGHT.astype("<f2").tobytes()),
            variable("brain", (2, 3), 5, top.tobytes()),
            variable("heads", (), 2, struct.pack("<h", 8)),
            aliases=(("again", "half"),),
        )
    )
    for name in ("single", "half", "brain", "again"):
        assert (weight(found, name) == WEIGHT).all()
        assert weight(found, name).dtype == np.float32
    assert int(found["heads"]) == 8


def test_int8_rows_have_their_own_scale() -> None:
    scale = 127 / np.abs(WEIGHT + 0.01).max(axis=1)
    rows = np.rint(WEIGHT * scale[:, None]).astype(np.int8)
    found = read_model(
        model(
            variable("w", (2, 3), 1, rows.tobytes()),
            variable("w_scale", (2,), 0, scale.astype("<f4").tobytes()),
        )
    )
    assert np.abs(weight(found, "w") - WEIGHT).max() < 0.01


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(CheckpointError, match="no variable encoder/conv1/weight"):
        weight(read_model(model()), "encoder/conv1/weight")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (model(version=5), "format version 5"),
        (model(variable("w", (2, 3), 0, WEIGHT.tobytes()))[:-30], "ends at byte"),
        (model(variable("w", (2, 3), 9, WEIGHT.tobytes())), "unknown type 9"),
        (model(variable("w", (2, 4), 0, WEIGHT.tobytes())), "does not fill its shape"),
        (model(aliases=(("a", "b"),)), "names the missing b"),
        (b"", "ends at byte 0"),
    ],
)
def test_damaged_files_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_model(data)
