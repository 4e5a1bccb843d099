"""Light parts stay light: what an import loads, seen in a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

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


def loaded_after(code: str) -> set[str]:
    """Names of the top-level modules that a fresh interpreter holds after `code`."""
    report = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    result = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return set(json.loads(result.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", TORCH_FREE)
def test_import_does_not_load_torch(module: str) -> None:
    assert "torch" not in loaded_after(f"import {module}")


def test_help_does_not_load_torch_or_the_audio_libraries() -> None:
    code = (
        "import sys\n"
        "sys.argv = ['svc', '--help']\n"
        "from streamvc.cli.main import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as stop:\n"
        "    assert not stop.code, stop.code\n"
    )
    loaded = loaded_after(code)
    assert "click" in loaded
    assert not {"torch", "onnxruntime", "pedalboard"} & loaded


@pytest.mark.parametrize("module", CORE)
def test_core_does_not_load_graph_midi_or_command_line_libraries(module: str) -> None:
    assert not {"pedalboard", "mido", "click", "sounddevice"} & loaded_after(f"import {module}")
