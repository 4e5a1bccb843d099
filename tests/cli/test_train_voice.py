"""`svc train voice` as it is typed, and what plays the result."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamvc.errors import AudioError, CheckpointError, ConfigError, OutputError, PresetError
from streamvc.presets.fitted import Fitted
from streamvc.presets.format import Preset


@pytest.fixture
def recordings(folder: Path, example_speech: Path) -> Path:
    """Half a minute of a person in four files, and one that is of no use."""
    place = folder / "recordings"
    place.mkdir()
    for number in range(4):
        shutil.copy(example_speech, place / f"{number}.wav")
    samples, rate = soundfile.read(example_speech, dtype="float32")
    soundfile.write(place / "loud.wav", np.clip(samples * 20, -1, 1), rate)
    return place


def options(model) -> list[str]:
    return ["--weights", str(model.weights), "--steps", "2", "--batch", "2", "--threads", "1", "--no-verifier"]


def test_from_recordings_to_a_voice_that_plays(svc, folder, recordings, model, write_speech):
    made = svc(
        "train", "voice", "recordings", "-o", "alice.npz", *options(model), "--licence", "CC0-1.0",
        "--consent", "Alice agreed", "--json",
    )
    assert made.code == 0, made.err
    report = json.loads(made.out)
    assert report["name"] == "alice"
    assert report["path"] == "alice.npz"
    assert (report["steps"], report["seed"]) == (2, 0)
    assert (report["steps_wanted"], report["limited"]) == (2, False)
    assert report["fit_seconds"] >= report["step_seconds"] > 0
    assert made.err.startswith("fit: measuring the speed of this machine on the first 2 of 2 steps")
    assert report["kept"] == (report["share"] > 0)
    assert (report["why"] is None) == report["kept"]
    assert {Path(one["file"]).name: one["used"] > 0 for one in report["files"]} == {
        "0.wav": True, "1.wav": True, "2.wav": True, "3.wav": True, "loud.wav": False
    }
    assert {d["reason"] for one in report["files"] for d in one["dropped"]} <= {"clipped", "silence", "too short"}
    assert report["learnt_from"] + report["held_out"] == pytest.approx(report["seconds"], abs=3)
    assert all(set(pair) == {"zero_shot", "fitted"} for pair in report["measures"].values())
    voice = Preset.load("alice.npz")
    assert voice.model == model.fingerprint
    assert (voice.licence, voice.consent) == ("CC0-1.0", "Alice agreed")
    assert voice.source == "0.wav, 1.wav, 2.wav, 3.wav"
    assert (voice.fitted is not None) == report["kept"]
    write_speech(folder / "hello.wav", 1.0)
    played = svc("render", "hello.wav", "-p", "alice.npz", "--weights", model.weights, "-o", "out.wav")
    assert played.code == 0, played.err


def test_it_says_what_it_used_and_what_it_decided(svc, recordings, model):
    made = svc("train", "voice", "recordings", "-o", "bob.npz", *options(model))
    assert made.code == 0, made.err
    lines = made.out.splitlines()
    assert "recordings/0.wav: 8.0 s used" in lines
    assert any(line.startswith("    dropped") and "clipped (record at a lower gain)" in line for line in lines)
    assert any(line.startswith(("kept", "the fit is not kept, the voice is the zero-shot one:")) for line in lines)
    assert any(line.lstrip().startswith("spectral distance") for line in lines)
    assert lines[-1] == "bob: bob.npz"
    assert any(line.startswith("fit: all 2 steps in ") for line in lines)
    again = svc("train", "voice", "recordings", "-o", "again.npz", "--name", "bob", *options(model))
    assert again.code == 0
    assert Path("again.npz").read_bytes() == Path("bob.npz").read_bytes()


def test_the_time_limit_says_what_it_did(svc, recordings, model):
    """No machine has time for a step here; plans that rest on a measured speed are tested with a clock of their own."""
    given = [*options(model), "--steps", "100000", "--minutes", "0.001"]
    made = svc("train", "voice", "recordings", "-o", "bob.npz", *given)
    assert made.code == 0, made.err
    line = next(line for line in made.out.splitlines() if line.startswith("fit: "))
    assert line.startswith("fit: 1 of 100000 steps in ")
    assert "too few to expect much: the time limit left out the others (--minutes " in line
    told = svc("train", "voice", "recordings", "-o", "again.npz", *given, "--json")
    report = json.loads(told.out)
    assert (report["steps"], report["steps_wanted"], report["limited"]) == (1, 100_000, True)


def test_a_look_at_the_recordings_makes_no_voice(svc, folder, recordings, model):
    before = sorted(folder.iterdir())
    looked = svc("train", "voice", "recordings", "--check", "--no-verifier", "--weights", model.weights)
    assert looked.code == 0
    assert looked.out.splitlines()[-1].endswith("s of clean speech in 4 segments")
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_a_fitted_voice_plays_on_both_backends(svc, folder, model, write_speech, backend):
    """As a voice whose fit was kept: its adaptation is heard, and blends."""
    from streamvc.runtimes.onnx import OnnxRuntime

    size = OnnxRuntime(model.weights.with_suffix(".onnx")).adaptation_dim
    # Large, because this model hardly listens to its modulation.
    change = np.random.default_rng(1).standard_normal(size).astype(np.float32) * np.float32(15)
    plain = Preset.load(model.preset)
    fitted = replace(plain, name="fitted", adaptation=change, fitted=Fitted(30, 8, 10, 0, 1.0, (("one", 0.1, 0.2),)))
    fitted.save(folder / "fitted.npz")
    write_speech(folder / "hello.wav", 1.0)
    heard = {}
    blended = svc("preset", "blend", model.preset, "fitted.npz", "--weight", "0.5", "-o", "half.npz")
    assert blended.code == 0, blended.err
    assert Preset.load("half.npz").adaptation == pytest.approx(0.5 * change)
    for name in (model.preset, "fitted.npz", "half.npz"):
        out = f"{Path(name).stem}-out.wav"
        result = svc("render", "hello.wav", "-p", name, "--weights", model.weights, "--backend", backend, "-o", out)
        assert result.code == 0, result.err
        heard[Path(name).stem] = soundfile.read(out)[0]
    loudest = np.abs(heard["someone"]).max()
    for one, other in (("someone", "fitted"), ("someone", "half"), ("half", "fitted")):
        assert np.abs(heard[one] - heard[other]).max() > 0.003 * loudest


def test_an_adaptation_of_another_size_is_refused_with_a_sentence(svc, folder, model, write_speech):
    plain = Preset.load(model.preset)
    replace(plain, adaptation=np.zeros(10, np.float32)).save(folder / "odd.npz")
    write_speech(folder / "hello.wav")
    result = svc("render", "hello.wav", "-p", "odd.npz", "--weights", model.weights, "-o", "out.wav")
    assert result.code != 0
    assert "fitted with 10 values" in result.out + result.err
    assert not (folder / "out.wav").exists()


# What goes wrong


def test_too_little_speech_is_refused(svc, folder, recordings, model):
    result = svc("train", "voice", "recordings/0.wav", "recordings/loud.wav", "-o", "a.npz", *options(model))
    assert result.code == AudioError.exit_code
    assert "hold 8 s of clean speech, and a fitted voice needs 30 s; " in result.err
    assert "clipped (record at a lower gain)" in result.err
    assert not Path("a.npz").exists()


def test_what_can_be_refused_at_once_is(svc, folder, recordings, model):
    Path("there.npz").write_bytes(b"")
    refusals = [
        (["recordings", "-o", "there.npz"], OutputError, "exists already"),
        (["recordings", "-o", "no/a.npz"], OutputError, "The folder no does not exist"),
        (["recordings", "-o", "a.npz", "--name", "a/b"], PresetError, "cannot be a preset's"),
        (["recordings", "--name", "alice"], PresetError, "built-in voice"),
        (["nowhere", "-o", "a.npz"], AudioError, "nowhere does not exist"),
        (["recordings", "-o", "a.npz", "--weights", "none.safetensors"], CheckpointError, "no weights file"),
    ]
    for arguments, kind, words in refusals:
        result = svc("train", "voice", *arguments)
        assert result.code == kind.exit_code, (arguments, result.err)
        assert words in result.err
        assert result.err.count("\n") == 1
    assert not Path("a.npz").exists()


def test_the_paper_s_model_is_refused(svc, recordings, tmp_path):
    from streamvc.checkpoint import save_model
    from streamvc.config import PaperConfig
    from streamvc.model import build_model

    small = PaperConfig(content_channels=4, speech_channels=4, decoder_channels=4)
    save_model(build_model(small), tmp_path / "p.safetensors")
    result = svc("train", "voice", "recordings", "-o", "a.npz", "--weights", tmp_path / "p.safetensors")
    assert result.code == ConfigError.exit_code
    assert "holds the paper's model" in result.err


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["x"], ["x", "-o", "a.wav"], ["x", "-o", "a.npz", "--steps", "0"], ["x", "-o", "a.npz", "--batch", "1"],
        ["x", "-o", "a.npz", "--minutes", "0"], ["x", "-o", "a.npz", "--seed", "-1"],
        ["x", "-o", "a.npz", "--sex", "x"], ["x", "-o", "a.npz", "--words", "nan"],
    ],
)  # fmt: skip
def test_a_misused_command_line_exits_with_2(svc, arguments):
    result = svc("train", "voice", *arguments)
    assert result.code == 2
    assert "Usage: svc train voice" in result.err
    assert "Error: " in result.err


def test_help_explains_every_option_and_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from streamvc.cli.main import main\n"
        "try:\n"
        "    main(['train', 'voice', '--help'])\n"
        "finally:\n"
        "    heavy = {'torch', 'onnxruntime', 'soundfile', 'scipy', 'numpy'}\n"
        "    assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "Usage: svc train voice" in result.stdout
    for option in ("--output", "--check", "--consent", "--steps", "--minutes", "--corpus", "--keep-zero-shot"):
        assert option in result.stdout


@pytest.mark.parametrize("keep", [False, True], ids=["nothing", "zero-shot"])
def test_an_interrupt_leaves_nothing_or_the_zero_shot_voice(
    start: Callable[..., subprocess.Popen[str]], folder: Path, recordings: Path, model, keep: bool
) -> None:
    arguments = [*options(model), "--steps", "100000", "--minutes", "600"]
    if keep:
        arguments.append("--keep-zero-shot")
    process = start("train", "voice", "recordings", "-o", "alice.npz", *arguments)
    assert process.stdout is not None
    # It prints this just before the fit.
    for line in process.stdout:
        if "of clean speech" in line:
            break
    if keep:
        while not Path("alice.npz").exists() and process.poll() is None:
            time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Interrupted: nothing unfinished was left behind." in errors
    assert sorted(p.name for p in folder.iterdir()) == ["alice.npz", "recordings"][0 if keep else 1 :]
    if keep:
        voice = Preset.load("alice.npz")
        assert (voice.name, voice.fitted, voice.adaptation) == ("alice", None, None)
