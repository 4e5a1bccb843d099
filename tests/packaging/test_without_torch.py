"""The plain installation, which has no torch, does the main job: render, streams, presets, voices of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import soundfile


def done(environment: Any, *command: str, cwd: Path) -> str:
    result = environment.run(*command, cwd=cwd)
    assert result.returncode == 0, result.stderr
    return str(result.stdout)


def test_there_is_no_torch(plain_environment: Any, tmp_path: Path) -> None:
    code = "import importlib.util as i; print([n for n in ('torch', 'onnx', 'safetensors') if i.find_spec(n)])"
    assert done(plain_environment, "python", "-c", code, cwd=tmp_path).strip() == "[]"


def test_a_recording_is_rendered(plain_environment: Any, example_speech: Path, tmp_path: Path) -> None:
    done(
        plain_environment, "svc", "render", str(example_speech), "--preset", "alice", "-o", "alice.wav", cwd=tmp_path
    )
    source, rate = soundfile.read(example_speech)
    rendered, same = soundfile.read(tmp_path / "alice.wav")
    assert (len(rendered), same) == (len(source), rate)
    assert 0.01 < float((rendered**2).mean() ** 0.5) < 0.5


def test_a_voice_is_made_and_used(plain_environment: Any, example_speech: Path, tmp_path: Path) -> None:
    arguments = ["--from", str(example_speech), "--licence", "CC-BY-SA-3.0", "-o", "mine.npz"]
    done(plain_environment, "svc", "preset", "create", "mine", *arguments, cwd=tmp_path)
    done(
        plain_environment, "svc", "render", str(example_speech), "--preset", "mine.npz", "-o", "mine.wav", cwd=tmp_path
    )
    assert (tmp_path / "mine.wav").stat().st_size > 10_000


def test_one_recording_speaks_with_the_voice_of_another(
    plain_environment: Any, example_speech: Path, tmp_path: Path
) -> None:
    path = str(example_speech)
    done(plain_environment, "svc", "convert", "-s", path, "-t", path, "-o", "same.wav", cwd=tmp_path)
    assert (tmp_path / "same.wav").stat().st_size > 10_000


def test_voices_are_switched_in_a_stream(plain_environment: Any, tmp_path: Path) -> None:
    code = (
        "import numpy as np, sys\n"
        "from streamvc.plugin import VoiceConverter\n"
        "converter = VoiceConverter('alice')\n"
        "noise = np.random.default_rng(0).normal(0, 0.1, (2, 480)).astype('float32')\n"
        "for block in range(60):\n"
        "    if block == 30:\n"
        "        converter.preset = 'hugo'\n"
        "    out = converter.process(noise, 48000, reset=False)\n"
        "assert out.shape == noise.shape and np.isfinite(out).all()\n"
        "assert 'torch' not in sys.modules\n"
    )
    done(plain_environment, "python", "-c", code, cwd=tmp_path)


def test_speed_is_measured(plain_environment: Any, tmp_path: Path) -> None:
    facts = json.loads(done(plain_environment, "svc", "bench", "--seconds", "1", "--json", cwd=tmp_path))
    assert facts["backend"] == "onnx"


def test_what_needs_torch_says_so(plain_environment: Any, example_speech: Path, tmp_path: Path) -> None:
    result = plain_environment.run(
        "svc", "render", str(example_speech), "--preset", "alice", "--backend", "torch", "-o", "x.wav", cwd=tmp_path
    )
    assert result.returncode != 0
    assert "pip install 'streamvc[torch]'" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "x.wav").exists()
