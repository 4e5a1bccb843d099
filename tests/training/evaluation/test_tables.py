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
MARKERS = {
    "README.md": ("quality",),
    "docs/evaluation.md": ("measures", "presets", "noise", "own-voice", "synthetic", "robustness"),
    "docs/model-card.md": ("card", "card-groups"),
    "docs/training-voice.md": ("voices",),
}


def estimate(value: float, count: int) -> dict[str, Any]:
    return {"value": value, "low": value - 0.01, "high": value + 0.01, "count": count}


def result(pairs: int, shift: float, **about: Any) -> dict[str, Any]:
    keys = [one.key for one in MEASURES]
    floor = {key: estimate(0.5, pairs) for key in keys} | {"wer": estimate(0.5, 2)}
    converted = {key: estimate(0.6 + shift, pairs) for key in keys}
    ceiling = {key: estimate(0.9, pairs) for key in keys if key != "f0_pcc"}
    summary = {"floor": floor, "converted": converted, "ceiling": ceiling}
    made = {"fingerprint": "abc", "sources": "real", "presets": False, "own_voice": False, "noise_db": None}
    groups = {"sex f to f": {"pairs": 1, **summary}, "source sex f": {"pairs": 30, **summary}}
    return {
        "pairs": pairs, "source_speakers": 58, "pairs_with_text": 38, "about": made | {"refused": []} | about,
        "summary": summary, "groups": groups, "synthetic": None,
    }  # fmt: skip


ZERO, PRESETS = result(60, 0.0), result(66, 0.1, presets=True)
NOISE, OWN = result(61, 0.2, noise_db=10.0, refused=["x"]), result(62, 0.3, own_voice=True)
VOICES = {
    "about": {"fingerprint": "abc"},
    "results": [
        {"speaker": "ann", "seconds": 150.0, "share": 0.5, "secs": [0.7, 0.8], "dvector": [0.6, 0.65],
         "errors": [10, 9], "words": 100}
    ],
}  # fmt: skip


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
        "about": {"fingerprint": "abc", "sources": "real"},
        "conditions": [
            {**clean, "converted": {"wer": estimate(0.11, 4)}, "problems": []},
            {**quiet, "problems": ["an output"]},
        ]
    }


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    for name, markers in MARKERS.items():
        text = "".join(f"<!-- {marker}:begin -->\nold {marker}\n<!-- {marker}:end -->\n" for marker in markers)
        (tmp_path / name).write_text(f"Before.\n{text}After.\n")
    return tmp_path


@pytest.fixture
def run(checkout: Path) -> Callable[..., int]:
    """`run(zero_shot=..., presets=..., ...)`: write the results as files and rewrite the tables."""

    def rewrite(**results: Any) -> int:
        arguments = ["--root", str(checkout)]
        for name, data in results.items():
            (checkout / f"{name}.json").write_text(json.dumps(data))
            arguments += [f"--{name.replace('_', '-')}", str(checkout / f"{name}.json")]
        return main(arguments)

    return rewrite


def texts(checkout: Path) -> dict[str, str]:
    return {name: (checkout / name).read_text() for name in MARKERS}


