"""Tables of documents that measurements fill in, so that nobody copies numbers by hand.

    python -m streamvc.training.evaluation.tables --zero-shot zero.json --presets preset.json [--robustness rob.json]

The results come from `svc evaluate --json`. Rewritten is what stands between the markers `<!-- quality:begin -->` and
`<!-- quality:end -->` of README.md, and between those of `measures` (and `robustness`) of docs/evaluation.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from streamvc.errors import EvaluationError, StreamVCError
from streamvc.presets.files import write_whole
from streamvc.training.evaluation.estimate import Estimate
from streamvc.training.evaluation.report import format_estimate
from streamvc.training.evaluation.summary import MEASURES, Measure

Result = Mapping[str, Any]

_QUALITY: Final = (
    ("wer", "word error rate (%)"),
    ("wer_above_source", "word error rate above the source's own (points)"),
    ("secs_target", "speaker similarity to the target (SECS)"),
    ("closer_to_target", "nearer to the target than to the source (%)"),
    ("f0_pcc", "pitch correlation with the source"),
    ("mos", "naturalness (DistillMOS, 1 to 5)"),
)
_DIGITS: Final = {"wer": 1, "wer_above_source": 1, "secs_target": 2, "closer_to_target": 0, "f0_pcc": 2, "mos": 1}
_MEASURES: Final = (
    "wer", "wer_above_source", "cer", "secs_target", "secs_source", "closer_to_target", "dvector_target",
    "dvector_source", "f0_pcc", "voicing_agreement", "pitch_distance", "mos",
)  # fmt: skip
_ROBUSTNESS: Final = ("wer", "secs_target", "closer_to_target", "f0_pcc", "mos")


def quality_table(zero_shot: Result, presets: Result) -> str:
    """Markdown: floor, built-in voices, voices never heard and ceiling, for the README.

    The columns of the untouched source and of the real target are those of the pairs of `zero_shot`.
    """
    measures = {one.key: one for one in MEASURES}
    head = (
        "measure", "source untouched", f"built-in voices ({presets['pairs']} pairs)",
        f"voices never heard ({zero_shot['pairs']} pairs)", "real target speech",
    )  # fmt: skip
    rows = []
    for key, title in _QUALITY:
        places = ((zero_shot, "floor"), (presets, "converted"), (zero_shot, "converted"), (zero_shot, "ceiling"))
        cells = [_rounded(measures[key], _estimate(result, condition, key)) for result, condition in places]
        rows.append((title, *cells))
    return _markdown(head, rows)


def measures_table(result: Result) -> str:
    """Markdown: every measure with its interval for floor, conversion and ceiling."""
    head = ("measure", "floor: source untouched", "converted", "ceiling: real target")
    rows = []
    for measure in MEASURES:
        if measure.key in _MEASURES:
            estimates = [_estimate(result, condition, measure.key) for condition in ("floor", "converted", "ceiling")]
            rows.append((measure.title, *(_with_count(measure, one, result["pairs"]) for one in estimates)))
    return _markdown(head, rows)


def robustness_table(result: Result) -> str:
    """Markdown: the conversion's measures under every condition, and what the damaged sources score untouched."""
    measures = [one for one in MEASURES if one.key in _ROBUSTNESS]
    beside = [one for one in measures if one.key in ("wer", "mos")]
    pairs = result["conditions"][0]["pairs"]
    titles = [one.title for one in measures] + [f"source's {one.title}" for one in beside]
    head = (f"condition ({pairs} pairs)", "meaning", *titles, "peak dB", "bounds")
    rows = []
    for one in result["conditions"]:
        converted, untouched = one["converted"] or {}, one["untouched"] or {}
        cells = [_rounded(measure, _load(converted.get(measure.key)), measure.digits) for measure in measures]
        cells += [_rounded(measure, _load(untouched.get(measure.key)), measure.digits) for measure in beside]
        peak = max(level["peak_db"] for level in one["levels"])
        rows.append((one["name"], one["what"], *cells, f"{peak:.0f}", "; ".join(one["problems"]) or "kept"))
    return _markdown(head, rows)


