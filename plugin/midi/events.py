"""What a MIDI message says to a map: which control, and how far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

Kind = Literal["program", "note", "control", "pitch_bend", "pressure"]
KINDS: tuple[Kind, ...] = get_args(Kind)
CONTINUOUS: frozenset[Kind] = frozenset({"control", "pitch_bend", "pressure"})
"""Kinds that have a position; the others are pressed."""
RELEASED: frozenset[Kind] = frozenset({"note", "control"})
"""Kinds that are pressed and released again."""
NUMBERED: frozenset[Kind] = frozenset({"program", "note", "control"})
"""Kinds of which a channel has 128."""

_MIDDLE = 64


@dataclass(frozen=True)
class Event:
    """A control that was touched.

    Attributes:
        kind: what sort of control.
        number: 0 to 127 which of them; 0 for the kinds of which a channel has one.
        channel: 1 to 16.
        pressed: whether a button is down. A control counts as down from 64 up, as MIDI defines its switches.
        position: 0 to 1, the middle exactly at 0.5.
    """

    kind: Kind
    number: int
    channel: int
    pressed: bool
    position: float


def read_event(message: Any) -> Event | None:
    """Read a message of mido; None for those that belong to no control (clock, system exclusive, meta messages)."""
    kind = message.type
    if kind == "note_on" or kind == "note_off":
        down = kind == "note_on" and message.velocity > 0
        return Event("note", message.note, message.channel + 1, down, message.velocity / 127 if down else 0.0)
    if kind == "program_change":
        return Event("program", message.program, message.channel + 1, True, 1.0)
    if kind == "control_change":
        position = _centred(message.value, _MIDDLE, 127)
        return Event("control", message.control, message.channel + 1, message.value >= _MIDDLE, position)
    if kind == "pitchwheel":
        return Event("pitch_bend", 0, message.channel + 1, False, _centred(message.pitch + 8192, 8192, 16383))
    if kind == "aftertouch":
        return Event("pressure", 0, message.channel + 1, False, _centred(message.value, _MIDDLE, 127))
    return None


def _centred(value: int, middle: int, top: int) -> float:
    """0 to 1 in two straight lines that meet at the middle: MIDI's middle is not half of its highest value."""
    return 0.5 * value / middle if value <= middle else 0.5 + 0.5 * (value - middle) / (top - middle)
