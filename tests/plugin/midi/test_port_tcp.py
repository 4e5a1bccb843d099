"""Ports of the network, against mido's own sockets: real bytes over localhost."""

from __future__ import annotations

import socket
import threading
import tracemalloc

import pytest
from mido import Message
from mido.sockets import PortServer, connect

from streamvc.errors import MidiError
from streamvc.plugin.midi import MidiInput
from streamvc.plugin.midi.stream import BoundedParser
from streamvc.plugin.midi.wire import parse_address


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Sender:
    """The end that has the pad: a server of mido."""

    def __init__(self, number):
        self.number = number
        self.server = PortServer("127.0.0.1", number)
        self.client = None

    def accept(self):
        self.client = self.server.accept()

    def close(self):
        # First the door: whoever notices that the connection is gone tries it again at once.
        self.server.close()
        if self.client is not None:
            self.client.close()
            # mido keeps files of the socket, which hold the connection open.
            self.client._rfile.close()
            self.client._wfile.close()


@pytest.fixture
def sender():
    end = Sender(free_port())
    yield end
    end.close()


@pytest.fixture
def heard():
    return []


@pytest.fixture
def said():
    return []


MESSAGES = [
    Message("program_change", program=5, channel=3),
    Message("note_on", note=36, velocity=100, channel=9),
    Message("note_off", note=36, channel=9),
    Message("control_change", control=1, value=64),
    Message("pitchwheel", pitch=-8192),
    Message("aftertouch", value=3),
]


def test_what_mido_sends_arrives(sender, heard, until):
    name = f"tcp://127.0.0.1:{sender.number}"
    with MidiInput(name, heard.append) as source:
        sender.accept()
        assert (source.name, source.backend) == (name, "TCP")
        for message in MESSAGES:
            sender.client.send(message)
        until(lambda: len(heard) == len(MESSAGES))
    assert heard == MESSAGES


def test_one_may_be_the_server_for_midos_clients(heard, said, until):
    number = free_port()
    with MidiInput(f"tcp-listen://127.0.0.1:{number}", heard.append, said.append):
        for turn in range(2):
            client = connect("127.0.0.1", number)
            client.send(MESSAGES[turn])
            until(lambda count=turn + 1: len(heard) == count)
            client.close()
            client._rfile.close()
            client._wfile.close()
            until(lambda count=2 * turn + 1: len(said) == count)
    assert heard == MESSAGES[:2]
    assert ["is back" in sentence for sentence in said] == [False, True, False]


def test_a_server_that_goes_and_comes_back(sender, heard, said, until):
    with MidiInput(f"tcp://127.0.0.1:{sender.number}", heard.append, said.append):
        sender.accept()
        sender.client.send(MESSAGES[0])
        until(lambda: len(heard) == 1)
        sender.close()
        until(lambda: len(said) == 1)
        again = Sender(sender.number)
        try:
            until(lambda: len(said) == 2)
            again.accept()
            again.client.send(MESSAGES[1])
            until(lambda: len(heard) == 2)
        finally:
            again.close()
    assert heard == MESSAGES[:2]
    assert "is gone" in said[0]
    assert "is back" in said[1]


def test_closing_while_the_server_is_away_does_not_hang(sender, heard, said, until):
    source = MidiInput(f"tcp://127.0.0.1:{sender.number}", heard.append, said.append)
    sender.accept()
    sender.close()
    until(lambda: said)
    source.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "midi-input"]


def test_closing_while_nobody_sends_does_not_hang(sender, heard):
    for name in (f"tcp://127.0.0.1:{sender.number}", f"tcp-listen://127.0.0.1:{free_port()}"):
        with MidiInput(name, heard.append):
            pass
    assert not [thread for thread in threading.enumerate() if thread.name == "midi-input"]


def test_a_port_where_nobody_answers_is_refused():
    with pytest.raises(MidiError, match=r"cannot be opened \(connection refused\): start the sender first"):
        MidiInput(f"tcp://127.0.0.1:{free_port()}", print)


def test_an_address_in_use_is_refused(sender):
    with pytest.raises(MidiError, match="choose another address"):
        MidiInput(f"tcp-listen://127.0.0.1:{sender.number}", print)


@pytest.mark.parametrize("name", ["tcp://", "tcp://host", "tcp://host:", "tcp://:9080", "tcp://host:0", "tcp://h:70000"])
def test_wrong_addresses_are_refused(name):
    with pytest.raises(MidiError, match="write tcp://HOST:PORT"):
        MidiInput(name, print)


def test_addresses():
    assert parse_address("tcp://127.0.0.1:9080") == ("127.0.0.1", 9080)
    assert parse_address("tcp-listen://[::1]:9080") == ("::1", 9080)


def test_a_flood_of_ten_thousand_messages_arrives_whole(sender, heard, until):
    with MidiInput(f"tcp://127.0.0.1:{sender.number}", heard.append):
        sender.accept()
        data = b"".join(bytes([0xB0, 1, index % 128]) for index in range(10_000))
        sender.client._socket.sendall(data)
        until(lambda: len(heard) == 10_000)
    assert [message.value for message in heard] == [index % 128 for index in range(10_000)]


def test_bytes_that_are_no_midi_do_no_harm(sender, heard, until):
    with MidiInput(f"tcp://127.0.0.1:{sender.number}", heard.append):
        sender.accept()
        sender.client._socket.sendall(bytes(range(128)) + b"\xf4\xf5\xf7\xb0\x01" + b"\xc0\x07")
        until(lambda: heard)
    assert heard == [Message("program_change", program=7)]


def test_a_message_without_an_end_does_not_grow():
    parser = BoundedParser()
    parser.feed(b"\xf0")
    chunk = b"\x01" * 4095 + b"\xf8"  # with a clock message now and then
    for _ in range(20):
        parser.feed(chunk)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(60):
            parser.feed(chunk)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 1_000_000  # 246 kB came, of which at most 64 kB are kept, as a list of numbers of 8 bytes
    assert parser.feed(b"\xf7\xc0\x07")[-1] == Message("program_change", program=7)
