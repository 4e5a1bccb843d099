"""Light parts stay light: what an import loads, seen in a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys

TORCH_FREE = [
    "streamvc",
    "streamvc.cli",
    "streamvc.cli.main",
    "streamvc.config",
    "streamvc.controls",
    "streamvc.engine",
    "streamvc.errors",
    "streamvc.latency",
    "streamvc.presets",
    "streamvc.runtimes",
    "streamvc.runtimes.onnx",
]
CORE = [
    "streamvc.checkpoint",
    "streamvc.dsp",
    "streamvc.engine",
    "streamvc.layers",
    "streamvc.model",
    "streamvc.presets",
    "streamvc.runtimes",
]


REPORT = "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"


def loaded_after(code: str) -> list[set[str]]:
    """Names of the top-level modules that a fresh interpreter holds at every `REPORT` in the code."""
    result = subprocess.run([sys.executable, "-c", f"import json, sys\n{code}"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return [set(json.loads(line)) for line in result.stdout.splitlines() if line.startswith("[")]


def loaded_by(modules: list[str]) -> dict[str, set[str]]:
    """What is loaded after each of the imports, one after the other in one interpreter: starting costs seconds."""
    reports = loaded_after("\n".join(f"import {module}\n{REPORT}" for module in modules))
    return dict(zip(modules, reports, strict=True))


def test_light_modules_do_not_load_torch() -> None:
    assert not [module for module, loaded in loaded_by(TORCH_FREE).items() if "torch" in loaded]


def test_help_does_not_load_torch_or_the_audio_libraries() -> None:
    code = (
        "sys.argv = ['svc', '--help']\n"
        "from streamvc.cli.main import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as stop:\n"
        "    assert not stop.code, stop.code\n"
        f"{REPORT}\n"
    )
    (loaded,) = loaded_after(code)
    assert "click" in loaded
    assert not {"torch", "onnxruntime", "pedalboard"} & loaded


def test_core_does_not_load_graph_midi_or_command_line_libraries() -> None:
    unwanted = {"pedalboard", "mido", "click", "sounddevice"}
    assert not {module: unwanted & loaded for module, loaded in loaded_by(CORE).items() if unwanted & loaded}
