"""The audio graph: processors that convert a voice inside a chain, a file, or a live stream."""

from __future__ import annotations

from streamvc.plugin.voice_converter import VoiceConverter

__all__ = ["VoiceConverter"]
