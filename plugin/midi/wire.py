"""MIDI over TCP: the plain bytes of the messages, as `mido.sockets` and its tools send them."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from streamvc.errors import MidiError
from streamvc.plugin.midi.stream import BoundedParser

OnMessage = Callable[[Any], None]
"""Takes a message of mido, on the thread of the port."""

CONNECT, LISTEN = "tcp://", "tcp-listen://"

_POLL_SECONDS = 0.2
_CONNECT_SECONDS = 2.0
_CHUNK = 4096


def is_address(name: str) -> bool:
    """Whether a port's name means a network connection."""
    return name.startswith((CONNECT, LISTEN))


def parse_address(name: str) -> tuple[str, int]:
    """Host and port number of `tcp://HOST:PORT` or `tcp-listen://HOST:PORT`.

    Raises:
        MidiError: it is no such address.
    """
    host, _, number = name.removeprefix(CONNECT).removeprefix(LISTEN).rpartition(":")
    if not host or not number.isascii() or not number.isdigit() or not 0 < int(number) < 1 << 16:
        raise MidiError(f"{name} is no address of a MIDI port: write {CONNECT}HOST:PORT, as {CONNECT}127.0.0.1:9080.")
    return host.removeprefix("[").removesuffix("]"), int(number)


class TcpPort:
    """A connection that brings MIDI: to a server (`tcp://`), or from whoever connects (`tcp-listen://`).

    The sockets of mido itself read byte by byte, wait without a limit for a host that does not answer, and keep a
    system exclusive message that never ends.

    Raises:
        MidiError: the name is no address.
    """

    backend = "TCP"

    def __init__(self, name: str) -> None:
        self.name = name
        self._address = parse_address(name)
        self._listens = name.startswith(LISTEN)
        self._server: socket.socket | None = None
        self._connection: socket.socket | None = None

    def open(self) -> None:
        """Connect, or begin to listen.

        Raises:
            MidiError: nobody answers, or the address cannot be used.
        """
        try:
            if self._listens:
                self._server = socket.create_server(self._address, backlog=1)
            else:
                self._connection = socket.create_connection(self._address, timeout=_CONNECT_SECONDS)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            advice = "choose another address" if self._listens else "start the sender first"
            raise MidiError(f"The MIDI port {self.name} cannot be opened ({why}): {advice}.") from error

    def run(self, on_message: OnMessage, stop: threading.Event) -> None:
        """Pass on messages until the connection ends or `stop` is set."""
        while self._connection is None:
            if stop.is_set():
                return
            self._accept()
        connection = self._connection
        _keep_alive(connection)
        connection.settimeout(_POLL_SECONDS)
        parser = BoundedParser()
        while not stop.is_set():
            try:
                data = connection.recv(_CHUNK)
            except TimeoutError:
                continue
            except OSError:
                return
            if not data:
                return
            for message in parser.feed(data):
                on_message(message)

    def reopen(self) -> bool:
        """Try once, for a short while, to get the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._listens:
            return self._accept()
        try:
            self.open()
        except MidiError:
            return False
        return True

    def close(self) -> None:
        """End the connection."""
        for side in (self._connection, self._server):
            if side is not None:
                side.close()
        self._connection = self._server = None

    def _accept(self) -> bool:
        assert self._server is not None
        if not select.select([self._server], [], [], _POLL_SECONDS)[0]:
            return False
        self._connection = self._server.accept()[0]
        return True


def _keep_alive(connection: socket.socket) -> None:
    """Have the system ask now and then whether the other end is there, so that a pulled cable is noticed."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3)):
        with suppress(AttributeError, OSError):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
