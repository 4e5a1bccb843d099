"""Ports of this computer, through python-rtmidi and a real MIDI system: a JACK server that needs no sound card.

ALSA's sequencer, the usual system on Linux, is a part of the kernel that containers do not have (/dev/snd/seq).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

import pytest
from mido import Message

from streamvc.errors import MidiError, RuntimeUnavailableError
from streamvc.plugin.midi import MidiInput
from streamvc.plugin.midi.devices import DeviceInfo, _choose, list_devices

rtmidi = pytest.importorskip("rtmidi", reason="python-rtmidi is not installed (pip install 'streamvc[midi]')")


class JackServer:
    """A JACK server under a name of its own, in the background."""

    def __init__(self, name):
        self.name = name
        self._process = None

    def start(self):
        command = ["jackd", "--name", self.name, "--no-realtime", "-d", "dummy", "-r", "48000", "-p", "480"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while True:
            try:
                rtmidi.MidiIn(rtmidi.API_UNIX_JACK, name="probe").delete()
                return
            except OSError:
                assert self._process.poll() is None, "jackd has ended"
                assert time.monotonic() < deadline, "jackd does not answer"
                time.sleep(0.1)

    def stop(self):
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None


@pytest.fixture
def jack(monkeypatch):
    """A running JACK server, the default one of this process."""
    if shutil.which("jackd") is None:
        pytest.skip("there is no JACK server: apt-get install jackd2")
    if rtmidi.API_UNIX_JACK not in rtmidi.get_compiled_api():
        pytest.skip("this build of python-rtmidi has no JACK")
    server = JackServer(f"streamvc-midi-{os.getpid()}")
    monkeypatch.setenv("JACK_DEFAULT_SERVER", server.name)
    server.start()
    yield server
    server.stop()


class Pad:
    """An instrument: a client of JACK with one output."""

    def __init__(self, name="pad"):
        self._out = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name=name)
        self._out.open_virtual_port("out")

    def send(self, message):
        self._out.send_message(message.bytes())

    def unplug(self):
        self._out.close_port()
        self._out.delete()


@pytest.fixture
def heard():
    return []


@pytest.fixture
def said():
    return []


def test_ports_are_listed_with_their_system(jack):
    assert list_devices() == []
    pad, keys = Pad("pad"), Pad("keys")
    assert sorted(list_devices(), key=lambda device: device.name) == [
        DeviceInfo("keys:out", "Jack"),
        DeviceInfo("pad:out", "Jack"),
    ]
    pad.unplug()
    keys.unplug()


@pytest.mark.parametrize("name", ["pad:out", "PAD:OUT", "pad", None])
def test_what_an_instrument_sends_arrives(jack, heard, until, name):
    pad = Pad()
    messages = [
        Message("program_change", program=5, channel=3),
        Message("note_on", note=36, velocity=100, channel=9),
        Message("control_change", control=1, value=64),
        Message("pitchwheel", pitch=100),
    ]
    with MidiInput(name, heard.append) as source:
        assert (source.name, source.backend) == ("pad:out", "Jack")
        pad.send(Message("sysex", data=[1, 2, 3]))
        pad.send(Message("clock"))
        for message in messages:
            pad.send(message)
        until(lambda: len(heard) >= len(messages))
    pad.send(messages[0])  # nobody listens any more
    assert heard == messages
    pad.unplug()


def test_an_instrument_that_is_unplugged_and_plugged_in_again(jack, heard, said, until):
    pad, other = Pad(), Pad("other")
    with MidiInput("pad", heard.append, said.append):
        pad.send(Message("program_change", program=1))
        until(lambda: len(heard) == 1)
        pad.unplug()
        until(lambda: len(said) == 1)
        other.send(Message("program_change", program=9))  # another instrument does not take its place
        pad = Pad()
        until(lambda: len(said) == 2)
        pad.send(Message("program_change", program=2))
        until(lambda: len(heard) == 2)
    assert [message.program for message in heard] == [1, 2]
    assert "pad:out is gone" in said[0]
    assert "pad:out is back" in said[1]
    pad.unplug()
    other.unplug()


def test_ports_that_are_not_there_or_not_clear(jack):
    with pytest.raises(MidiError, match=r"no MIDI input 'pad'.*shows none"):
        MidiInput("pad", print)
    with pytest.raises(MidiError, match=r"There is no MIDI input .*tcp://HOST:PORT"):
        MidiInput(None, print)
    one, two = Pad("pad one"), Pad("pad two")
    with pytest.raises(MidiError, match=r"no MIDI input 'keys'.*shows pad one:out, pad two:out"):
        MidiInput("keys", print)
    with pytest.raises(MidiError, match="Several MIDI inputs have 'pad' in their names"):
        MidiInput("pad", print)
    one.unplug()
    two.unplug()


def test_names_as_alsa_gives_them():
    """Client and port numbers change each time a device is plugged in."""
    names = ["Midi Through:Midi Through Port-0 14:0", "Launchpad:Launchpad MIDI 1 24:0"]
    names += ["Launchpad:Launchpad MIDI 2 24:1"]
    assert _choose(names, None) == 1
    assert _choose(names, names[2]) == 2
    assert _choose(names, "Launchpad:Launchpad MIDI 1 28:0") == 1
    assert _choose(names, "launchpad:launchpad midi 2") == 2
    assert _choose(names, "MIDI 2") == 2
    assert _choose(names, "Launchpad") is None
    assert _choose(names, "through") == 0
    assert _choose([], None) is None


def test_without_python_rtmidi_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "rtmidi", None)
    for call in (list_devices, lambda: MidiInput("pad", print)):
        with pytest.raises(RuntimeUnavailableError, match=r"pip install 'streamvc\[midi\]'.*tcp://"):
            call()
