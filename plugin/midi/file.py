"""MIDI files as events in time."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import merge
from pathlib import Path
from typing import Any, Final

from streamvc.errors import MidiError
from streamvc.plugin.midi.stream import data_length

MAX_BYTES: Final = 16 << 20

_TEMPO: Final = 500_000
"""Microseconds per quarter note where a file says nothing."""


@dataclass(frozen=True)
class TimedMessage:
    """A message of mido and when it comes.

    Attributes:
        seconds: from the beginning of the file.
        message: a channel message.
    """

    seconds: float
    message: Any


@dataclass(frozen=True)
class _Event:
    """Bytes of a channel message, or a tempo, at a time in ticks."""

    ticks: int
    data: bytes = b""
    tempo: int = 0


class _Damage(Exception):
    """Where a track cannot be followed any further, and why."""


def read_midi_file(
    path: str | os.PathLike[str], on_problem: Callable[[str], object] | None = None
) -> list[TimedMessage]:
    """The channel messages of a Standard MIDI File of type 0 or 1, in order, at the times that its tempo map gives.

    Messages with impossible bytes, and meta events that say nothing sensible, are left out; a track that cannot be
    followed any further is played up to there.

    Args:
        path: the file.
        on_problem: called with a sentence for each kind of thing that was left out.

    Raises:
        MidiError: the file is missing, unreadable, without any track that can be followed, or of a kind whose times are
            not in beats (the message says what to do).
    """
    path = Path(path)
    data = _read(path)
    if data[:4] != b"MThd" or len(data) < 14:
        raise MidiError(f"{path} is no MIDI file: give a Standard MIDI File (.mid).")
    length, kind, promised, division = struct.unpack(">IHHH", data[4:14])
    if kind == 2:
        raise MidiError(f"{path} is a MIDI file of type 2, whose tracks have no common time: save it as type 0 or 1.")
    if division & 0x8000 or division == 0:
        raise MidiError(f"{path} counts its time in film frames, not in beats: export it with ticks per quarter note.")
    problems: list[str] = []
    tracks: list[list[_Event]] = []
    damage: str | None = None
    bodies, rest = _tracks(data, 8 + length)
    if rest:
        damage = "something in it is no track"
        problems.append(f"{rest} bytes at its end are no track and were left out")
    for number, body in enumerate(bodies, 1):
        track = _Track(body)
        tracks.append(track.events)
        if track.left_out:
            problems.append(f"track {number}: {track.left_out} messages with impossible bytes were left out")
        if track.damage:
            damage = track.damage
            problems.append(f"track {number} is damaged ({damage}) and is played as far as it goes")
    if promised and not any(tracks) and (damage is not None or not tracks):
        raise MidiError(f"The MIDI file {path} is damaged ({damage or 'it has no tracks'}): export it again.")
    if len(tracks) < promised:
        problems.append(f"{promised - len(tracks)} of its {promised} tracks are missing")
    if on_problem is not None:
        for problem in problems:
            on_problem(f"{path}: {problem}.")
    return list(_timed(tracks, division))


def _tracks(data: bytes, position: int) -> tuple[list[bytes], int]:
    """The contents of all track chunks, and how many bytes behind them belong to no chunk."""
    bodies = []
    while position + 8 <= len(data):
        name, length = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "big")
        if not name.isalnum():
            break
        position += 8
        if name == b"MTrk":
            bodies.append(data[position : position + length])
        position += length
    return bodies, max(0, len(data) - position)


class _Track:
    """The events of a track, as far as it can be followed.

    Attributes:
        events: in their order.
        left_out: messages that had bytes which no message can have.
        damage: why the track was left before its end; None if it was not.
    """

    def __init__(self, data: bytes) -> None:
        self.events: list[_Event] = []
        self.left_out = 0
        self.damage: str | None = None
        self._data, self._position, self._status = data, 0, 0
        ticks = 0
        try:
            while self._position < len(data):
                ticks += self._number()
                if not self._event(ticks):
                    return
        except _Damage as damage:
            self.damage = str(damage)

    def _event(self, ticks: int) -> bool:
        """Read one event; False for the one that ends the track."""
        status = self._byte()
        if status == 0xFF:
            kind = self._byte()
            content = self._take(self._number())
            if kind == 0x2F:
                return False
            # Every other kind is words or notation; a tempo of another length is none.
            if kind == 0x51 and len(content) == 3 and any(content):
                self.events.append(_Event(ticks, tempo=int.from_bytes(content, "big")))
            elif kind == 0x51:
                self.left_out += 1
            return True
        if status in (0xF0, 0xF7):
            self._take(self._number())
            self._status = 0
            return True
        if status < 0x80:
            if not self._status:
                # Data that belong to nothing: what follows may be in step again.
                self.left_out += 1
                return True
            self._position -= 1
        elif status >= 0xF0:
            # System messages have no place in a file; by their length it goes on behind them.
            self._take(data_length(status) or 0)
            self.left_out += 1
            return True
        else:
            self._status = status
        message = self._take(data_length(self._status) or 0)
        if max(message) > 0x7F:
            self.left_out += 1
        else:
            self.events.append(_Event(ticks, bytes([self._status]) + message))
        return True

    def _byte(self) -> int:
        return self._take(1)[0]

    def _take(self, count: int) -> bytes:
        taken = self._data[self._position : self._position + count]
        if len(taken) < count:
            raise _Damage("it ends in the middle of an event")
        self._position += count
        return taken

    def _number(self) -> int:
        """Seven bits a byte, at most four bytes; all but the last have the eighth bit."""
        number = 0
        for _ in range(4):
            byte = self._byte()
            number = number << 7 | byte & 0x7F
            if byte < 0x80:
                return number
        raise _Damage("a number has no end")


def _timed(tracks: list[list[_Event]], division: int) -> Iterator[TimedMessage]:
    from mido import Message

    seconds, ticks, tempo = 0.0, 0, _TEMPO
    for event in merge(*tracks, key=lambda event: event.ticks):
        seconds += (event.ticks - ticks) * tempo / (division * 1e6)
        ticks = event.ticks
        if event.tempo:
            tempo = event.tempo
        else:
            yield TimedMessage(seconds, Message.from_bytes(event.data))


def _read(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise MidiError(f"{path} is no regular file: give the path of a MIDI file.")
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = (getattr(error, "strerror", None) or str(error)).lower()
        raise MidiError(f"The MIDI file {path} cannot be read ({why}): check the path.") from error
    if len(data) > MAX_BYTES:
        raise MidiError(f"{path} is larger than {MAX_BYTES >> 20} MB, so it is no MIDI file of controls: give another.")
    return data
