"""MIDI bytes as they come over a wire, made into messages by the rules of MIDI 1.0."""

from __future__ import annotations

from typing import Any, Final

_LONGEST_EXCLUSIVE: Final = 65_536
_REAL_TIME: Final = frozenset({0xF8, 0xFA, 0xFB, 0xFC, 0xFE, 0xFF})
_COMMON: Final = {0xF1: 1, 0xF2: 2, 0xF3: 1, 0xF6: 0}


def data_length(status: int) -> int | None:
    """Data bytes that follow a status byte; None where none is defined (system exclusive goes on to its end)."""
    if status < 0x80:
        return None
    if status < 0xF0:
        return 1 if status & 0xE0 == 0xC0 else 2
    return 0 if status in _REAL_TIME else _COMMON.get(status)


class BoundedParser:
    """Makes messages of a stream of bytes, cut in any way.

    Real-time bytes may stand anywhere, inside other messages too, and change nothing there. The status of a channel
    message holds for all data that follow, until another status comes. System messages end that; undefined ones are
    left out, and so are data that belong to nothing. A system exclusive message that does not end is forgotten
    instead of kept.
    """

    def __init__(self) -> None:
        from mido import Message

        self._message = Message
        self._status = 0
        self._data: list[int] = []
        self._exclusive: bytearray | None = None

    def feed(self, data: bytes) -> list[Any]:
        """The messages of mido that are complete with these bytes."""
        messages: list[Any] = []
        for byte in data:
            if byte >= 0xF8:
                if byte in _REAL_TIME:
                    messages.append(self._message.from_bytes([byte]))
            elif byte >= 0x80:
                self._take_status(byte, messages)
            else:
                self._take_data(byte, messages)
        return messages

    def _take_status(self, status: int, messages: list[Any]) -> None:
        exclusive, self._exclusive = self._exclusive, None
        self._status, self._data = 0, []
        if status == 0xF0:
            self._exclusive = bytearray([status])
        elif status == 0xF7:
            if exclusive is not None and len(exclusive) <= _LONGEST_EXCLUSIVE:
                messages.append(self._message.from_bytes(bytes(exclusive) + b"\xf7"))
        elif data_length(status) == 0:
            messages.append(self._message.from_bytes([status]))
        elif data_length(status) is not None:
            self._status = status

    def _take_data(self, byte: int, messages: list[Any]) -> None:
        if self._exclusive is not None:
            if len(self._exclusive) <= _LONGEST_EXCLUSIVE:
                self._exclusive.append(byte)
            return
        if not self._status:
            return
        self._data.append(byte)
        if len(self._data) == data_length(self._status):
            messages.append(self._message.from_bytes([self._status, *self._data]))
            self._data = []
            if self._status >= 0xF0:
                self._status = 0
