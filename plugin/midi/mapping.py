"""The map from controls to voices and parameters, as it is used and as a file holds it."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from streamvc.errors import ConfigError
from streamvc.plugin.midi.bindings import Binding, ChoosePreset, MorphVoice
from streamvc.plugin.midi.events import Event, Kind
from streamvc.plugin.midi.grammar import PresetFinder, read_binding
from streamvc.presets.format import Preset
from streamvc.presets.store import builtin_folder

SCHEMA: Final = 1
MAX_BYTES: Final = 1 << 20
BEND_SEMITONES: Final = 2.0
"""Range of the pitch bend in the default map: what MIDI instruments have unless they are told otherwise."""

_MODULATION_WHEEL, _SUSTAIN_PEDAL = 1, 64


class MidiMap:
    """Which control does what. Its presets are loaded when it is made.

    Args:
        bindings: answered in this order when one message has several.

    Raises:
        ConfigError: two bindings give the same target two values for one message.
    """

    def __init__(self, bindings: Iterable[Binding]) -> None:
        self.bindings: Final = tuple(bindings)
        self._by_control: dict[tuple[Kind, int], list[Binding]] = {}
        for binding in self.bindings:
            same = self._by_control.setdefault((binding.trigger.kind, binding.trigger.number), [])
            for other in same:
                if binding.trigger.overlaps(other.trigger) and binding.action.target == other.action.target:
                    raise ConfigError(
                        f"{binding.trigger} is given two meanings for {binding.action.target}: leave one of them out."
                    )
            same.append(binding)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a map and load the presets that it names.

        The format is TOML, described in docs/midi.md. Presets are named as everywhere else; a path that is not
        absolute starts at the map's folder.

        Raises:
            ConfigError: the file is missing, unreadable, no TOML, or has a wrong entry (the message says which).
            PresetError: a preset is unknown or damaged.
        """
        path = Path(path)
        try:
            table = tomllib.loads(_read(path))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"The MIDI map {path} is no valid TOML ({error}): correct it there.") from error
        return cls.from_table(table, f"The MIDI map {path}", path.parent)

    @classmethod
    def from_table(cls, table: Mapping[str, Any], origin: str = "The MIDI map", folder: Path | None = None) -> Self:
        """Make a map of what a TOML file of this format holds.

        Args:
            table: `{"schema": 1, "bind": [...]}`.
            origin: the map's name at the beginning of messages.
            folder: where the paths of presets start; None for the current folder.

        Raises:
            ConfigError, PresetError: as `load`.
        """
        finder = PresetFinder(folder or Path())
        try:
            return cls([read_binding(number, entry, finder) for number, entry in _entries(table)])
        except ConfigError as error:
            raise ConfigError(f"{origin}: {error}") from error

    @classmethod
    def default(cls, bend_semitones: float = BEND_SEMITONES) -> Self:
        """The map for whoever has none, on all channels.

        Program change n chooses the n-th built-in voice by name (0 is the first), the modulation wheel (CC 1) morphs
        from the chosen voice to the second built-in one, the pitch bend wheel moves the pitch, and the sustain pedal
        (CC 64) bypasses the conversion while it is down.

        Args:
            bend_semitones: reach of the pitch bend, above 0 to 24 semitones.

        Raises:
            ConfigError: the reach is out of range.
        """
        return cls.from_table(default_table(bend_semitones), "The default MIDI map")

    @property
    def presets(self) -> tuple[Preset, ...]:
        """All presets that a control can call up, each once."""
        found: dict[int, Preset] = {}
        for binding in self.bindings:
            match binding.action:
                case ChoosePreset(preset):
                    found[id(preset)] = preset
                case MorphVoice(first, second):
                    found |= {id(preset): preset for preset in (first, second) if preset is not None}
        return tuple(found.values())

    def answers(self, event: Event) -> Iterator[Binding]:
        """The bindings that an event triggers, in order."""
        for binding in self._by_control.get((event.kind, event.number), ()):
            if binding.trigger.matches(event):
                yield binding


def default_table(bend_semitones: float = BEND_SEMITONES) -> dict[str, Any]:
    """The default map as the content of a file."""
    names = sorted(path.stem for path in builtin_folder().glob("*.npz"))
    entries: list[dict[str, Any]] = [{"program": number, "preset": name} for number, name in enumerate(names[:128])]
    entries += [
        {"control": _MODULATION_WHEEL, "morph": names[1]},
        {"pitch_bend": True, "bend": bend_semitones},
        {"control": _SUSTAIN_PEDAL, "parameter": "bypass", "value": "hold"},
    ]
    return {"schema": SCHEMA, "bind": entries}


def _entries(table: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    schema = table.get("schema")
    if isinstance(schema, int) and not isinstance(schema, bool) and schema > SCHEMA:
        raise ConfigError(f"schema {schema} is of a newer version of StreamVC: update to use this map.")
    if schema != SCHEMA or isinstance(schema, bool):
        raise ConfigError(f"its first line must say which format it has: write schema = {SCHEMA}.")
    if unknown := sorted(set(table) - {"schema", "bind"}):
        raise ConfigError(f"{unknown[0]!r} has no meaning here: give every control a [[bind]] of its own.")
    entries = table.get("bind")
    if not isinstance(entries, Sequence) or isinstance(entries, str) or not entries:
        raise ConfigError("it binds nothing: give every control a [[bind]] of its own.")
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, Mapping):
            raise ConfigError(f"bind {number} is no table: write [[bind]] above its lines.")
        yield number, entry


def _read(path: Path) -> str:
    try:
        # A pipe would block for ever, and a device never end.
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigError(f"The MIDI map {path} is no regular file: give the path of a TOML file.")
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = (getattr(error, "strerror", None) or str(error)).lower()
        raise ConfigError(f"The MIDI map {path} cannot be read ({why}): check the path.") from error
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path} is larger than {MAX_BYTES} bytes, so it is no MIDI map: give another file.")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"The MIDI map {path} is not in UTF-8: save it in that encoding.") from error
