"""Progress on a real terminal, and without one."""

import os
import struct
import subprocess
import sys

import pytest

CODE = """
from streamvc.training.corpora import progress
progress.EVERY = 0.0
with progress.progress('mine', ' recordings', 3, 1, progress.tell) as step:
    step()
    step()
"""


def test_a_bar_on_a_terminal() -> None:
    pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    subprocess.run([sys.executable, "-c", CODE], stderr=slave, check=True)
    os.close(slave)
    shown = os.read(master, 65_536).decode()
    os.close(master)
    assert "mine:" in shown
    assert "3/3" in shown
    assert "recordings/s" in shown


@pytest.mark.parametrize(
    ("last", "lines"),
    [
        ("step()", ["mine: 2 of 3 recordings", "mine: 3 of 3 recordings"]),
        ("step(4, '20 s')", ["mine: 2 of 3 recordings", "mine: 3 of 4 recordings, about 20 s left"]),
    ],
)
def test_lines_elsewhere(last: str, lines: list[str]) -> None:
    code = CODE.removesuffix("step()\n") + last
    result = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, check=True)
    assert result.stderr.splitlines() == lines