def test_the_tables_are_those_of_the_results(checkout: Path, run: Callable[..., int]) -> None:
    zero = ZERO | {"synthetic": {key: ZERO[key] for key in ("pairs", "source_speakers", "pairs_with_text", "summary")}}
    given = {"presets": PRESETS, "noise": NOISE, "own_voice": OWN, "robustness": robustness(), "voices": VOICES}
    assert run(zero_shot=zero, **given) == 0
    after = texts(checkout)
    assert not any("old" in text for text in after.values())
    lines = after["README.md"].splitlines()
    assert (lines[0], lines[-1]) == ("Before.", "After.")
    columns = ["measure", "source untouched", "built-in voices (66 pairs)", "voices never heard (60 pairs)"]
    assert [cell.strip() for cell in lines[2].strip("|").split("|")] == [*columns, "real target speech"]
    assert "| word error rate (%) | 50.0 | 70.0 | 60.0 | 90.0 |" in lines
    assert "| pitch correlation with the source | 0.50 | 0.70 | 0.60 | - |" in lines
    assert lines[-3] == (
        "60 pairs, 58 real people as sources; words of 38 held against the written text, of 22 against the "
        "recogniser's transcript of the source. With noise 10 dB below the speech, 50.0 % of the words are wrong in "
        "the noisy source, and 80.0 points more after conversion. People who are converted to their own voice lose "
        "90.0 points of words."
    )
    text = after["docs/evaluation.md"]
    assert "| WER % | 50.0 [49.0, 51.0] (2 pairs) | 60.0 [59.0, 61.0] | 90.0 [89.0, 91.0] |" in text
    assert "| measure | floor: source with noise | converted | ceiling: real target |" in text
    assert "| measure | floor: source untouched | in its own voice | ceiling: real target |" in text
    assert "60 pairs, 58 synthetic speakers as sources" in text
    assert "transcript of the source; 1 targets were refused and count as silence." in text
    assert "| condition (4 pairs) | meaning | WER % above the damaged source's own |" in text
    assert "| clean | as it is | 7.0 | 11.0 | - | - | - | - | 4.0 | - | -3 | kept |" in text
    assert "| silence | no speech | - | - | - | - | - | - | - | - | -3 | an output |" in text
    card = after["docs/model-card.md"]
    assert "| SECS to the target | 0.500 | 0.600 | 0.700 | 0.900 | 0.76 / 0.86 |" in card
    assert "| with noise at 10 dB: WER above the noisy source, points | - | 80.0 | - | - | 15 |" in card
    assert "| in their own voice (copy synthesis): WER above the source, points | - | 90.0 | - | - | 5 |" in card
    assert "| source sex f | 30 | 60.0 | 0.600 | 0.600 | 60 | 0.600 | 0.60 |" in card
    assert "sex f to f" not in card
    assert "| ann | 150 s | 50 % | 0.700 | 0.800 |" in after["docs/training-voice.md"]


def test_a_table_without_a_result_stays(checkout: Path, run: Callable[..., int]) -> None:
    assert run(zero_shot=ZERO, presets=PRESETS) == 0
    after = texts(checkout)
    for name, marker in (("docs/evaluation.md", "noise"), ("docs/training-voice.md", "voices")):
        assert f"old {marker}" in after[name]
    assert "With noise" not in after["README.md"]


def test_twice_is_once(checkout: Path, run: Callable[..., int]) -> None:
    run(zero_shot=ZERO, presets=PRESETS, noise=NOISE)
    first = texts(checkout)
    run(zero_shot=ZERO, presets=PRESETS, noise=NOISE)
    assert texts(checkout) == first


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"presets": ZERO}, "made with --corpus alone, and is given where --presets is wanted"),
        ({"zero_shot": PRESETS}, "made with --presets, and is given where --corpus alone is wanted"),
        ({"noise": OWN}, "made with --own-voice, and is given where --noise is wanted"),
        ({"own_voice": result(60, 0.0, own_voice=True, noise_db=10)}, "made with --own-voice and --noise"),
        ({"presets": result(60, 0.1, presets=True, fingerprint="x")}, "different weights (abc and x)"),
        ({"robustness": robustness() | {"about": {"fingerprint": "y", "sources": "real"}}}, "different weights"),
        ({"voices": VOICES | {"about": {"fingerprint": "z"}}}, "different weights"),
        ({"zero_shot": {"pairs": 60}}, "no entry 'summary'"),
        ({"zero_shot": result(60, 0.0, sources="synthetic")}, "not of real people"),
        ({"robustness": robustness() | {"about": {"fingerprint": "abc"}}}, "not of real people"),
        ({"zero_shot": result(59, 0.0)}, "59 pairs with 58 people as sources: documents need 60 pairs with 40 people"),
        ({"noise": NOISE | {"source_speakers": 39}}, "39 people as sources"),
    ],
)
def test_results_that_do_not_belong_there_change_nothing(
    checkout: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str], changed: dict[str, Any], said: str
) -> None:
    before = texts(checkout)
    assert run(**({"zero_shot": ZERO, "presets": PRESETS} | changed)) == EvaluationError.exit_code
    assert said in capsys.readouterr().err
    assert texts(checkout) == before


def test_a_lost_marker_is_said_and_nothing_is_written(
    checkout: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "docs" / "evaluation.md").write_text("<!-- measures:end -->\n<!-- measures:begin -->\n")
    before = texts(checkout)
    assert run(zero_shot=ZERO, presets=PRESETS) == EvaluationError.exit_code
    assert "<!-- measures:begin -->" in capsys.readouterr().err
    assert texts(checkout) == before


@pytest.mark.parametrize(("file", "name"), [(file, name) for file, names in MARKERS.items() for name in names])
def test_the_documents_of_this_checkout_have_their_markers(file: str, name: str) -> None:
    text = (REPOSITORY / file).read_text(encoding="utf-8")
    assert replace_between(text, name, "| new |\n", file).count("| new |") == 1
