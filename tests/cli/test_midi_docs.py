"""docs/midi.md is run as it is written: every `svc` line, every Python block, every map, in order."""

from __future__ import annotations

import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time

import pytest
from mido import Message
from mido.sockets import connect

from streamvc.plugin.midi import MidiMap
from streamvc.plugin.midi.events import KINDS
from streamvc.plugin.midi.mapping import default_table
from streamvc.plugin.midi.parameters import PARAMETERS

ADDRESS = "127.0.0.1:9080"


@pytest.fixture(scope="module")
def text(repository):
    return (repository / "docs" / "midi.md").read_text(encoding="utf-8")


def send_when_it_listens(number):
    """What `mido-connect` does on the machine with the pad."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            port = connect("127.0.0.1", number)
        except OSError:
            time.sleep(0.1)
            continue
        port.send(Message("program_change", program=0))
        return


def test_all_blocks_in_order(text, repository, tmp_path):
    shutil.copytree(repository / "examples", tmp_path / "examples")
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert [language for language, _ in blocks] == ["python", "bash", "toml", "bash", "bash", "python"]
    for language, block in blocks:
        if language == "toml":
            (tmp_path / "pads.toml").write_text(block, encoding="utf-8")
            assert len(MidiMap.load(tmp_path / "pads.toml").bindings) == block.count("[[bind]]")
            continue
        if language == "python":
            commands = [[sys.executable, "-c", block]]
        else:
            lines = block.replace(ADDRESS, f"127.0.0.1:{number}").splitlines()
            assert all(line.startswith("svc ") for line in lines)
            commands = [[sys.executable, "-m", "streamvc.cli.main", *shlex.split(line)[1:]] for line in lines]
        sender = threading.Thread(target=send_when_it_listens, args=(number,))
        if ADDRESS in block:
            sender.start()
        for command in commands:
            result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
            assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
            if language == "python":
                promised = re.findall(r"^print\(.*\)  # (.+)$", block, flags=re.MULTILINE)
                assert result.stdout.splitlines() == promised
        if ADDRESS in block:
            sender.join()
            assert "program 0 on channel 1 -> preset" in result.stdout
    assert {"switches.mid", "switched.wav", "pads.toml"} <= {path.name for path in tmp_path.iterdir()}


def test_the_tables_are_complete(text):
    for word in (*KINDS, *PARAMETERS, "preset", "morph", "bend", "parameter"):
        assert f"`{word}`" in text, word
    programs = [entry["preset"] for entry in default_table()["bind"] if "program" in entry]
    assert programs == sorted(programs)


def test_questions_are_those_of_learn(text):
    """The dialogue in the text is the command's own."""
    from streamvc.cli import midi

    source = midi.__file__
    with open(source, encoding="utf-8") as file:
        code = file.read()
    questions = re.findall(r"^    (Voice [^:\n]+):", text, flags=re.MULTILINE)
    assert len(questions) == 3
    assert all(f'"{question}"' in code for question in questions)
