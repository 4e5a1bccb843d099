"""Files by path or by fsspec address (`s3://bucket/folder/speech.wav`), for those who need not know which."""

from __future__ import annotations

from streamvc.storage.address import Address, Place, as_place
from streamvc.storage.files import digest_of, exists, publish, read, scratch, walk, write

__all__ = [
    "Address",
    "Place",
    "as_place",
    "digest_of",
    "exists",
    "publish",
    "read",
    "scratch",
    "walk",
    "write",
]
