"""The README is run as it is written: every `svc` line, in order, and every Python block."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from pedalboard.io import AudioFile

from streamvc.config import FRAME, LOOK_AHEAD_FRAMES
from streamvc.latency import LatencyReport
from streamvc.plugin.adapter import latency_at

REPOSITORY = Path(__file__).resolve().parent.parent.parent
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
FIRST = "pip install -e . && svc render examples/speech.wav --preset alice -o alice.wav"
SECOND = "pip install -e '.[test]' && pytest"


def blocks(language: str) -> list[str]:
    """The fenced blocks of the README in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def shell_commands() -> list[str]:
    """Every command in the README's shell blocks, in order; comments left out, `a && b` taken apart."""
    lines = [line for block in blocks("bash") for line in block.splitlines() if line and not line.startswith("#")]
    return [command.strip() for line in lines for command in line.split("&&")]


SVC_COMMANDS = [command for command in shell_commands() if command.startswith("svc ")]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the examples and nothing else of the checkout; the commands build on one another in it."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(REPOSITORY / "examples", folder / "examples")
    return folder


def run(command: list[str], folder: Path) -> str:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, f"{shlex.join(command)}\n{result.stdout}{result.stderr}"
    return result.stdout


def test_the_two_commands_stand_alone() -> None:
    lines = [block.strip() for block in blocks("bash")]
    assert FIRST in lines
    assert SECOND in lines


def test_only_known_programs_are_called() -> None:
    """A line that nothing here runs must not slip into the README."""
    assert {command.split()[0] for command in shell_commands()} == {"pip", "pytest", "svc"}
    assert len(SVC_COMMANDS) > 5


def test_extras_that_the_texts_name_exist() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    script = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    named = re.findall(r"pip install (?:--quiet )?-e '\.\[([a-z,]+)\]'", README + script)
    assert len(named) >= 3
    for extras in named:
        assert set(extras.split(",")) <= set(project["optional-dependencies"])


def test_svc_commands(workplace: Path) -> None:
    """One test for all of them: a later command may use what an earlier one made."""
    for command in SVC_COMMANDS:
        program, arguments = command.split(maxsplit=1)
        executable = Path(sys.executable).parent / program
        launcher = [str(executable)] if executable.exists() else [sys.executable, "-m", "streamvc.cli.main"]
        # Some lines send files into pipes and out of them.
        run(["sh", "-c", f"{shlex.join(launcher)} {arguments}"], workplace)
    with AudioFile(str(workplace / "examples" / "speech.wav")) as source:
        original = source.read(source.frames)
    for name in ("alice.wav", "mine.wav", "same.wav", os.path.join("converted", "speech.wav")):
        with AudioFile(str(workplace / name)) as rendered:
            audio = rendered.read(rendered.frames)
        assert audio.shape == original.shape, name
        assert 0.01 < float((audio**2).mean() ** 0.5) < 0.5, name


@pytest.mark.parametrize("code", blocks("python"))
def test_python_blocks(code: str, workplace: Path) -> None:
    """A comment behind a `print` is what it prints."""
    promised = re.findall(r"^print\(.*\)  # (.+)$", code, flags=re.MULTILINE)
    assert run([sys.executable, "-c", code], workplace).splitlines() == promised


def test_latency_table_is_what_the_code_says() -> None:
    model = LatencyReport(framing=FRAME, look_ahead=LOOK_AHEAD_FRAMES * FRAME)
    rows = re.findall(r"^\| (\d+) \| (\d+) \| ([\d.]+) \|$", README, flags=re.MULTILINE)
    assert len(rows) >= 5
    for rate, samples, milliseconds in rows:
        report = latency_at(model, int(rate))
        assert (str(report.samples), f"{report.ms:.1f}") == (samples, milliseconds), rate


def test_commands_of_the_training_section_answer() -> None:
    """One interpreter for all of them: loading torch takes seconds."""
    modules = sorted(set(re.findall(r"python -m (streamvc[\w.]+)", README)))
    commands = sorted(set(re.findall(r"svc train (\w+)", README)))
    assert modules
    assert {"run", "export", "corpus", "units"} <= set(commands)
    calls = [(module, ["--help"]) for module in modules]
    calls += [("streamvc.cli.main", ["train", command, "--help"]) for command in commands]
    code = (
        "import runpy, sys\n"
        f"for module, arguments in {calls!r}:\n"
        "    sys.argv = [module, *arguments]\n"
        "    sys.modules.pop(module, None)\n"
        "    try:\n"
        "        runpy.run_module(module, run_name='__main__', alter_sys=True)\n"
        "    except SystemExit as stop:\n"
        "        assert not stop.code, (module, arguments)\n"
        "    else:\n"
        "        raise AssertionError(f'{module} is no command')\n"
    )
    run([sys.executable, "-c", code], REPOSITORY)


def test_links_lead_somewhere() -> None:
    """Links to files of the repository, in the README."""
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in target]
    assert targets
    for target in targets:
        assert (REPOSITORY / target).exists(), target
