"""Which corpora are spoken by machines: the one place that tells synthetic speakers from real people."""

from __future__ import annotations

from typing import Final

SYNTHETIC: Final = ("kokoro", "hibari", "synthetic")
"""How the names of such corpora begin. Give a synthetic corpus of your own a name that begins with `synthetic`."""


def is_synthetic(corpus: str) -> bool:
    """Whether the speakers of the corpus of this name (`Utterance.corpus`) are synthetic."""
    return corpus.startswith(SYNTHETIC)
