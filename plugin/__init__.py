"""The audio graph: processors that convert a voice inside a chain, a file, or a live stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamvc.plugin.chain import EffectChain
    from streamvc.plugin.voice_converter import VoiceConverter

__all__ = ["EffectChain", "VoiceConverter"]


def __getattr__(name: str) -> Any:
    # Late, so that the light modules of this package can be had without the audio library.
    if name == "EffectChain":
        from streamvc.plugin.chain import EffectChain

        return EffectChain
    if name == "VoiceConverter":
        from streamvc.plugin.voice_converter import VoiceConverter

        return VoiceConverter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
