"""Results for people (a table) and for programs (JSON)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from streamvc.presets.files import write_whole
from streamvc.training.evaluation.estimate import Estimate
from streamvc.training.evaluation.groups import groups
from streamvc.training.evaluation.runner import Evaluation, Judged
from streamvc.training.evaluation.scores import Scores
from streamvc.training.evaluation.speed import Speed
from streamvc.training.evaluation.summary import MEASURES, Measure

SCHEMA = 1
_WIDTH = 26
GROUP_MEASURES = (
    "wer", "wer_above_source", "secs_target", "closer_to_target", "dvector_target", "f0_pcc", "pitch_distance", "mos",
)  # fmt: skip
"""Keys of the measures that are shown for groups of pairs."""


def conditions(evaluation: Evaluation) -> tuple[tuple[str, str], ...]:
    """Key and title of the columns: floor, conversion and ceiling."""
    damaged = any(one.pair.heard is not None for one in evaluation.judged)
    floor = "source with noise" if damaged else "source untouched"
    own = all(one.pair.own_voice for one in evaluation.judged)
    return ("floor", floor), ("converted", "in its own voice" if own else "converted"), ("ceiling", "real target")


def format_table(evaluation: Evaluation) -> str:
    """Plain text: one line per measure, with value and 95 % interval for floor, conversion and ceiling."""
    summaries = evaluation.summaries()
    written = sum(one.written for one in evaluation.judged)
    total = len(evaluation.judged)
    people = len({one.pair.source_speaker for one in evaluation.judged})
    head = f"{total} pairs, {people} speakers as sources; brackets: 95 % bootstrap interval over pairs"
    if "wer" in summaries["converted"]:
        head += f"; words of {written} held against the written text, of {total - written} against the recogniser's"
        head += " transcript of the source"
    columns = conditions(evaluation)
    lines = [head, "", f"{'measure':<22}{'better':<8}" + "".join(f"{title:<{_WIDTH}}" for _, title in columns)]
    for measure in MEASURES:
        if measure.key not in summaries["converted"]:
            continue
        cells = [format_estimate(measure, summaries[key].get(measure.key)) for key, _ in columns]
        lines.append(f"{measure.title:<22}{measure.better:<8}" + "".join(f"{cell:<{_WIDTH}}" for cell in cells))
    return "\n".join(line.rstrip() for line in lines) + "\n"


def format_groups(evaluation: Evaluation) -> str:
    """Plain text: one line per group of pairs with the conversion's main measures, without intervals."""
    measures = [one for one in MEASURES if one.key in GROUP_MEASURES]
    rows = []
    for name, keep in groups(evaluation.judged).items():
        converted = evaluation.summaries(keep)["converted"]
        cells = [_value(one, converted[one.key]) if one.key in converted else "-" for one in measures]
        rows.append([name, str(sum(map(keep, evaluation.judged))), *cells])
    shown = [number for number, one in enumerate(measures) if any(row[number + 2] != "-" for row in rows)]
    head = f"{'converted':<34}{'pairs':>6}" + "".join(f"{measures[number].title:>20}" for number in shown)
    lines = [f"{row[0]:<34}{row[1]:>6}" + "".join(f"{row[number + 2]:>20}" for number in shown) for row in rows]
    return "\n".join([head, *lines]) + "\n"


def _value(measure: Measure, estimate: Estimate) -> str:
    return f"{measure.scale * estimate.value:.{measure.digits}f}"


def format_estimate(measure: Measure, estimate: Estimate | None) -> str:
    """`value [low, high]` in the unit of the table, or `-`."""
    if estimate is None:
        return "-"
    value, low, high = (
        f"{measure.scale * number:.{measure.digits}f}" for number in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value} [{low}, {high}]"


def to_json(
    evaluation: Evaluation,
    about: Mapping[str, Any] | None = None,
    speed: Speed | None = None,
    synthetic: Evaluation | None = None,
) -> dict[str, Any]:
    """Everything as plain data: estimates over all pairs and over groups of pairs, and every pair's scores.

    Rates (wer, cer, clipped, shares) are fractions, not per cent.

    Args:
        about: what was judged (weights, backend, seed); stored under "about".
        speed: of the runtime that converted, with its latency; stored under "speed".
        synthetic: pairs of synthetic speakers, which are no part of all the rest; stored under "synthetic".
    """
    return {
        "schema": SCHEMA,
        "about": dict(about or {}),
        **_estimates(evaluation),
        "speed": None if speed is None else speed.to_json(),
        "synthetic": None if synthetic is None else _estimates(synthetic),
    }


def _estimates(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "pairs": len(evaluation.judged),
        "source_speakers": len({one.pair.source_speaker for one in evaluation.judged}),
        "pairs_with_text": sum(one.written for one in evaluation.judged),
        "summary": _plain(evaluation.summaries()),
        "groups": {
            name: {"pairs": sum(map(keep, evaluation.judged)), **_plain(evaluation.summaries(keep))}
            for name, keep in groups(evaluation.judged).items()
        },
        "items": [_item(one) for one in evaluation.judged],
    }


def write_json(
    path: Path,
    evaluation: Evaluation,
    about: Mapping[str, Any] | None = None,
    speed: Speed | None = None,
    synthetic: Evaluation | None = None,
) -> None:
    """Write `to_json` to `path`, whole or not at all, over an older result.

    Raises:
        OutputError: the file cannot be written.
    """
    text = json.dumps(to_json(evaluation, about, speed, synthetic), indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(path, text.encode() + b"\n", overwrite=True)


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
        "source_sex": pair.source_sex,
        "source_f0": one.source_f0,
        "source_seconds": pair.source.size / 16_000,
        "target_speaker": pair.target_speaker,
        "target_sex": pair.target_sex,
        "target_f0": one.target_f0,
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
