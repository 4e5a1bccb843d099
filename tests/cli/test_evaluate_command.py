"""`svc evaluate`: the evaluation's own command behind a name of `svc`."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile

RATE = 16_000


@pytest.fixture
def pitch_judge():
    if importlib.util.find_spec("parselmouth") is None:
        pytest.skip("needs parselmouth, a package of the eval extra (docs/evaluation.md)")


def tone(hertz, seconds=2.0):
    time = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * hertz * time + 2 * np.sin(2 * np.pi * time)
    return (0.02 * sum(np.cos(k * phase) / k for k in range(1, 20))).astype(np.float32)


@pytest.fixture
def pairs(folder):
    """A folder of two pairs in the layout that has no list."""
    for part, hertz in (("source", 110), ("target", 180)):
        (folder / "pairs" / part).mkdir(parents=True)
        for name in ("one", "two"):
            soundfile.write(folder / "pairs" / part / f"{name}.wav", tone(hertz), RATE)
    return folder / "pairs"


def test_a_folder_is_converted_judged_and_timed(svc, model, pairs, pitch_judge):
    result = svc(
        "evaluate", "--list", pairs, "--weights", model.weights, "--measures", "pitch", "--json", "result.json"
    )  # fmt: skip
    assert result.code == 0, result.err
    assert result.out.startswith("2 pairs")
    assert "real-time factor" in result.out
    data = json.loads((pairs.parent / "result.json").read_text())
    assert data["speed"]["latency"]["ms"] == 60.0
    assert data["speed"]["latency"]["samples"] == 960
    assert data["speed"]["backend"] == "onnx"
    assert 0 < data["speed"]["p50_ms"] <= data["speed"]["p99_ms"]
    assert data["speed"]["real_time_factor"] > 0
    assert data["about"]["fingerprint"] == model.fingerprint
    assert data["about"]["conversion"] == "engine"


def test_help_has_the_name_of_the_command_and_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from streamvc.cli.main import main\n"
        "try:\n"
        "    main(['evaluate', '--help'])\n"
        "finally:\n"
        "    heavy = {'torch', 'onnxruntime', 'pedalboard', 'mido', 'soundfile', 'matplotlib'} & set(sys.modules)\n"
        "    assert not heavy, heavy\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("Usage: svc evaluate")
    assert "--robustness" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--corpus"),
        (["--corpus", "a", "--list", "b"], "--list"),
        (["--libritts", "a"], "both"),
        (["--list", "a", "--presets"], "--presets needs --corpus"),
        (["--corpus", "a", "--robustness", "--report", "r.html"], "--robustness"),
        (["--corpus", "a", "--pairs", "many"], "invalid int"),
    ],
)
def test_a_misused_command_line_exits_with_2_and_says_how_to_use_it(svc, arguments, said):
    result = svc("evaluate", *arguments)
    assert result.code == 2
    assert "Usage: svc evaluate" in result.err
    assert "Error: " in result.err
    assert said in result.err


def test_an_error_is_one_sentence_and_its_exit_code(svc, folder):
    result = svc("evaluate", "--list", folder / "none.csv", "--identity", "--measures", "pitch")
    assert result.code == 12
    assert result.err.startswith("Error: There is no list")
