"""Results of `svc evaluate --json` as Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from streamvc.training.evaluation.estimate import Estimate
from streamvc.training.evaluation.report import format_estimate
from streamvc.training.evaluation.summary import MEASURES, Measure

Result = Mapping[str, Any]

_BY_KEY: Final = {one.key: one for one in MEASURES}
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
    "dvector_source", "f0_pcc", "voicing_agreement", "pitch_distance", "mos", "unusable",
)  # fmt: skip
_GROUPS: Final = ("wer_above_source", "secs_target", "dvector_target", "closer_to_target", "f0_pcc", "mos")
_ROBUSTNESS: Final = ("wer", "secs_target", "closer_to_target", "f0_pcc", "mos")
_CARD: Final = (
    ("wer_above_source", "WER above the untouched source, points", "10 / 8"),
    ("secs_target", "SECS to the target", "0.76 / 0.86"),
    ("closer_to_target", "nearer to the target than to the source, %", "85 / 97"),
    ("dvector_target", "d-vector to the target", "0.70 / 0.82"),
    ("f0_pcc", "f0 PCC", "0.88 / 0.90"),
    ("mos", "DistillMOS", "3.1 / 3.4"),
)
"""Measures of the model card, with what is to be reached by voices never heard and by built-in ones."""
_CARD_NOISE, _CARD_OWN = "15", "5"


def quality_table(zero_shot: Result, presets: Result, noise: Result | None = None, own: Result | None = None) -> str:
    """Floor, built-in voices, voices never heard and ceiling, for the README, and what noise and the model cost.

    The columns of the untouched source and of the real target are those of the pairs of `zero_shot`.
    """
    head = (
        "measure", "source untouched", f"built-in voices ({presets['pairs']} pairs)",
        f"voices never heard ({zero_shot['pairs']} pairs)", "real target speech",
    )  # fmt: skip
    places = ((zero_shot, "floor"), (presets, "converted"), (zero_shot, "converted"), (zero_shot, "ceiling"))
    rows = []
    for key, title in _QUALITY:
        rows.append((title, *(_number(result, condition, key, _DIGITS[key]) for result, condition in places)))
    notes = [caption(zero_shot)]
    if noise is not None:
        notes.append(
            f"With noise {noise['about']['noise_db']:g} dB below the speech, {_number(noise, 'floor', 'wer', 1)} % of "
            "the words are wrong in the noisy source, and "
            f"{_number(noise, 'converted', 'wer_above_source', 1)} points more after conversion."
        )
    if own is not None:
        notes.append(
            "People who are converted to their own voice lose "
            f"{_number(own, 'converted', 'wer_above_source', 1)} points of words."
        )
    return f"{_markdown(head, rows)}\n{' '.join(notes)}\n"


def measures_table(result: Result, floor: str = "source untouched", converted: str = "converted") -> str:
    """Every measure with its interval for floor, conversion and ceiling, and what was judged."""
    head = ("measure", f"floor: {floor}", converted, "ceiling: real target")
    rows = []
    for key in _MEASURES:
        estimates = [_estimate(result, condition, key) for condition in ("floor", "converted", "ceiling")]
        if estimates[1] is not None:
            cells = [_with_count(_BY_KEY[key], one, result["pairs"]) for one in estimates]
            rows.append((_BY_KEY[key].title, *cells))
    return f"{_markdown(head, rows)}\n{caption(result)}\n"


def card_table(zero_shot: Result, presets: Result, noise: Result | None, own: Result | None) -> str:
    """For the model card: both kinds of voices beside floor, ceiling and what is to be reached."""
    head = (
        "", "untouched source", f"voices never heard ({zero_shot['pairs']} pairs)",
        f"built-in voices ({presets['pairs']} pairs)", "real target", "to be reached (never heard / built in)",
    )  # fmt: skip
    rows = []
    for key, title, wanted in _CARD:
        digits = _BY_KEY[key].digits
        places = ((zero_shot, "floor"), (zero_shot, "converted"), (presets, "converted"), (zero_shot, "ceiling"))
        rows.append((title, *(_number(result, condition, key, digits) for result, condition in places), wanted))
    above = ("converted", "wer_above_source", 1)
    if noise is not None:
        title = f"with noise at {noise['about']['noise_db']:g} dB: WER above the noisy source, points"
        rows.append((title, "-", _number(noise, *above), "-", "-", _CARD_NOISE))
    if own is not None:
        title = "in their own voice (copy synthesis): WER above the source, points"
        rows.append((title, "-", _number(own, *above), "-", "-", _CARD_OWN))
    return f"{_markdown(head, rows)}\n{caption(zero_shot)}\n"


def group_table(result: Result) -> str:
    """The conversion's main measures by sex, pitch, corpus, and by what the words are held against."""
    measures = [_BY_KEY[key] for key in _GROUPS]
    rows = []
    for name, group in result["groups"].items():
        if not name.startswith("sex "):
            cells = [_number({"summary": group}, "converted", one.key, one.digits) for one in measures]
            rows.append((name, str(group["pairs"]), *cells))
    return _markdown(("group", "pairs", *(one.title for one in measures)), rows)


