"""An evaluation by others says what this process says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile

from streamvc.checkpoint import save_model
from streamvc.config import LiveConfig
from streamvc.model import build_model
from streamvc.training.evaluation.__main__ import main
from tests.dask_cluster import DaskCluster

NARROW = LiveConfig(
    encoder_width=16, encoder_blocks=1, speech_width=16, speech_blocks=1, decoder_width=16, decoder_blocks=1,
    fine_width=16, fine_blocks=1,
)  # fmt: skip


def test_pairs_by_processes_and_on_a_cluster(
    corpus_folder: Path,
    tmp_path: Path,
    needs: Callable[..., None],
    dask_cluster: DaskCluster,
    capsys: pytest.CaptureFixture[str],
) -> None:
    needs("parselmouth")
    save_model(build_model(NARROW), tmp_path / "w.safetensors")
    dask_cluster.have(2)

    def judge(name: str, *options: str) -> tuple[Any, str, list[bytes]]:
        arguments = ["--corpus", str(corpus_folder), "--pairs", "4", "--measures", "pitch", "--backend", "torch"]
        arguments += ["--weights", str(tmp_path / "w.safetensors"), "--out", str(tmp_path / f"{name}.json")]
        assert main([*arguments, "--save-waves", str(tmp_path / name), *options]) == 0
        shown = capsys.readouterr()
        assert "judge 4/4" in shown.err
        result = json.loads((tmp_path / f"{name}.json").read_text())
        # How fast this process is: measured anew each time.
        assert result.pop("speed")
        waves = [soundfile.read(path)[0].tobytes() for path in sorted((tmp_path / name).glob("*.wav"))]
        return result, shown.out.rpartition("\n\n")[0], waves

    here = judge("here")
    assert len(here[2]) >= 8
    assert judge("there", "--cluster", str(dask_cluster.file)) == here
    assert judge("processes", "--jobs", "2") == here


def test_robustness_is_judged_by_one_process(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--corpus", "x", "--robustness", "--jobs", "2"])
    assert "leave out --jobs and --cluster" in capsys.readouterr().err
