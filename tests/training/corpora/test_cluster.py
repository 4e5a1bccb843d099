"""A corpus that a cluster builds is the one that this process builds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import soundfile

from streamvc.training.corpora.__main__ import main
from tests.dask_cluster import DaskCluster

RATE = 16_000


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_build_with_a_damaged_recording(
    tmp_path: Path, make_speech: Any, dask_cluster: DaskCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(12):
        path = tmp_path / "voices" / f"speaker{number % 3}" / f"{number}.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, make_speech(1.0 + 0.1 * number, number), RATE)
    damaged = tmp_path / "voices" / "speaker1" / "4.flac"
    damaged.write_bytes(damaged.read_bytes()[:9000])
    dask_cluster.have(2)
    build = ["build", f"folder={tmp_path / 'voices'}", "--out"]
    cluster = ["--cluster", str(dask_cluster.file)]
    assert main([*build, str(tmp_path / "stopped"), *cluster]) == 8
    (sentence,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error")]
    assert "4.flac" in sentence
    assert "--skip-unreadable, which goes on" in sentence
    assert main([*build, str(tmp_path / "here"), "--skip-unreadable"]) == 0
    assert main([*build, str(tmp_path / "there"), "--skip-unreadable", *cluster]) == 0
    # What was stopped goes on with what it has.
    assert main([*build, str(tmp_path / "stopped"), "--skip-unreadable", *cluster]) == 0
    here = contents(tmp_path / "here")
    assert here["audio.i16"]
    assert contents(tmp_path / "there") == here
    assert contents(tmp_path / "stopped") == here
    with pytest.raises(SystemExit):
        main([*build, str(tmp_path / "x"), "--jobs", "2", *cluster])
    assert "not allowed with" in capsys.readouterr().err
