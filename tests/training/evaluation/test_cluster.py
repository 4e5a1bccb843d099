"""An evaluation by others says what this process says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamvc.checkpoint import save_model
from streamvc.config import LiveConfig
from streamvc.errors import AudioError
from streamvc.executor import open_executor
from streamvc.model import build_model
from streamvc.training.evaluation.__main__ import main
from streamvc.training.evaluation.conversion import Conversion, fingerprint_of
from streamvc.training.evaluation.judges import Judges
from streamvc.training.evaluation.pairs import Pair
from streamvc.training.evaluation.runner import Judged, convert_all, evaluate_waves
from streamvc.training.evaluation.spread import JudgeWork, evaluate_by
from tests.dask_cluster import DaskCluster

NARROW = LiveConfig(
    encoder_width=16, encoder_blocks=1, speech_width=16, speech_blocks=1, decoder_width=16, decoder_blocks=1,
    fine_width=16, fine_blocks=1,
)  # fmt: skip


def test_pairs_by_processes_and_on_a_cluster(
    pair: Pair, tmp_path: Path, needs: Callable[..., None], dask_cluster: DaskCluster
) -> None:
    needs("parselmouth")
    save_model(build_model(NARROW), tmp_path / "w.safetensors")
    pairs = [pair, replace(pair, source=pair.source[::-1].copy()), replace(pair, source=0.5 * pair.source)]
    conversion = Conversion(identity=False, backend="torch", weights=tmp_path / "w.safetensors")
    convert = conversion.load()
    waves = convert_all(pairs, convert)
    here = evaluate_waves(pairs, waves, judges=Judges(["pitch"]))
    work = JudgeWork(("pitch",), None, "auto", conversion, fingerprint_of(convert), 1)
    dask_cluster.have(2)
    for options in ({"cluster": str(dask_cluster.file)}, {"jobs": 2}):
        lines: list[str] = []
        executor = open_executor(**options)  # type: ignore[arg-type]
        found, there = evaluate_by(executor, work, pairs, None, lines.append)
        assert all(np.array_equal(one, other) for one, other in zip(found, waves, strict=True))
        # Pairs are compared by what was judged of them: they hold arrays.
        assert [_scores(one) for one in there.judged] == [_scores(one) for one in here.judged]
        assert lines[-1] == f"judge 3/3: {pair.name}"


def _scores(one: Judged) -> tuple[object, ...]:
    return one.reference_text, one.converted, one.floor, one.ceiling, one.source_f0, one.target_f0


def test_others_refuse_as_this_process_does(pair: Pair, tmp_path: Path) -> None:
    save_model(build_model(NARROW), tmp_path / "w.safetensors")
    conversion = Conversion(identity=False, backend="torch", weights=tmp_path / "w.safetensors")
    silent = replace(pair, references=(np.zeros_like(pair.reference),))
    work = JudgeWork((), None, "auto", conversion, fingerprint_of(conversion.load()), 1, forgiving=True)
    told: list[str] = []
    waves, _ = evaluate_by(open_executor(), work, [pair, silent], None, lambda line: None, told.append)
    assert [bool(wave.any()) for wave in waves] == [True, False]
    with pytest.raises(AudioError) as refusal:
        evaluate_by(open_executor(), replace(work, forgiving=False), [silent], None, lambda line: None)
    assert told == [str(refusal.value)]


def test_robustness_is_judged_by_one_process(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--corpus", "x", "--robustness", "--jobs", "2"])
    assert "leave out --jobs and --cluster" in capsys.readouterr().err
