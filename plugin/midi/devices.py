"""MIDI ports of this computer, through python-rtmidi where it is installed."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from streamvc.errors import MidiError, RuntimeUnavailableError
from streamvc.plugin.midi.wire import OnMessage

_POLL_SECONDS = 0.2
_CLIENT = "streamvc"
_ALSA_NUMBERS = re.compile(r" \d+:\d+$")
_LOOPBACK = "Midi Through"


@dataclass(frozen=True)
class DeviceInfo:
    """A port that MIDI comes from.

    Attributes:
        name: as the system calls it.
        backend: the system, as "ALSA" or "Jack".
    """

    name: str
    backend: str


def list_devices() -> list[DeviceInfo]:
    """The MIDI inputs of all systems that are running, in the order of the systems.

    Raises:
        RuntimeUnavailableError: python-rtmidi is not installed.
    """
    found = []
    for backend, client in _clients(""):
        try:
            found += [DeviceInfo(name, backend) for name in client.get_ports()]
        finally:
            client.delete()
    return found


class DevicePort:
    """A MIDI input of this computer.

    Args:
        name: the port's name, or a part of it that no other has, in any case; None for the first port that is no
            loopback.

    Raises:
        RuntimeUnavailableError: python-rtmidi is not installed.
    """

    def __init__(self, name: str | None) -> None:
        from mido import Message

        _rtmidi()
        self._decode = Message.from_bytes
        self._wanted = name
        self.name = name or "MIDI input"
        self.backend = ""
        self._client: Any = None
        self._shown = ""
        self._on_message: OnMessage | None = None

    def open(self) -> None:
        """Find the port and begin to receive.

        Raises:
            MidiError: there is no such port, or it cannot be opened.
        """
        seen: list[str] = []
        for backend, client in _clients(self.backend):
            names = client.get_ports()
            seen += names
            number = _choose(names, self._wanted)
            if number is None:
                client.delete()
                continue
            try:
                client.open_port(number, "in")
            except (OSError, RuntimeError) as error:
                client.delete()
                raise MidiError(
                    f"The MIDI port {names[number]} cannot be opened ({error}): close other programs that use it."
                ) from error
            self._client, self.backend, self._shown = client, backend, names[number]
            self.name = _stable(names[number])
            # After a loss, the same device and no other.
            self._wanted = self.name
            client.ignore_types(sysex=True, timing=True, active_sense=True)
            client.set_callback(self._receive)
            return
        raise MidiError(_not_found(self._wanted, seen))

    def run(self, on_message: OnMessage, stop: threading.Event) -> None:
        """Pass on messages until the port disappears or `stop` is set."""
        # The messages come on a thread of the library, which does not say when a port goes.
        self._on_message = on_message
        while not stop.wait(_POLL_SECONDS):
            try:
                if self._shown not in self._client.get_ports():
                    return
            except (OSError, RuntimeError):
                return

    def reopen(self) -> bool:
        """Try once to get the port back."""
        self.close()
        try:
            self.open()
        except MidiError:
            return False
        return True

    def close(self) -> None:
        """Close the port."""
        if self._client is not None:
            self._client.cancel_callback()
            self._client.close_port()
            self._client.delete()
            self._client = None

    def _receive(self, event: tuple[list[int], float], _: object) -> None:
        try:
            message = self._decode(event[0])
        except ValueError:  # a driver passed on bytes that are no message
            return
        if self._on_message is not None:
            self._on_message(message)


def _rtmidi() -> Any:
    try:
        import rtmidi
    except ImportError as error:
        raise RuntimeUnavailableError(
            "MIDI ports of this computer need python-rtmidi: pip install 'streamvc[midi]', or use a port of the "
            "network, as tcp://127.0.0.1:9080."
        ) from error
    return rtmidi


def _clients(backend: str) -> Iterator[tuple[str, Any]]:
    """A client of every system that is running (or of one by its name), with its name; whoever takes it deletes it."""
    rtmidi = _rtmidi()
    for api in rtmidi.get_compiled_api():
        name = rtmidi.get_api_display_name(api)
        if backend not in ("", name):
            continue
        try:
            with _libraries_silenced():
                client = rtmidi.MidiIn(api, name=_CLIENT)
        except (OSError, RuntimeError):
            continue
        yield name, client


@contextmanager
def _libraries_silenced() -> Iterator[None]:
    """Keep ALSA and JACK from writing to the error output that they are not running, which is no error here."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        os.close(null)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _choose(names: list[str], wanted: str | None) -> int | None:
    """The number of the port that is meant; None if there is none, or if several could be."""
    if wanted is None:
        return next((number for number, name in enumerate(names) if not name.startswith(_LOOPBACK)), None)
    for form in (str, _stable, lambda name: _stable(name).casefold()):
        equal = [number for number, name in enumerate(names) if form(name) == form(wanted)]
        if equal:
            return equal[0]
    parts = [number for number, name in enumerate(names) if wanted.casefold() in name.casefold()]
    return parts[0] if len(parts) == 1 else None


def _stable(name: str) -> str:
    """The name without the numbers that ALSA gives anew each time a device is plugged in."""
    return _ALSA_NUMBERS.sub("", name)


def _not_found(wanted: str | None, names: list[str]) -> str:
    known = f"`svc midi ports` shows {', '.join(names[:5])}" if names else "`svc midi ports` shows none"
    if wanted is None:
        return f"There is no MIDI input ({known}): connect one, or use tcp://HOST:PORT."
    if sum(wanted.casefold() in name.casefold() for name in names) > 1:
        return f"Several MIDI inputs have {wanted!r} in their names: give more of the name ({known})."
    return f"There is no MIDI input {wanted!r}: connect it or give another name ({known})."
