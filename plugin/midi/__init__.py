"""Voices and parameters switched by MIDI: maps, the switcher that applies them at frame edges, ports and files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamvc.plugin.midi.mapping import MidiMap
    from streamvc.plugin.midi.port import MidiInput
    from streamvc.plugin.midi.switcher import PresetSwitcher

__all__ = ["MidiInput", "MidiMap", "PresetSwitcher"]


def __getattr__(name: str) -> Any:
    # Late, so that listing ports does not load what maps need.
    if name == "MidiInput":
        from streamvc.plugin.midi.port import MidiInput

        return MidiInput
    if name == "MidiMap":
        from streamvc.plugin.midi.mapping import MidiMap

        return MidiMap
    if name == "PresetSwitcher":
        from streamvc.plugin.midi.switcher import PresetSwitcher

        return PresetSwitcher
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
