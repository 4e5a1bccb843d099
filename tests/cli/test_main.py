from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest

from streamvc.cli import main as module
from streamvc.errors import OutputError


def test_help_lists_the_commands_with_a_line_each(svc):
    result = svc("--help")
    assert result.code == 0
    lines = {line.split()[0]: line.split()[1:] for line in result.out.splitlines() if line.startswith("  ")}
    for name in ("bench", "convert", "preset", "render"):
        assert lines[name], f"{name} has no description"


@pytest.mark.parametrize("command", ["bench", "convert", "preset", "render"])
def test_help_of_a_command_loads_nothing_heavy(command):
    code = (
        "import sys\n"
        "from streamvc.cli.main import main\n"
        "try:\n"
        f"    main([{command!r}, '--help'])\n"
        "finally:\n"
        "    heavy = {'torch', 'onnxruntime', 'pedalboard', 'mido', 'soundfile'} & set(sys.modules)\n"
        "    assert not heavy, heavy\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "Usage:" in result.stdout


def test_a_reader_that_goes_away_is_no_error_message():
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "streamvc.cli.main", "render", "--help"]
    result = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (result.returncode, result.stderr) == (1, "")


def test_version(svc):
    from streamvc import __version__

    assert __version__ in svc("--version").out


@pytest.mark.parametrize("arguments", [["nonsense"], ["render"], ["render", "a.wav"], ["bench", "--seconds", "x"]])
def test_a_misused_command_line_exits_with_2_and_says_how_to_use_it(svc, arguments):
    result = svc(*arguments)
    assert result.code == 2
    assert "Usage:" in result.err
    assert "Error:" in result.err


class TestErrors:
    """A command that fails in a given way."""

    @pytest.fixture
    def failing(self, monkeypatch):
        def install(error):
            @click.command()
            def fail():
                """Fail."""
                raise error

            monkeypatch.setattr(module, "fail", fail, raising=False)
            monkeypatch.setitem(module.COMMANDS, "fail", f"{module.__name__}:fail")

        return install

    def test_an_expected_error_is_its_sentence_and_its_code(self, svc, failing):
        failing(OutputError("The disk is full: make room."))
        result = svc("fail")
        assert (result.code, result.out, result.err) == (11, "", "Error: The disk is full: make room.\n")

    def test_an_unexpected_error_is_named_without_a_traceback(self, svc, failing):
        failing(ZeroDivisionError("division by zero"))
        result = svc("fail")
        assert result.code == 1
        assert "unexpected ZeroDivisionError (division by zero)" in result.err
        assert "SVC_DEBUG=1" in result.err
        assert "Traceback" not in result.err

    @pytest.mark.parametrize("error", [OutputError("Full."), ZeroDivisionError("division by zero")])
    def test_debugging_shows_the_traceback(self, failing, monkeypatch, error):
        failing(error)
        monkeypatch.setenv("SVC_DEBUG", "1")
        with pytest.raises(type(error)):
            module.main(["fail"])

    def test_an_interrupt(self, svc, failing):
        failing(KeyboardInterrupt())
        result = svc("fail")
        assert result.code == 130
        assert "Interrupted" in result.err
