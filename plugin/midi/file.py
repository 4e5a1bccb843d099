"""MIDI files as events in time."""

from __future__ import annotations

import io
import os
import re
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from streamvc.errors import MidiError

MAX_BYTES: Final = 16 << 20

_ENDLESS_NUMBER = re.compile(rb"[\x80-\xff]{4096}")


@dataclass(frozen=True)
class TimedMessage:
    """A message of mido and when it comes.

    Attributes:
        seconds: from the beginning of the file.
        message: a channel message.
    """

    seconds: float
    message: Any


def read_midi_file(path: str | os.PathLike[str]) -> list[TimedMessage]:
    """The channel messages of a Standard MIDI File of type 0 or 1, in order, at the times that its tempo map gives.

    Raises:
        MidiError: the file is missing, unreadable, damaged, or of a kind whose times are not in beats (the message says
            what to do).
    """
    path = Path(path)
    data = _read(path)
    if data[:4] != b"MThd" or len(data) < 14:
        raise MidiError(f"{path} is no MIDI file: give a Standard MIDI File (.mid).")
    kind, _, division = struct.unpack(">HHH", data[8:14])
    if kind == 2:
        raise MidiError(f"{path} is a MIDI file of type 2, whose tracks have no common time: save it as type 0 or 1.")
    if division & 0x8000 or division == 0:
        raise MidiError(f"{path} counts its time in film frames, not in beats: export it with ticks per quarter note.")
    # Each of its bytes says that it goes on; mido would follow it for hours, with integers of ever more digits.
    if _ENDLESS_NUMBER.search(data):
        raise MidiError(f"The MIDI file {path} is damaged (a number has no end): export it again.")
    return _messages(path, data)


def _messages(path: Path, data: bytes) -> list[TimedMessage]:
    from mido import MidiFile

    try:
        # mido raises what its parts happen to raise on damaged bytes, from IndexError to UnicodeDecodeError.
        file = MidiFile(file=io.BytesIO(data))
        seconds, timed = 0.0, []
        for message in file:
            seconds += message.time
            if not message.is_meta and not message.is_realtime and hasattr(message, "channel"):
                timed.append(TimedMessage(seconds, message))
    except Exception as error:
        what = str(error) or type(error).__name__
        raise MidiError(f"The MIDI file {path} is damaged ({what:.100}): export it again.") from error
    return timed


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
