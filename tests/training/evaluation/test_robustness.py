"""Every condition is judged, and what must not happen is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamvc.errors import EvaluationError
from streamvc.training.data import PackedCorpus
from streamvc.training.evaluation.__main__ import main
from streamvc.training.evaluation.conditions import CONDITIONS, NOT_SPEECH
from streamvc.training.evaluation.convert import identity
from streamvc.training.evaluation.judges import Judges
from streamvc.training.evaluation.pairs import Pair, Wave
from streamvc.training.evaluation.robustness import format_robustness, judge_robustness, write_robustness
from streamvc.training.evaluation.runner import Convert
from streamvc.training.evaluation.selection import related, select_foreign_pairs
from streamvc.training.evaluation.stability import measure_stability


@pytest.fixture
def pitch_only(needs: Callable[..., None]) -> Judges:
    needs("parselmouth")
    return Judges(["pitch"])


@pytest.fixture
def pairs(pair: Pair) -> list[Pair]:
    return [pair, replace(pair, source_id="source/2", source=pair.source[::-1].copy())]


def test_no_conversion_keeps_all_bounds_and_shows_what_the_damage_does(pairs: list[Pair], pitch_only: Judges) -> None:
    result = judge_robustness(pairs, pairs[:1], identity, pitch_only)
    assert result.failures == ()
    expected = [one.name for one in CONDITIONS] + ["other languages"] + [name for name, _ in NOT_SPEECH] + ["pause"]
    outcomes = {one.name: one for one in result.outcomes}
    assert list(outcomes) == expected
    clean, quiet, both = outcomes["clean"], outcomes["quiet"], outcomes["two speakers"]
    for one in (clean, quiet, both):
        assert one.converted == one.untouched, "nothing was converted"
    assert clean.converted is not None
    assert quiet.converted is not None
    assert both.converted is not None
    assert clean.converted["f0_pcc"].value == pytest.approx(1.0)
    assert quiet.converted["rms_db"].value == pytest.approx(clean.converted["rms_db"].value - 24, abs=0.1)
    assert both.converted["f0_pcc"].value < 0.9, "held against the pitch of the undamaged source"
    assert "f0_pcc" not in (outcomes["whisper"].converted or {})
    assert outcomes["music"].converted is None


def exploding(source: Wave, target: Wave | str) -> Wave:
    return source * np.float32(8.0)


def poisoned(source: Wave, target: Wave | str) -> Wave:
    out = source.copy()
    out[-1] = np.nan
    return out


def humming(source: Wave, target: Wave | str) -> Wave:
    return source + np.float32(0.01) * np.cos(np.arange(source.size) / 20).astype(np.float32)


@pytest.mark.parametrize(
    ("convert", "said"),
    [
        (exploding, {"clean: 18.1 dB more than the source", "white noise: a peak of 18.1 dB"}),
        (poisoned, {"clean: samples that are not finite", "clicks: samples that are not finite"}),
        (humming, {"silence: an output of -43.0 dB", "pause: -43.0 dB a second after the speech has ended"}),
    ],
)
def test_what_must_not_happen_is_found(pairs: list[Pair], pitch_only: Judges, convert: Convert, said: set[str]) -> None:
    result = judge_robustness(pairs, [], convert, pitch_only)
    assert said <= set(result.failures)
    assert result.failures[0].partition(":")[2].strip() in format_robustness(result)


def test_a_loud_but_bounded_output_of_near_silence_is_no_failure() -> None:
    source = np.full(16_000, 1e-6, np.float32)
    assert measure_stability(source, np.full(16_000, 5e-4, np.float32)).problems == ()
    assert measure_stability(source, np.full(16_000, 5e-2, np.float32)).problems


def test_the_file_and_the_table_hold_every_condition(pairs: list[Pair], pitch_only: Judges, tmp_path: Path) -> None:
    result = judge_robustness(pairs, [], identity, pitch_only)
    write_robustness(tmp_path / "r.json", result, {"weights": "w"})
    data = json.loads((tmp_path / "r.json").read_text())
    assert [one["name"] for one in data["conditions"]] == [one.name for one in result.outcomes]
    assert data["conditions"][0]["converted"]["f0_pcc"]["value"] == pytest.approx(1.0)
    assert data["failures"] == []
    table = format_robustness(result)
    assert len(table.splitlines()) == 3 + len(result.outcomes)
    row = next(line for line in table.splitlines() if line.startswith("clean"))
    assert row.split()[:3] == ["clean", "2", "1.000"]
    row = next(line for line in table.splitlines() if line.startswith("quiet"))
    assert row.split()[2].startswith("1.000") or row.split()[2].startswith("0.")
    assert "(" in row, "the change against the clean sources"


def test_without_pairs_there_is_nothing_to_judge(pitch_only: Judges) -> None:
    with pytest.raises(EvaluationError):
        judge_robustness([], [], identity, pitch_only)


def test_sources_of_other_languages_are_found(corpus_folder: Path) -> None:
    pairs = select_foreign_pairs(PackedCorpus(corpus_folder), 4)
    assert len(pairs) == 4
    assert {pair.source_speaker for pair in pairs} == {"prompts-it", "stamps-ro"}
    assert not any(related(pair.source_speaker, pair.target_speaker) for pair in pairs)


def test_the_command_writes_the_table(
    corpus_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], needs: Callable[..., None]
) -> None:
    needs("parselmouth")
    arguments = ["--corpus", str(corpus_folder), "--pairs", "4", "--measures", "pitch", "--identity", "--robustness"]
    assert main([*arguments, "--out", str(tmp_path / "r.json")]) == 0
    assert "other languages" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "r.json").read_text())["conditions"]) == 15
