"""A MIDI input that survives the loss of its port."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from streamvc.plugin.midi.devices import DevicePort
from streamvc.plugin.midi.wire import OnMessage, TcpPort, is_address

OnStatus = Callable[[str], None]
"""Takes a sentence for the user, on the thread of the port."""

_RETRY_SECONDS = 0.3
_JOIN_SECONDS = 5.0


class _Port(Protocol):
    name: str
    backend: str

    def open(self) -> None: ...
    def run(self, on_message: OnMessage, stop: threading.Event) -> None: ...
    def reopen(self) -> bool: ...
    def close(self) -> None: ...


class MidiInput:
    """Opens a port, passes on what arrives, and gets the port back when it was lost. Use it in a `with` statement.

    A device that was unplugged, a client of ALSA or JACK that went, and a connection that broke are noticed within a
    second (a network cable that was pulled within 12). A JACK server that ends is not: python-rtmidi does not say so.

    Args:
        name: of a port of this computer (`svc midi ports`), or a part of it; `tcp://HOST:PORT` for a server that sends
            MIDI, `tcp-listen://HOST:PORT` to be one for senders; None for the computer's first port.
        on_message: called with every message (of mido) on a thread of its own; must return soon and not raise.
        on_status: called with a sentence when the port is lost and when it is back.

    Raises:
        MidiError: there is no such port, or it cannot be opened.
        RuntimeUnavailableError: it is a port of this computer, and python-rtmidi is not installed.
    """

    def __init__(self, name: str | None, on_message: OnMessage, on_status: OnStatus | None = None) -> None:
        self._port: _Port = TcpPort(name) if name is not None and is_address(name) else DevicePort(name)
        self._on_message = on_message
        self._on_status = on_status
        self._stop = threading.Event()
        self._port.open()
        self._thread = threading.Thread(target=self._run, name="midi-input", daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        """The port's full name."""
        return self._port.name

    @property
    def backend(self) -> str:
        """What the port belongs to: the computer's MIDI system, or "TCP"."""
        return self._port.backend

    def close(self) -> None:
        """Stop listening; no message comes after this has returned."""
        self._stop.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(_JOIN_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        try:
            while True:
                self._port.run(self._on_message, self._stop)
                if self._stop.is_set():
                    return
                self._say(f"The MIDI port {self.name} is gone: it will be used again as soon as it returns.")
                while not self._port.reopen():
                    if self._stop.wait(_RETRY_SECONDS):
                        return
                self._say(f"The MIDI port {self.name} is back.")
        finally:
            self._port.close()

    def _say(self, sentence: str) -> None:
        if self._on_status is not None:
            self._on_status(sentence)
