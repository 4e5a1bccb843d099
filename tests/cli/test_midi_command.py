"""`svc midi`, and `svc render --midi`, over real files and real bytes."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import socket
import threading
import time
import tomllib

import numpy as np
import pytest
from mido import Message, MidiFile, MidiTrack
from mido.sockets import PortServer
from pedalboard.io import AudioFile

from streamvc.plugin.midi import MidiMap

SWITCHES = (
    (0.5, Message("program_change", program=3)),
    (1.0, Message("control_change", control=64, value=127)),
    (1.5, Message("control_change", control=64, value=0)),
)


def write_midi(path, events):
    """A file of one track at 120 beats a minute."""
    file, track, before = MidiFile(ticks_per_beat=480), MidiTrack(), 0
    for seconds, message in events:
        ticks = round(seconds * 960)
        track.append(message.copy(time=ticks - before))
        before = ticks
    file.tracks.append(track)
    file.save(path)
    return path


def read(path):
    with AudioFile(str(path)) as file:
        return file.read(file.frames)[0]


@pytest.fixture
def address():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def pad(address):
    """A server of mido with an instrument behind it: `pad.client.send(message)`, once somebody is connected."""

    class Pad:
        def __init__(self):
            self.server = PortServer("127.0.0.1", int(address.rpartition(":")[2]))
            self.port = f"tcp://{address}"
            self.client = None

        def accept(self):
            self.client = self.server.accept()
            return self.client

    instrument = Pad()
    yield instrument
    if instrument.client is not None:
        instrument.client.close()
    instrument.server.close()


# --- svc render --midi


def test_a_midi_file_switches_at_its_times(svc, folder, model, write_speech):
    write_speech(folder / "in.wav", 2.0)
    write_midi(folder / "a.mid", SWITCHES)
    (folder / "map.toml").write_text(
        f'schema = 1\n[[bind]]\nprogram = 3\nparameter = "pitch_semitones"\nvalue = 12\n'
        f'[[bind]]\nprogram = 4\npreset = "{model.preset}"\n'
        '[[bind]]\ncontrol = 64\nparameter = "bypass"\nvalue = "hold"\n'
    )
    common = ["in.wav", *model.options, "--bit-depth", "32f"]
    assert svc("render", *common, "-o", "plain.wav").code == 0
    result = svc("render", *common, "-o", "played.wav", "--midi", "a.mid", "--map", "map.toml")
    assert result.code == 0, result.err
    source, plain, played = read("in.wav"), read("plain.wav"), read("played.wav")
    different = np.flatnonzero(plain != played)
    assert different[0] in range(8000, 8320)
    np.testing.assert_array_equal(plain[:8000], played[:8000])
    # Bypass fades within 40 ms and is then the source itself.
    # But for the scale of integers: pedalboard takes the highest for full scale, the reader the lowest.
    np.testing.assert_allclose(played[16_640:24_000], source[16_640:24_000], rtol=1e-4)
    assert (played[24_000:25_000] != source[24_000:25_000]).any()


@pytest.mark.parametrize("workers", [1, 2])
def test_every_file_begins_anew(svc, folder, model, write_speech, workers):
    for name in ("a", "b", "c"):
        write_speech(folder / "in" / f"{name}.wav", 0.8)
    write_midi(folder / "a.mid", [(0.3, Message("control_change", control=64, value=127))])
    (folder / "map.toml").write_text(
        'schema = 1\n[[bind]]\ncontrol = 64\nparameter = "bypass"\nvalue = "hold"\n'
        f'[[bind]]\nprogram = 4\npreset = "{model.preset}"\n'
    )
    result = svc("render", "in", *model.options, "-o", "out", "--midi", "a.mid", "--map", "map.toml", "-j", workers)
    assert result.code == 0, result.err
    first, *others = [read(folder / "out" / f"{name}.wav") for name in ("a", "b", "c")]
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_the_default_map_plays_shipped_voices(svc, folder, example_speech):
    names = [preset.name for preset in MidiMap.default().presets]
    with AudioFile(str(example_speech)) as file, AudioFile("in.wav", "w", samplerate=16_000, num_channels=1) as target:
        target.write(file.read(32_000))
    write_midi(folder / "a.mid", [(0.0, Message("program_change", program=3))])
    common = ["in.wav", "--bit-depth", "32f"]
    assert svc("render", *common, "--preset", names[3], "-o", "plain.wav").code == 0
    assert svc("render", *common, "--preset", names[0], "-o", "played.wav", "--midi", "a.mid").code == 0
    np.testing.assert_array_equal(read("plain.wav"), read("played.wav"))


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--map", "map.toml"], 2, "give that with --midi"),
        (["--midi", "missing.mid"], 13, "missing.mid cannot be read"),
        (["--midi", "noise.mid"], 13, "noise.mid is no MIDI file"),
        (["--midi", "good.mid", "--map", "missing.toml"], 7, "missing.toml cannot be read"),
        (["--midi", "good.mid", "--map", "bad.toml"], 7, "bad.toml: bind 1: "),
        (["--midi", "good.mid"], 5, "another model"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_rendered(svc, folder, model, write_speech, options, code, words):
    write_speech(folder / "in.wav")
    write_midi(folder / "good.mid", SWITCHES)
    (folder / "noise.mid").write_bytes(b"noise")
    (folder / "bad.toml").write_text("schema = 1\n[[bind]]\nnote = 300\n")
    result = svc("render", "in.wav", *model.options, "-o", "out.wav", *options)
    assert (result.code, words in result.err) == (code, True), result.err
    assert not (folder / "out.wav").exists()


# --- svc midi


def test_ports_can_be_read_by_programs(svc):
    pytest.importorskip("rtmidi", reason="python-rtmidi is not installed (pip install 'streamvc[midi]')")
    result = svc("midi", "ports", "--json")
    assert result.code == 0, result.err
    assert all(set(port) == {"name", "backend"} for port in json.loads(result.out))


def test_monitor_prints_what_arrives_and_what_it_means(svc, pad):
    def play():
        client = pad.accept()
        client.send(Message("program_change", program=0, channel=4))
        client.send(Message("note_on", note=36, velocity=100, channel=9))
        client.send(Message("note_on", note=36, velocity=0, channel=9))
        client.send(Message("control_change", control=64, value=127))
        client.send(Message("pitchwheel", pitch=-8192))
        client.send(Message("clock"))

    player = threading.Thread(target=play)
    player.start()
    result = svc("midi", "monitor", "--port", pad.port, "--count", 6)
    player.join()
    assert result.code == 0, result.err
    first = MidiMap.default().presets[0].name
    assert result.out.splitlines() == [
        f"program 0 on channel 5 -> preset {first}",
        "note 36 on channel 10, velocity 100 -> nothing",
        "note 36 on channel 10, released -> nothing",
        "control 64 on channel 1, value 127 -> bypass on",
        "pitch bend on channel 1, -8192 -> bend -2.00 semitones",
        "clock time=0 -> nothing",
    ]
    assert f"Listening to {pad.port} (TCP)" in result.err


def test_monitor_ends_with_an_interrupt(start, pad):
    process = start("midi", "monitor", "--port", pad.port)
    pad.accept()
    pad.client.send(Message("clock"))
    assert "clock" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130


def test_a_port_where_nobody_answers(svc, address):
    for command in (["monitor"], ["learn", "-o", "map.toml"]):
        result = svc("midi", *command, "--port", f"tcp://{address}")
        assert result.code == 13
        assert "start the sender first" in result.err
        assert result.err.count("\n") == 1


def test_learn_asks_waits_and_writes(start, pad, folder):
    """On a terminal, with answers typed after the questions and controls touched when they are asked for."""
    terminal, inner = pty.openpty()
    process = start("midi", "learn", "--port", pad.port, "-o", "pads.toml", stdin=inner, stdout=inner, stderr=inner)
    client = pad.accept()
    shown = ""

    def wait_for(words):
        nonlocal shown
        deadline = time.monotonic() + 60
        while words not in shown:
            assert time.monotonic() < deadline, shown
            if select.select([terminal], [], [], 1.0)[0]:
                shown += os.read(terminal, 4096).decode()
        shown = shown.partition(words)[2]

    def answer(question, text, *messages):
        wait_for(question)
        os.write(terminal, f"{text}\n".encode())
        if messages:
            wait_for("its control.")
            for message in messages:
                client.send(message)

    answer("Voice of the next pad", "alcie")
    wait_for("did you mean alice")
    answer("Voice of the next pad", "alice", Message("note_on", note=36, velocity=9, channel=9))
    wait_for("note 36 on channel 10")
    answer("Voice of the next pad", "hugo", Message("note_on", note=37, velocity=9, channel=9))
    answer("Voice of the next pad", "")
    answer("Voice that a wheel", "emma", Message("control_change", control=1, value=5))
    answer("Voice that a wheel", "")
    answer("Semitones of a pitch bend", "much")
    wait_for("from 0 to 24")
    answer("Semitones of a pitch bend", "3", Message("pitchwheel", pitch=500))
    answer("Semitones of a pitch bend", "")
    answer("Parameter of a wheel", "mix 0 1", Message("control_change", control=7, value=5))
    answer("Parameter of a wheel", "")
    answer("Bypass by a pad", "hold", Message("control_change", control=64, value=127))
    answer("Bypass by a pad", "")
    wait_for("pads.toml written: 6 controls.")
    process.wait(60)
    os.close(terminal)
    os.close(inner)  # kept open until now: what an ended program printed last is lost with its terminal
    assert process.returncode == 0
    bindings = tomllib.loads((folder / "pads.toml").read_text())["bind"]
    assert bindings[0] == {"note": 36, "channel": 10, "preset": "alice"}
    assert [sorted(set(entry) - {"channel"})[0] for entry in bindings] == [
        "note",
        "note",
        "control",
        "bend",
        "control",
        "control",
    ]
    assert len(MidiMap.load(folder / "pads.toml").bindings) == 6


def test_learn_leaves_nothing_when_it_is_broken_off(start, pad, folder):
    process = start("midi", "learn", "--port", pad.port, "-o", "pads.toml", stdin=-1)
    pad.accept()
    process.stdin.write("alice\n")
    process.stdin.flush()
    while "its control" not in process.stdout.readline():
        pass
    pad.client.send(Message("note_on", note=36, velocity=9))
    out, err = process.communicate(timeout=60)  # the end of the input
    assert process.returncode == 130, (out, err)
    assert list(folder.iterdir()) == []


def test_learn_refuses_a_map_that_exists_before_it_asks(svc, folder, pad):
    (folder / "pads.toml").write_text("mine")
    result = svc("midi", "learn", "--port", pad.port, "-o", "pads.toml")
    assert result.code == 11
    assert (folder / "pads.toml").read_text() == "mine"
