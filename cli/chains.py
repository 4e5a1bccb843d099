"""Chains from files, and the voice in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamvc.plugin.chain import EffectChain
    from streamvc.plugin.voice_converter import VoiceConverter


def chain_and_voice(path: Path) -> tuple[EffectChain, VoiceConverter | None]:
    """The chain of a TOML file, and the first converter in it.

    Raises:
        ConfigError, PresetError: the file is none, or names what is not there.
        CheckpointError, RuntimeUnavailableError: the model cannot be loaded.
    """
    from streamvc.plugin.chain_file import load_chain
    from streamvc.plugin.voice_converter import VoiceConverter

    chain = load_chain(path)
    return chain, next((element for element in _leaves(chain) if isinstance(element, VoiceConverter)), None)


def _leaves(element: Any) -> Iterator[Any]:
    try:
        parts = list(element)
    except TypeError:
        yield element
        return
    for part in parts:
        yield from _leaves(part)
