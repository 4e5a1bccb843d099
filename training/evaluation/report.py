"""Results for people (a table) and for programs (JSON)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from streamvc.presets.files import write_whole
from streamvc.training.evaluation.estimate import Estimate
from streamvc.training.evaluation.pairs import Pair
from streamvc.training.evaluation.runner import Evaluation, Judged
from streamvc.training.evaluation.scores import Scores
from streamvc.training.evaluation.summary import MEASURES, Measure

SCHEMA = 1
_CONDITIONS = (("floor", "source untouched"), ("converted", "converted"), ("ceiling", "real target"))
_WIDTH = 26


def format_table(evaluation: Evaluation) -> str:
    """Plain text: one line per measure, with value and 95 % interval for floor, conversion and ceiling."""
    summaries = evaluation.summaries()
    written = sum(one.written for one in evaluation.judged)
    total = len(evaluation.judged)
    head = f"{total} pairs; brackets: 95 % bootstrap interval over pairs"
    if "wer" in summaries["converted"]:
        head += f"; words of {written} held against the written text, of {total - written} against the recogniser's"
        head += " transcript of the source"
    lines = [head, "", f"{'measure':<22}{'better':<8}" + "".join(f"{title:<{_WIDTH}}" for _, title in _CONDITIONS)]
    for measure in MEASURES:
        if measure.key not in summaries["converted"]:
            continue
        cells = [_cell(measure, summaries[key].get(measure.key)) for key, _ in _CONDITIONS]
        lines.append(f"{measure.title:<22}{measure.better:<8}" + "".join(f"{cell:<{_WIDTH}}" for cell in cells))
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _cell(measure: Measure, estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    value, low, high = (
        f"{measure.scale * number:.{measure.digits}f}" for number in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value} [{low}, {high}]"


def to_json(evaluation: Evaluation, about: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Everything as plain data: estimates over all pairs and over groups of pairs, and every pair's scores.

    Rates (wer, cer, clipped, shares) are fractions, not per cent.

    Args:
        about: what was judged (weights, backend, seed); stored under "about".
    """
    groups = {name: evaluation.summaries(keep) for name, keep in _groups(evaluation).items()}
    return {
        "schema": SCHEMA,
        "about": dict(about or {}),
        "pairs": len(evaluation.judged),
        "pairs_with_text": sum(one.written for one in evaluation.judged),
        "summary": _plain(evaluation.summaries()),
        "groups": {
            name: {"pairs": sum(map(keep, (one.pair for one in evaluation.judged))), **_plain(groups[name])}
            for name, keep in _groups(evaluation).items()
        },
        "items": [_item(one) for one in evaluation.judged],
    }


def write_json(path: Path, evaluation: Evaluation, about: Mapping[str, Any] | None = None) -> None:
    """Write `to_json` to `path`, whole or not at all, over an older result.

    Raises:
        OutputError: the file cannot be written.
    """
    text = json.dumps(to_json(evaluation, about), indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(path, text.encode() + b"\n", overwrite=True)


def _groups(evaluation: Evaluation) -> dict[str, Callable[[Pair], bool]]:
    pairs = [one.pair for one in evaluation.judged]
    groups: dict[str, Callable[[Pair], bool]] = {}
    for corpus in sorted({pair.source_corpus for pair in pairs}):
        groups[f"source corpus {corpus}"] = lambda pair, corpus=corpus: pair.source_corpus == corpus  # type: ignore[misc]
    for corpus in sorted({pair.target_corpus for pair in pairs}):
        groups[f"target corpus {corpus}"] = lambda pair, corpus=corpus: pair.target_corpus == corpus  # type: ignore[misc]
    for sexes in sorted({f"{pair.source_sex} to {pair.target_sex}" for pair in pairs}):
        groups[f"sex {sexes}"] = lambda pair, sexes=sexes: f"{pair.source_sex} to {pair.target_sex}" == sexes  # type: ignore[misc]
    return groups


def _plain(summaries: Mapping[str, Mapping[str, Estimate]]) -> dict[str, Any]:
    return {
        condition: {key: asdict(estimate) for key, estimate in measures.items()}
        for condition, measures in summaries.items()
    }


def _item(one: Judged) -> dict[str, Any]:
    pair = one.pair
    return {
        "source": pair.source_id,
        "source_speaker": pair.source_speaker,
        "source_seconds": pair.source.size / 16_000,
        "target_speaker": pair.target_speaker,
        "target_seconds": pair.reference.size / 16_000,
        "references": list(pair.reference_ids),
        "ceiling_recordings": list(pair.ceiling_ids),
        "preset": pair.preset,
        "reference_text": one.reference_text,
        "reference": "text" if one.written else "asr",
        "floor": _scores(one.floor),
        "converted": _scores(one.converted),
        "ceiling": None if one.ceiling is None else _scores(one.ceiling),
    }


def _scores(scores: Scores) -> dict[str, Any]:
    return {**asdict(scores), "closer_to_target": scores.closer_to_target}