def replace_between(text: str, name: str, table: str, where: str) -> str:
    """`text` with `table` between the markers `<!-- NAME:begin -->` and `<!-- NAME:end -->`.

    Raises:
        EvaluationError: `text`, which is called `where`, does not have each marker once and in this order.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise EvaluationError(f"{where} needs the lines {begin} and {end} once and in this order: put them back.")
    before, after = text[: text.index(begin) + len(begin)], text[text.index(end) :]
    return f"{before}\n{table}{after}"


def read_result(path: Path, key: str) -> dict[str, Any]:
    """A result of `svc evaluate --json` that has the entry `key`.

    Raises:
        EvaluationError: it cannot be read, or is something else.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise EvaluationError(f"{path} cannot be read ({error}): give a result of svc evaluate --json.") from error
    if not isinstance(data, dict) or key not in data:
        raise EvaluationError(f"{path} has no entry {key!r}: give a result of svc evaluate --json.")
    return data


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrite the tables; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m streamvc.training.evaluation.tables", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--zero-shot", type=Path, required=True, metavar="FILE", help="result with voices never heard")
    parser.add_argument("--presets", type=Path, required=True, metavar="FILE", help="result of --presets")
    parser.add_argument("--robustness", type=Path, metavar="FILE", help="result of --robustness")
    parser.add_argument("--root", type=Path, default=Path(), metavar="DIR", help="the checkout (default: here)")
    options = parser.parse_args(arguments)
    try:
        _rewrite(options)
    except StreamVCError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _rewrite(options: argparse.Namespace) -> None:
    zero, presets = read_result(options.zero_shot, "summary"), read_result(options.presets, "summary")
    for result, path, wanted in ((zero, options.zero_shot, False), (presets, options.presets, True)):
        if bool(result.get("about", {}).get("presets")) != wanted:
            how = "without" if wanted else "with"
            raise EvaluationError(f"{path} was made {how} --presets: give the other result.")
    weights = [result.get("about", {}).get("fingerprint") for result in (zero, presets)]
    if weights[0] != weights[1]:
        raise EvaluationError(f"The results are of different weights ({weights[0]} and {weights[1]}): measure again.")
    tables = {
        options.root / "README.md": {"quality": quality_table(zero, presets)},
        options.root / "docs" / "evaluation.md": {"measures": measures_table(zero)},
    }
    if options.robustness:
        robust = read_result(options.robustness, "conditions")
        tables[options.root / "docs" / "evaluation.md"]["robustness"] = robustness_table(robust)
    # Every document is made before the first is written: they change together or not at all.
    texts = {}
    for path, own in tables.items():
        try:
            texts[path] = path.read_text(encoding="utf-8")
        except OSError as error:
            raise EvaluationError(f"{path} cannot be read ({error}): give the checkout with --root.") from error
        for name, table in own.items():
            texts[path] = replace_between(texts[path], name, table, str(path))
    for path, text in texts.items():
        write_whole(path, text.encode(), overwrite=True)


def _estimate(result: Result, condition: str, key: str) -> Estimate | None:
    return _load(result["summary"][condition].get(key))


def _load(data: Mapping[str, Any] | None) -> Estimate | None:
    return None if data is None else Estimate(**data)


def _rounded(measure: Measure, estimate: Estimate | None, digits: int | None = None) -> str:
    if estimate is None:
        return "-"
    return f"{measure.scale * estimate.value:.{_DIGITS[measure.key] if digits is None else digits}f}"


def _with_count(measure: Measure, estimate: Estimate | None, pairs: int) -> str:
    """Value and interval, and from how many pairs where that is not all of them."""
    text = format_estimate(measure, estimate)
    return text if estimate is None or estimate.count == pairs else f"{text} ({estimate.count} pairs)"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cells).replace("\n", " ") + " |\n" for cells in lines)


if __name__ == "__main__":
    sys.exit(main())
