"""Plugins of pedalboard and of other makers, made from the entries of a TOML file."""

from __future__ import annotations

import difflib
import inspect
import math
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pedalboard
from pedalboard import ExternalPlugin, Plugin, PluginContainer

from streamvc.errors import ConfigError

Parameters = Mapping[str, Any]


def native_types() -> dict[str, type[Plugin]]:
    """By their names, the built-in plugins of the installed pedalboard that parameters alone can make."""
    return {
        name: kind
        for name, kind in vars(pedalboard).items()
        if inspect.isclass(kind)
        and issubclass(kind, Plugin)
        and not issubclass(kind, ExternalPlugin | PluginContainer)
        and name not in ("IIRFilter", "Plugin")
        and not name.startswith("_")
    }


def make_native(kind: type[Plugin], parameters: Parameters, folder: Path) -> Plugin:
    """A built-in plugin.

    Args:
        kind: one of `native_types`.
        parameters: by the names of its constructor; a number, a name of the plugin's own choices, or a path.
        folder: where relative paths start.

    Raises:
        ConfigError: a parameter is unknown or missing, or has a value that it does not take.
    """
    signature = str(kind.__init__.__doc__).splitlines()[0]
    known = [name for name in re.findall(r"[(,] ?(\w+):", signature) if name != "self"]
    refuse_unknown(parameters, known)
    given = {name: _value(kind, name, value, folder) for name, value in parameters.items()}
    try:
        return kind(**given)
    except TypeError as error:
        needed = ", ".join(re.findall(r"[(,] ?(\w+: [\w.]+(?: = [^,)]+)?)", signature)[1:])
        raise ConfigError(f"a parameter is missing or of the wrong type; it takes {needed}.") from error
    except (ValueError, RuntimeError) as error:
        raise ConfigError(f"{_one_line(error)}.") from error


def make_external(parameters: Parameters, folder: Path) -> Plugin:
    """A VST3 or Audio Unit plugin.

    Args:
        parameters: `path`, `name` where the file holds several plugins, and `parameters` by the names that pedalboard
            lists for the plugin.
        folder: where a relative path starts.

    Raises:
        ConfigError: the plugin cannot be loaded, or a parameter is unknown or has a value that it does not take.
    """
    refuse_unknown(parameters, ["path", "name", "parameters"])
    path, name, values = parameters.get("path"), parameters.get("name"), parameters.get("parameters", {})
    if not isinstance(path, str):
        raise ConfigError('the path of the plugin is missing: write path = "FILE.vst3".')
    if not isinstance(values, dict) or not (name is None or isinstance(name, str)):
        raise ConfigError("name must be a text, and parameters a table.")
    file = folder / path
    if not file.exists():
        raise ConfigError(f"there is no plugin {file}: check the path.")
    try:
        plugin: Any = pedalboard.load_plugin(str(file), plugin_name=name)  # type: ignore[attr-defined]
    except (ImportError, ValueError) as error:
        raise ConfigError(f"{file} cannot be loaded: {_one_line(error)}.") from error
    # Where there is only one, pedalboard loads it under any name.
    if name is not None and plugin.name != name:
        raise ConfigError(f"{file} holds the plugin {plugin.name!r} and no {name!r}.")
    refuse_unknown(values, list(plugin.parameters))
    for parameter, value in values.items():
        try:
            setattr(plugin, parameter, value)
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigError(f"{parameter} does not take {value!r}: {_one_line(error)}.") from error
    loaded: Plugin = plugin
    return loaded


def refuse_unknown(parameters: Collection[str], known: Collection[str]) -> None:
    """Refuse names that mean nothing.

    Raises:
        ConfigError: one of the names is not known.
    """
    for name in parameters:
        if name not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            raise ConfigError(f"there is no parameter {name!r}{suggestion(name, known)}; {takes}.")


def suggestion(name: str, known: Collection[str]) -> str:
    """What may have been meant, in brackets, or nothing."""
    close = difflib.get_close_matches(name, known, n=1)
    return f" (is {close[0]} meant?)" if close else ""


def _value(kind: type[Plugin], name: str, value: Any, folder: Path) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{name} must be a finite number, not {value}.")
    if not isinstance(value, str):
        return value
    if name.endswith("filename"):
        return str(folder / value)
    for choices in vars(kind).values():
        members = getattr(choices, "__members__", None)
        if inspect.isclass(choices) and members is not None:
            if value in members:
                return members[value]
            raise ConfigError(f"{name} cannot be {value!r}; it can be {', '.join(members)}.")
    raise ConfigError(f"{name} must be a number, not the text {value!r}.")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
