"""The table for people and the JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamvc.errors import OutputError
from streamvc.training.evaluation.judges import Judges
from streamvc.training.evaluation.pairs import Pair
from streamvc.training.evaluation.report import format_groups, format_table, write_json
from streamvc.training.evaluation.runner import Evaluation, evaluate_waves


@pytest.fixture
def evaluation(pair: Pair, needs: Callable[..., None]) -> Evaluation:
    needs("parselmouth")
    other = replace(pair, source_id="source/2", source_sex="f", source_corpus="c", ceiling=None)
    return evaluate_waves([pair, other], [pair.source, np.zeros_like(pair.source)], judges=Judges(["pitch"]))


def test_the_file_holds_every_number(evaluation: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("an older result")
    write_json(path, evaluation, {"weights": "w"})
    data = json.loads(path.read_text())
    assert [one.name for one in tmp_path.iterdir()] == ["out.json"]
    assert data["about"] == {"weights": "w"}
    assert data["pairs"] == 2
    summary = data["summary"]
    assert summary["converted"]["f0_pcc"]["value"] == pytest.approx(0.5)
    assert summary["converted"]["f0_pcc"]["count"] == 2
    assert summary["ceiling"]["rms_db"]["count"] == 1
    assert "f0_pcc" not in summary["ceiling"]
    assert data["items"][0]["converted"]["f0_pcc"] == pytest.approx(1.0)
    assert data["items"][1]["converted"]["levels"]["silent"] is True
    assert data["items"][1]["ceiling"] is None


def test_groups_split_the_pairs(evaluation: Evaluation, tmp_path: Path) -> None:
    write_json(tmp_path / "out.json", evaluation)
    groups = json.loads((tmp_path / "out.json").read_text())["groups"]
    assert {name: group["pairs"] for name, group in groups.items()} == {
        "sex f to f": 1, "sex m to f": 1, "source sex f": 1, "source sex m": 1, "target sex f": 2,
        "source pitch 140 to 190 Hz": 2, "target pitch above 190 Hz": 2,
        "source corpus a": 1, "source corpus c": 1, "target corpus b": 2,
    }  # fmt: skip
    assert groups["source corpus a"]["converted"]["f0_pcc"]["value"] == pytest.approx(1.0)
    assert groups["source corpus c"]["converted"]["f0_pcc"]["value"] == 0.0


def test_the_table_sets_floor_and_ceiling_beside_the_conversion(evaluation: Evaluation) -> None:
    table = format_table(evaluation)
    assert table.startswith("2 pairs")
    row = next(line for line in table.splitlines() if line.startswith("f0 PCC"))
    assert row.split()[2:] == ["higher", "1.000", "[1.000,", "1.000]", "0.500", "[0.000,", "1.000]", "-"]
    assert "WER" not in table


def test_a_place_that_cannot_be_written_is_said(evaluation: Evaluation, tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        write_json(tmp_path / "missing" / "out.json", evaluation)


def test_the_table_of_groups_counts_pairs_and_leaves_out_what_was_not_measured(evaluation: Evaluation) -> None:
    head, *rows = format_groups(evaluation).splitlines()
    assert head.split() == ["converted", "pairs", "f0", "PCC", "f0", "to", "target,", "st"]
    cells = {row[:34].strip(): row[34:].split() for row in rows}
    # Silence has no pitch of its own, so no distance either.
    assert cells["source sex f"] == ["1", "0.000", "-"]
    assert cells["source sex m"][:2] == ["1", "1.000"]
    assert list(cells)[:2] == ["sex f to f", "sex m to f"]
