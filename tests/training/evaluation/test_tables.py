"""Documents are filled in from results, all of them or none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamvc.errors import EvaluationError
from streamvc.training.evaluation.summary import MEASURES
from streamvc.training.evaluation.tables import main, replace_between

REPOSITORY = Path(__file__).resolve().parents[3]


def estimate(value: float, count: int) -> dict[str, Any]:
    return {"value": value, "low": value - 0.01, "high": value + 0.01, "count": count}


def result(pairs: int, shift: float, **about: Any) -> dict[str, Any]:
    keys = [one.key for one in MEASURES]
    floor = {key: estimate(0.5, pairs) for key in keys} | {"wer": estimate(0.5, 2)}
    converted = {key: estimate(0.6 + shift, pairs) for key in keys}
    ceiling = {key: estimate(0.9, pairs) for key in keys if key != "f0_pcc"}
    summary = {"floor": floor, "converted": converted, "ceiling": ceiling}
    return {"pairs": pairs, "about": {"fingerprint": "abc", "presets": False} | about, "summary": summary}


def robustness() -> dict[str, Any]:
    level = {"peak_db": -3.4, "loudest_db": -20, "source_loudest_db": -20, "finite": True}
    quiet = {"name": "silence", "what": "no speech", "untouched": None, "converted": None, "levels": [level]}
    clean = {
        "name": "clean",
        "what": "as it is",
        "pairs": 4,
        "untouched": {"wer": estimate(0.04, 4)},
        "levels": [level, level],
    }
    return {
        "conditions": [
            {**clean, "converted": {"wer": estimate(0.11, 4)}, "problems": []},
            {**quiet, "problems": ["an output"]},
        ]
    }


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("Before.\n<!-- quality:begin -->\nold\n<!-- quality:end -->\nAfter.\n")
    text = "".join(f"<!-- {name}:begin -->\n<!-- {name}:end -->\n" for name in ("measures", "robustness"))
    (tmp_path / "docs" / "evaluation.md").write_text(text)
    return tmp_path


@pytest.fixture
def run(checkout: Path) -> Callable[..., int]:
    """`run(zero, presets, robustness=None)`: write the results as files and rewrite the tables."""

    def rewrite(zero: Any, presets: Any, robust: Any = None) -> int:
        arguments = ["--root", str(checkout)]
        for name, data in (("zero-shot", zero), ("presets", presets), ("robustness", robust)):
            if data is not None:
                (checkout / f"{name}.json").write_text(json.dumps(data))
                arguments += [f"--{name}", str(checkout / f"{name}.json")]
        return main(arguments)

    return rewrite


def test_the_tables_are_those_of_the_results(checkout: Path, run: Callable[..., int]) -> None:
    assert run(result(4, 0.0), result(6, 0.1, presets=True), robustness()) == 0
    lines = (checkout / "README.md").read_text().splitlines()
    assert lines[0] == "Before."
    assert lines[-1] == "After."
    assert "old" not in lines
    columns = ["measure", "source untouched", "built-in voices (6 pairs)", "voices never heard (4 pairs)"]
    assert [cell.strip() for cell in lines[2].strip("|").split("|")] == [*columns, "real target speech"]
    assert "| word error rate (%) | 50.0 | 70.0 | 60.0 | 90.0 |" in lines
    assert "| pitch correlation with the source | 0.50 | 0.70 | 0.60 | - |" in lines
    text = (checkout / "docs" / "evaluation.md").read_text()
    assert "| WER % | 50.0 [49.0, 51.0] (2 pairs) | 60.0 [59.0, 61.0] | 90.0 [89.0, 91.0] |" in text
    assert "| condition (4 pairs) | meaning |" in text
    assert "| clean | as it is | 11.0 | - | - | - | - | 4.0 | - | -3 | kept |" in text
    assert "| silence | no speech | - | - | - | - | - | - | - | -3 | an output |" in text


def test_twice_is_once(checkout: Path, run: Callable[..., int]) -> None:
    results = result(4, 0.0), result(6, 0.1, presets=True)
    run(*results)
    first = (checkout / "README.md").read_text()
    run(*results)
    assert (checkout / "README.md").read_text() == first


@pytest.mark.parametrize(
    ("zero", "presets", "said"),
    [
        (result(4, 0.0), result(6, 0.1), "made without --presets"),
        (result(4, 0.0, presets=True), result(6, 0.1, presets=True), "made with --presets"),
        (result(4, 0.0), result(6, 0.1, presets=True, fingerprint="x"), "different weights"),
        ({"pairs": 4}, result(6, 0.1, presets=True), "no entry 'summary'"),
    ],
)
def test_results_that_do_not_belong_together_change_nothing(
    checkout: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str], zero: Any, presets: Any, said: str
) -> None:
    before = (checkout / "README.md").read_text()
    assert run(zero, presets) == EvaluationError.exit_code
    assert said in capsys.readouterr().err
    assert (checkout / "README.md").read_text() == before


def test_a_lost_marker_is_said_and_nothing_is_written(
    checkout: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    before = (checkout / "README.md").read_text()
    (checkout / "docs" / "evaluation.md").write_text("<!-- measures:end -->\n<!-- measures:begin -->\n")
    assert run(result(4, 0.0), result(6, 0.1, presets=True)) == EvaluationError.exit_code
    assert "<!-- measures:begin -->" in capsys.readouterr().err
    assert (checkout / "README.md").read_text() == before


@pytest.mark.parametrize(("file", "name"), [("README.md", "quality"), ("docs/evaluation.md", "measures"),
                                            ("docs/evaluation.md", "robustness")])  # fmt: skip
def test_the_documents_of_this_checkout_have_their_markers(file: str, name: str) -> None:
    text = (REPOSITORY / file).read_text(encoding="utf-8")
    assert replace_between(text, name, "| new |\n", file).count("| new |") == 1
