"""`python -m streamvc.training.evaluation`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamvc.checkpoint import save_model
from streamvc.config import get_config
from streamvc.errors import CorpusError, EvaluationError, RuntimeUnavailableError
from streamvc.model import build_model
from streamvc.training.evaluation.__main__ import main


def test_the_floor_of_a_small_corpus(
    corpus_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], needs: Callable[..., None]
) -> None:
    needs("parselmouth")
    out = tmp_path / "floor.json"
    arguments = ["--corpus", str(corpus_folder), "--pairs", "6", "--measures", "pitch", "--identity", "--out", str(out)]
    assert main(arguments) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("6 pairs")
    assert "judge 6/6" in shown.err
    data = json.loads(out.read_text())
    assert data["summary"]["converted"] == data["summary"]["floor"]
    assert data["summary"]["converted"]["f0_pcc"]["value"] == pytest.approx(1.0)
    assert data["about"]["conversion"] == "identity"
    assert data["about"]["judges"]["praat-parselmouth"]


def test_a_checkpoint_is_converted_with_and_its_waves_are_kept(
    corpus_folder: Path, tmp_path: Path, needs: Callable[..., None]
) -> None:
    needs("parselmouth")
    save_model(build_model(get_config("live")), tmp_path / "w.safetensors")
    arguments = ["--corpus", str(corpus_folder), "--pairs", "2", "--measures", "pitch", "--backend", "model"]
    arguments += ["--weights", str(tmp_path / "w.safetensors"), "--save-waves", str(tmp_path / "waves")]
    assert main([*arguments, "--memory", str(tmp_path / "memory")]) == 0
    for number in (0, 1):
        source, _ = soundfile.read(tmp_path / "waves" / f"{number:02d}-source.wav")
        converted, rate = soundfile.read(tmp_path / "waves" / f"{number:02d}-converted.wav")
        assert rate == 16_000
        assert converted.size == source.size
        assert np.abs(converted).max() > 0.001
    assert any((tmp_path / "memory").iterdir())


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--corpus", "no/such/folder", "--identity"], CorpusError),
        (["--corpus", "CORPUS", "--identity", "--measures", "taste"], EvaluationError),
        (["--corpus", "CORPUS", "--identity", "--pairs", "0"], EvaluationError),
        (["--corpus", "CORPUS", "--backend", "model"], EvaluationError),
    ],
)
def test_a_mistake_is_one_sentence_and_an_exit_code(
    corpus_folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], error: type
) -> None:
    given = [str(corpus_folder) if one == "CORPUS" else one for one in arguments]
    assert main(given) == error.exit_code
    message = capsys.readouterr().err
    assert message.startswith("Error: ")
    assert "Traceback" not in message


@pytest.mark.parametrize("package", ["parselmouth", "torch"])
def test_a_missing_package_is_one_sentence(
    corpus_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    code = main(["--corpus", str(corpus_folder), "--pairs", "1", "--measures", "pitch", "--identity"])
    assert code == RuntimeUnavailableError.exit_code
    assert "pip install 'streamvc[eval]'" in capsys.readouterr().err


def test_help_answers_without_a_judge_or_torch() -> None:
    program = (
        "import sys, runpy; sys.argv = ['evaluation', '--help']\n"
        "try: runpy.run_module('streamvc.training.evaluation', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'faster_whisper', 'resemblyzer', 'librosa'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--corpus" in done.stdout
