"""Chains of effects written down in TOML files.

    [[effect]]
    type = "NoiseGate"
    threshold_db = -50

    [[effect]]
    type = "VoiceConverter"
    preset = "alice"

    [[effect]]
    type = "VST3"
    path = "plugins/Plate.vst3"
    parameters = { mix = 20.0 }

Every table is an effect, in the order in which sound passes through them. `type` is the name of a plugin of pedalboard,
whose parameters have the names that pedalboard gives them; or `VoiceConverter`, with the arguments of that class; or
`VST3` or `AudioUnit`, with the `path` of a plugin, its `name` where the file holds several, and its `parameters`; or
`Mix` or `Chain`, with an array `effect` of their own. Paths start at the folder of the file.
"""

from __future__ import annotations

import inspect
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pedalboard
from pedalboard import Plugin

from streamvc.errors import ConfigError, StreamVCError
from streamvc.plugin.chain import EffectChain
from streamvc.plugin.chain_elements import Element
from streamvc.plugin.chain_file_natives import (
    make_external,
    make_native,
    native_types,
    refuse_unknown,
    suggestion,
)
from streamvc.plugin.chain_natives import check_native

_CONTAINERS: Final = ("Chain", "Mix")
_EXTERNAL: Final = ("AudioUnit", "VST3")
_VOICE: Final = "VoiceConverter"


def load_chain(path: str | os.PathLike[str]) -> EffectChain:
    """Read a chain from a TOML file, and make everything that it names.

    Raises:
        ConfigError: the file is missing or is no such file, or an effect in it has an unknown type or parameter or a
            value that it does not take, or cannot stand in a chain; the message names the file and the effect.
        PresetError, CheckpointError, RuntimeUnavailableError: a voice cannot be loaded.
    """
    file = Path(path)
    content = read_chain(file)
    unknown = sorted(content.keys() - {"effect"})
    if unknown:
        raise ConfigError(f"{file} has an unknown entry {unknown[0]!r}: a chain consists of [[effect]] tables.")
    return EffectChain(_effects(content, str(file), file.parent))


def read_chain(file: Path) -> dict[str, Any]:
    """What stands in a TOML file, and nothing of it made yet.

    Raises:
        ConfigError: the file is missing, or is no such file.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"There is no file {file}: check the path.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is no text in UTF-8: a chain is written in TOML.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is no valid TOML: {error}.") from error
    except OSError as error:
        raise ConfigError(f"{file} cannot be read ({error.strerror or error}): check the path.") from error


def _effects(table: Mapping[str, Any], where: str, folder: Path) -> Iterator[Element]:
    """Make the effects of a table that has an array of them."""
    effects = table.get("effect")
    if not isinstance(effects, list) or not effects or not all(isinstance(effect, dict) for effect in effects):
        raise ConfigError(f"{where} holds no [[effect]] tables: write at least one.")
    for number, effect in enumerate(effects, start=1):
        kind = effect.get("type")
        place = f"{where}, effect {number}"
        if not isinstance(kind, str):
            raise ConfigError(f'{place} has no type: write for instance type = "Reverb".')
        place = f"{place} ({kind})"
        parameters = {name: value for name, value in effect.items() if name != "type"}
        try:
            element = _make(kind, parameters, place, folder)
            if isinstance(element, Plugin):
                check_native(element)
        except StreamVCError as error:
            if str(error).startswith(where):
                raise
            raise type(error)(f"{place}: {error}") from error
        yield element


def _make(kind: str, parameters: dict[str, Any], place: str, folder: Path) -> Element:
    if kind == _VOICE:
        return _voice(parameters, folder)
    if kind in _EXTERNAL:
        return make_external(parameters, folder)
    if kind in _CONTAINERS:
        refuse_unknown(parameters, ["effect"])
        inner = list(_effects(parameters, place, folder))
        if not all(isinstance(element, Plugin) for element in inner):
            raise ConfigError(f"a {kind} takes plugins only: put the {_VOICE} before or after it.")
        plugin: Plugin = getattr(pedalboard, kind)(inner)
        return plugin
    types = native_types()
    if kind not in types:
        known = sorted([*types, *_CONTAINERS, *_EXTERNAL, _VOICE])
        raise ConfigError(f"there is no such type of effect{suggestion(kind, known)}; it can be {', '.join(known)}.")
    return make_native(types[kind], parameters, folder)


def _voice(parameters: dict[str, Any], folder: Path) -> Element:
    from streamvc.plugin.voice_converter import VoiceConverter

    arguments = inspect.signature(VoiceConverter).parameters
    refuse_unknown(parameters, [name for name in arguments if name != "runtime"])
    preset = parameters.get("preset")
    if not isinstance(preset, str):
        raise ConfigError('the preset is missing: write preset = "NAME" (svc preset list).')
    if preset.endswith(".npz"):
        parameters["preset"] = folder / preset
    try:
        return VoiceConverter(**parameters)
    except TypeError as error:
        raise ConfigError(f"a parameter is of the wrong type: {error}.") from error