def robustness_table(result: Result) -> str:
    """The conversion's measures under every condition, and what the damaged sources score untouched."""
    measures = [_BY_KEY[key] for key in _ROBUSTNESS]
    beside = [one for one in measures if one.key in ("wer", "mos")]
    pairs = result["conditions"][0]["pairs"]
    titles = ["WER % above the damaged source's own", *(one.title for one in measures)]
    titles += [f"source's {one.title}" for one in beside]
    rows = []
    for one in result["conditions"]:
        converted, untouched = one["converted"] or {}, one["untouched"] or {}
        cells = [_above(converted, untouched)]
        cells += [_rounded(measure, _load(converted.get(measure.key)), measure.digits) for measure in measures]
        cells += [_rounded(measure, _load(untouched.get(measure.key)), measure.digits) for measure in beside]
        peak = max(level["peak_db"] for level in one["levels"])
        rows.append((one["name"], one["what"], *cells, f"{peak:.0f}", "; ".join(one["problems"]) or "kept"))
    return _markdown((f"condition ({pairs} pairs)", "meaning", *titles, "peak dB", "bounds"), rows)


def caption(result: Result) -> str:
    """One sentence: how many pairs of how many people, and what the words were held against."""
    written, pairs = result["pairs_with_text"], result["pairs"]
    kind = {"real": "real people", "synthetic": "synthetic speakers"}[result["about"]["sources"]]
    refused = len(result["about"].get("refused", ()))
    silent = f"; {refused} targets were refused and count as silence" if refused else ""
    return (
        f"{pairs} pairs, {result['source_speakers']} {kind} as sources; words of {written} held against the written "
        f"text, of {pairs - written} against the recogniser's transcript of the source{silent}."
    )


def _above(converted: Mapping[str, Any], untouched: Mapping[str, Any]) -> str:
    """Both are of the same pairs and words, so that the difference of the rates is the rate of the difference."""
    if "wer" not in converted or "wer" not in untouched:
        return "-"
    return f"{100 * (converted['wer']['value'] - untouched['wer']['value']):.1f}"


def _estimate(result: Result, condition: str, key: str) -> Estimate | None:
    return _load(result["summary"][condition].get(key))


def _load(data: Mapping[str, Any] | None) -> Estimate | None:
    return None if data is None else Estimate(**data)


def _number(result: Result, condition: str, key: str, digits: int) -> str:
    return _rounded(_BY_KEY[key], _estimate(result, condition, key), digits)


def _rounded(measure: Measure, estimate: Estimate | None, digits: int) -> str:
    return "-" if estimate is None else f"{measure.scale * estimate.value:.{digits}f}"


def _with_count(measure: Measure, estimate: Estimate | None, pairs: int) -> str:
    """Value and interval, and from how many pairs where that is not all of them."""
    text = format_estimate(measure, estimate)
    return text if estimate is None or estimate.count == pairs else f"{text} ({estimate.count} pairs)"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cells).replace("\n", " ") + " |\n" for cells in lines)
