"""A small, safe, reproducible subset of NumPy's `.npz`: named numeric arrays, and nothing that could run or explode.

`numpy.load(allow_pickle=False)` reads what `pack` writes. `unpack` does not go through it, because it allocates what
a header claims before it looks at what the file holds; here every claimed size is checked first.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Mapping
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

MAX_BYTES = 2 * 1024 * 1024
"""Upper bound of a preset: of the file, and of all its arrays together once decompressed."""

MAX_ARRAYS = 16
_MAX_HEADER = 4096
_EPOCH = (1980, 1, 1, 0, 0, 0)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class ArchiveError(ValueError):
    """Bytes that are not an archive of plain numeric arrays; the message is a reason, not a full sentence."""


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Write named numeric arrays as `.npz` bytes; equal arrays give equal bytes on every machine and at any time.

    Members are sorted by name, stored without compression, little-endian, and carry a fixed date and owner.
    """
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            array = np.asarray(arrays[name])
            # tobytes below is in C order, so the header must not claim Fortran order.
            array = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False)).reshape(array.shape)
            payload = io.BytesIO()
            npy.write_array(payload, array, version=(1, 0), allow_pickle=False)
            member = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            member.create_system = 3
            member.external_attr = 0o644 << 16
            archive.writestr(member, payload.getvalue())
    return stream.getvalue()


def unpack(data: bytes) -> dict[str, NDArray[Any]]:
    """Read `.npz` bytes into read-only arrays (any of NumPy's integer and float types, little-endian).

    Raises `ArchiveError` for anything else: no zip, truncated or corrupt, encrypted, too many or doubled members,
    pickles, more than `MAX_BYTES` declared or actual.
    """
    if len(data) > MAX_BYTES:
        raise ArchiveError(f"the file is larger than {MAX_BYTES} bytes")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check_members(members)
            return {member.filename.removesuffix(".npy"): _array(_content(archive, member)) for member in members}
    except ArchiveError:
        raise
    # RuntimeError and NotImplementedError are zipfile's for encryption and unknown methods.
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError, OverflowError) as error:
        raise ArchiveError("it is not an intact .npz archive") from error


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    names = [member.filename for member in members]
    if len(names) > MAX_ARRAYS:
        raise ArchiveError(f"it holds more than {MAX_ARRAYS} arrays")
    if len(set(names)) != len(names):
        raise ArchiveError("it holds the same array twice")
    if not all(name.endswith(".npy") for name in names):
        raise ArchiveError("it holds files that are not arrays")
    if any(member.flag_bits & 1 or member.compress_type not in _METHODS for member in members):
        raise ArchiveError("it is encrypted or compressed in an unknown way")
    if sum(member.file_size for member in members) > MAX_BYTES:
        raise ArchiveError(f"its arrays take more than {MAX_BYTES} bytes")


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    with archive.open(member) as stream:
        # One byte more than declared would show that the declared size is a lie; zipfile stops there by itself.
        content = stream.read(member.file_size + 1)
    if len(content) != member.file_size:
        raise ArchiveError("an array is shorter or longer than its entry says")
    return content


def _array(content: bytes) -> NDArray[Any]:
    stream = io.BytesIO(content)
    try:
        version = npy.read_magic(stream)
        if version == (1, 0):
            shape, fortran, dtype = npy.read_array_header_1_0(stream, max_header_size=_MAX_HEADER)
        elif version == (2, 0):
            shape, fortran, dtype = npy.read_array_header_2_0(stream, max_header_size=_MAX_HEADER)
        else:
            raise ArchiveError("an array is in an unknown version of NumPy's format")
    except ArchiveError:
        raise
    # The header is a Python literal; a hostile one fails in many ways, none of which runs anything.
    except (
        ValueError,
        SyntaxError,
        TokenError,
        TypeError,
        KeyError,
        RecursionError,
        MemoryError,
        OverflowError,
    ) as error:
        raise ArchiveError("an array has a damaged header") from error
    if dtype.hasobject:
        raise ArchiveError("an array holds pickled objects, which are never opened")
    if dtype.kind not in "iuf" or dtype.newbyteorder("<") != dtype:
        raise ArchiveError(f"an array has the type {dtype.str}, where plain little-endian numbers are wanted")
    if len(shape) > 4 or any(length < 0 for length in shape):
        raise ArchiveError("an array has an impossible shape")
    payload = content[stream.tell() :]
    if math.prod(shape) * dtype.itemsize != len(payload):
        raise ArchiveError("an array holds less or more than its header says")
    return np.frombuffer(payload, dtype).reshape(shape, order="F" if fortran else "C")
