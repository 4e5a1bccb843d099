"""Tables of TOML as typed dataclasses: every key has a type, a range and a meaning, and a wrong one says what is right.

A field is declared with :func:`key`; tables inside tables are dataclasses inside dataclasses.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from streamvc.errors import ConfigError

T = TypeVar("T")
_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text in quotes"}


def key(
    default: Any, meaning: str, *, low: float | None = None, high: float | None = None,
    choices: Sequence[str] | None = None,
) -> Any:
    """A field of a table: its default, what it means, and what may stand there.

    Args:
        default: value where the key is not given.
        meaning: for `svc train recipes` and error messages.
        low, high: range of a number, or of every number in a list; both ends are allowed.
        choices: the texts that are allowed.
    """
    about = {"meaning": meaning, "low": low, "high": high, "choices": tuple(choices) if choices else None}
    return dataclasses.field(default=default, metadata=about)


def read(cls: type[T], table: Mapping[str, Any], where: str) -> T:
    """A table as a dataclass.

    Args:
        cls: the dataclass.
        table: what TOML gave.
        where: name of the table, for messages.

    Raises:
        ConfigError: a key is unknown, of another type, or out of its range.
    """
    default = cls()
    return update(default, table, where)


def update(settings: T, table: Mapping[str, Any], where: str) -> T:
    """`settings` with the values of `table` in place of its own; raises as :func:`read`."""
    fields = {field.name: field for field in dataclasses.fields(settings)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(type(settings))
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name not in fields:
            raise ConfigError(f"{where} has no key {name!r}{did_you_mean(name, fields)}.")
        current = getattr(settings, name)
        label = f"{where}.{name}"
        if dataclasses.is_dataclass(current) and not isinstance(current, type):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{label} is a table, such as {{ key = value }}, not {value!r}.")
            values[name] = update(current, value, label)
        else:
            values[name] = _fit(hints[name], value, fields[name].metadata, label)
    return dataclasses.replace(settings, **values)  # type: ignore[type-var]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'`, or all names where none is near."""
    names = list(known)
    return near(name, names) or f"; it has {', '.join(names)}"


def _fit(hint: Any, value: Any, about: Mapping[str, Any], label: str) -> Any:
    if typing.get_origin(hint) is tuple:
        kinds = typing.get_args(hint)
        many = kinds[-1] is Ellipsis
        if not isinstance(value, list | tuple) or not (many or len(value) == len(kinds)):
            length = "a list" if many else f"a list of {len(kinds)}"
            raise ConfigError(f"{label} must be {length}, not {value!r}.")
        each = [kinds[0]] * len(value) if many else list(kinds)
        return tuple(_fit(kind, item, about, label) for kind, item in zip(each, value, strict=True))
    # TOML writes 3 where 3.0 is meant; and to Python a bool is an int.
    wanted = int | float if hint is float else hint
    if isinstance(value, bool) != (hint is bool) or not isinstance(value, wanted):
        raise ConfigError(f"{label} must be {_NAMES[hint]}, not {value!r}.")
    choices, low, high = about.get("choices"), about.get("low"), about.get("high")
    if choices and value not in choices:
        raise ConfigError(f"{label} must be one of {', '.join(choices)}, not {value!r}{near(value, choices)}.")
    if hint in (int, float):
        if not math.isfinite(value) or (low is not None and value < low) or (high is not None and value > high):
            raise ConfigError(f"{label} must be {_range(low, high)}, not {value!r}.")
        return hint(value)
    return value


def near(value: object, choices: Iterable[str]) -> str:
    """`; did you mean 'x'` where a choice is near, else nothing."""
    found = difflib.get_close_matches(str(value), list(choices), 1)
    return f"; did you mean {found[0]!r}" if found else ""


def _range(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"between {low:g} and {high:g}"
    if low is not None:
        return f"at least {low:g}"
    return "a finite number" if high is None else f"at most {high:g}"


def describe(cls: type[Any], before: str = "") -> Iterator[tuple[str, str, str]]:
    """Name, default and meaning of every key of a dataclass, tables inside it included."""
    default = cls()
    for field in dataclasses.fields(cls):
        value = getattr(default, field.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            yield from describe(type(value), f"{before}{field.name}.")
            continue
        about = field.metadata
        meaning = about.get("meaning") or _documented(cls, field.name)
        if about.get("choices"):
            meaning += f" ({' | '.join(c or repr(c) for c in about['choices'])})"
        yield before + field.name, to_toml(value), meaning


def _documented(cls: type[Any], name: str) -> str:
    """What the docstring of a dataclass says about a field, in the form `name: meaning`."""
    for line in (cls.__doc__ or "").splitlines():
        start, colon, rest = line.strip().partition(": ")
        if colon and name in [part.strip() for part in start.split(",")]:
            return rest.rstrip(".")
    return ""


def to_toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple | list):
        return "[" + ", ".join(to_toml(item) for item in value) + "]"
    return repr(value)
