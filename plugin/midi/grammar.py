"""One entry of a map file: checked, and turned into a binding.

    [[bind]]
    note = 36                    one of: program, note, control (0 to 127), pitch_bend, pressure (true)
    channel = 10                 1 to 16; left out: any
    preset = "alice"             one of: preset, morph, bend, parameter with value or range

Messages begin with the number of the entry and say what to write.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streamvc.controls import PITCH_RANGE
from streamvc.errors import ConfigError
from streamvc.plugin.midi.bindings import (
    Action,
    BendPitch,
    Binding,
    ChoosePreset,
    HoldSwitch,
    MorphVoice,
    SetParameter,
    SweepParameter,
    ToggleSwitch,
    Trigger,
)
from streamvc.plugin.midi.events import CONTINUOUS, KINDS, NUMBERED, RELEASED, Kind
from streamvc.plugin.midi.parameters import PARAMETERS, Parameter, Value
from streamvc.presets.format import Preset
from streamvc.presets.store import resolve

_ACTIONS = ("preset", "morph", "bend", "parameter")
_KEYS = (*KINDS, "channel", *_ACTIONS, "value", "range")


class PresetFinder:
    """Loads each preset once; paths that are not absolute start at `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: dict[str, Preset] = {}

    def find(self, name: str) -> Preset:
        """The preset of a name or path; raises `PresetError`."""
        if name not in self._found:
            is_path = name.lower().endswith(".npz") or "/" in name or "\\" in name
            self._found[name] = resolve(self._folder / Path(name).expanduser() if is_path else name)
        return self._found[name]


def read_binding(number: int, entry: Mapping[str, Any], finder: PresetFinder) -> Binding:
    """Check an entry and make a binding of it.

    Raises:
        ConfigError: it is wrong; the message names the entry by its number, from 1.
        PresetError: it names a preset that is unknown or damaged.
    """
    try:
        for key in entry:
            if key not in _KEYS:
                near = difflib.get_close_matches(key, _KEYS, n=1)
                raise ConfigError(
                    f"{key!r} has no meaning: " + (f"did you mean {near[0]}?" if near else f"use {_list(_KEYS)}.")
                )
        trigger = _trigger(entry)
        return Binding(trigger, read_action(entry, trigger.kind, finder))
    except ConfigError as error:
        raise ConfigError(f"bind {number}: {error}") from error


def _trigger(entry: Mapping[str, Any]) -> Trigger:
    kinds: list[Kind] = [kind for kind in KINDS if kind in entry]
    if len(kinds) != 1:
        raise ConfigError(f"it needs one control, not {len(kinds)}: give one of {_list(KINDS)}.")
    kind = kinds[0]
    value = entry[kind]
    if kind not in NUMBERED:
        if value is not True:
            raise ConfigError(f"{kind} has no number, so it cannot be {value!r}: write {kind} = true.")
        value = 0
    elif not _is_int(value) or not 0 <= value <= 127:
        raise ConfigError(f"{kind} must be a whole number from 0 to 127, not {value!r}.")
    channel = entry.get("channel")
    if channel is not None and (not _is_int(channel) or not 1 <= channel <= 16):
        raise ConfigError(f"channel must be a whole number from 1 to 16, not {channel!r}; leave it out for any.")
    return Trigger(kind, value, channel)


def read_action(entry: Mapping[str, Any], kind: Kind, finder: PresetFinder) -> Action:
    """Check what an entry says beside its control, and make an action of it that this kind of control can do.

    Raises:
        ConfigError: it is wrong.
        PresetError: it names a preset that is unknown or damaged.
    """
    actions = [key for key in _ACTIONS if key in entry]
    if len(actions) != 1:
        raise ConfigError(f"it needs one action, not {len(actions)}: give one of {_list(_ACTIONS)}.")
    action = actions[0]
    if action != "parameter" and (stray := {"value", "range"} & set(entry)):
        raise ConfigError(f"{stray.pop()} belongs to a parameter, not to {action}: leave it out.")
    if action == "preset":
        _need_button(kind, "preset")
        return ChoosePreset(finder.find(_text("preset", entry["preset"])))
    if action == "morph":
        _need_continuous(kind, "morph")
        return _morph(entry["morph"], finder)
    if action == "bend":
        _need_continuous(kind, "bend")
        return BendPitch(_number("bend", entry["bend"], (0.0, PITCH_RANGE[1]), " semitones"))
    return _parameter(entry, kind)


def _morph(voices: Any, finder: PresetFinder) -> MorphVoice:
    if isinstance(voices, str):
        return MorphVoice(None, finder.find(voices))
    if not isinstance(voices, list) or len(voices) != 2:
        raise ConfigError(f"morph must name one voice to go to, or a list of two to go between, not {voices!r:.80}.")
    first, second = (finder.find(_text("morph", voice)) for voice in voices)
    if first.model != second.model:
        raise ConfigError(f"{first.name} and {second.name} are of different models: morph between voices of one.")
    return MorphVoice(first, second)


def _parameter(entry: Mapping[str, Any], kind: Kind) -> Action:
    name = entry["parameter"]
    if not isinstance(name, str) or name not in PARAMETERS:
        raise ConfigError(f"there is no parameter {name!r:.80}: use one of {_list(PARAMETERS)}.")
    parameter = PARAMETERS[name]
    if ("value" in entry) == ("range" in entry):
        raise ConfigError(f"{name} needs either a value (for a button) or a range (for a wheel or knob).")
    if "range" in entry:
        _need_continuous(kind, "a range")
        return _sweep(name, parameter, entry["range"])
    _need_button(kind, "a value")
    value = entry["value"]
    if parameter.limits is not None:
        return SetParameter(name, _value(name, parameter, parameter.limits, value))
    if isinstance(value, bool):
        return SetParameter(name, value)
    if value == "toggle":
        return ToggleSwitch(name)
    if value == "hold":
        if kind not in RELEASED:
            raise ConfigError(f"{kind} has no release to end a hold: use a note or control, or the value true.")
        return HoldSwitch(name)
    raise ConfigError(f'{name} must have the value true, false, "hold" or "toggle", not {value!r:.80}.')


def _sweep(name: str, parameter: Parameter, ends: Any) -> SweepParameter:
    if parameter.limits is None:
        raise ConfigError(f'{name} is a switch and has no range: give it the value "hold" or "toggle".')
    if not isinstance(ends, list) or len(ends) != 2:
        raise ConfigError(f"range must be a list of two numbers, not {ends!r:.80}.")
    low, high = (_number(f"range of {name}", end, parameter.limits, parameter.unit) for end in ends)
    return SweepParameter(name, low, high)


def _value(name: str, parameter: Parameter, limits: tuple[float, float], value: Any) -> Value:
    if parameter.none is not None and value == parameter.none:
        return None
    return _number(name, value, limits, parameter.unit)


def _number(name: str, value: Any, limits: tuple[float, float], unit: str) -> float:
    low, high = limits
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ConfigError(f"{name} must be a number from {low:g} to {high:g}{unit}, not {value!r:.80}.")
    return float(value)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{name} must be a preset's name or path in quotes, not {value!r:.80}.")
    return value


def _need_continuous(kind: Kind, what: str) -> None:
    if kind not in CONTINUOUS:
        raise ConfigError(f"{what} needs a control that moves, and {kind} does not: use one of {_list(CONTINUOUS)}.")


def _need_button(kind: Kind, what: str) -> None:
    if kind in CONTINUOUS - RELEASED:
        raise ConfigError(f"{what} needs a control that is pressed, and {kind} is not: use program, note or control.")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _list(words: Any) -> str:
    *most, last = sorted(words) if isinstance(words, frozenset) else list(words)
    return f"{', '.join(most)} or {last}"
