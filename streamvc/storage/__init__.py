"""Files by path or by fsspec address (`s3://bucket/folder/speech.wav`), for those who need not know which.

What is done with them is in `streamvc.storage.files`; this module is light, since every command imports it.
"""

from __future__ import annotations

from streamvc.storage.address import Address, Place, as_place

__all__ = ["Address", "Place", "as_place"]
