"""The upper part of the report's page: tiles, the table of measures with its intervals, groups of pairs."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final

from streamvc.training.evaluation.estimate import Estimate
from streamvc.training.evaluation.groups import groups
from streamvc.training.evaluation.report import GROUP_MEASURES, conditions, format_estimate
from streamvc.training.evaluation.runner import Evaluation
from streamvc.training.evaluation.speed import Speed
from streamvc.training.evaluation.summary import MEASURES, Measure

Summaries = Mapping[str, Mapping[str, Estimate]]

_TILES: Final = ("wer", "secs_target", "closer_to_target", "f0_pcc", "mos")
_WIDTH, _HEIGHT, _MARGIN = 176.0, 24.0, 8.0


def number(measure: Measure, value: float) -> str:
    """A value in the unit of the table."""
    return f"{measure.scale * value:.{measure.digits}f}"


def tiles(summaries: Summaries, speed: Speed | None) -> str:
    """The main numbers in large type, floor and ceiling below them."""
    shown = []
    for measure in MEASURES:
        estimate = summaries["converted"].get(measure.key)
        if measure.key not in _TILES or estimate is None:
            continue
        beside = [
            f"{word} {number(measure, other.value)}"
            for key, word in (("floor", "source"), ("ceiling", "target"))
            if (other := summaries[key].get(measure.key)) is not None
        ]
        above = summaries["converted"].get("wer_above_source") if measure.key == "wer" else None
        if above is not None:
            beside.append(f"above source {number(measure, above.value)}")
        shown.append((measure.title, number(measure, estimate.value), ", ".join(beside)))
    if speed is not None:
        rest = f"{speed.latency.samples} samples at {speed.latency.sample_rate} Hz"
        shown.append(("algorithmic latency", f"{speed.latency.ms:g} ms", rest))
        rest = f"frame {speed.p50_ms:.1f} ms, 99 %: {speed.p99_ms:.1f} ms; CPU time {speed.cpu_factor:.2f}"
        shown.append(("real-time factor", f"{speed.real_time_factor:.2f}", rest))
    return '<dl class="tiles">' + "".join(
        f'<div class="tile"><dt>{escape(title)}</dt><dd>{escape(value)}</dd><dd>{escape(rest)}</dd></div>'
        for title, value, rest in shown
    ) + "</dl>"  # fmt: skip


def summary_table(evaluation: Evaluation, summaries: Summaries) -> str:
    """Every measure with value and interval for floor, conversion and ceiling, in figures and as a picture."""
    shown = conditions(evaluation)
    head = "".join(f'<th scope="col">{title}</th>' for _, title in shown)
    rows = []
    for measure in MEASURES:
        if measure.key not in summaries["converted"]:
            continue
        estimates = {key: summaries[key].get(measure.key) for key, _ in shown}
        cells = "".join(f"<td>{_cell(measure, estimates[key])}</td>" for key, _ in shown)
        better = f" <small>({measure.better} is better)</small>" if measure.better else ""
        rows.append(
            f'<tr><th scope="row">{escape(measure.title)}{better}</th>{cells}<td>{_range(measure, estimates)}</td></tr>'
        )
    keys = "".join(f'<span class="key {key}"><span>{title}</span></span>' for key, title in shown)
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Table of all measures"><table>'
        f"<caption>Value and 95 % bootstrap interval over pairs. {keys}</caption>"
        f'<thead><tr><th scope="col">measure</th>{head}<th scope="col">on one scale</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def group_table(evaluation: Evaluation) -> str:
    """The conversion's main measures for every group of pairs."""
    measures = [one for one in MEASURES if one.key in GROUP_MEASURES]
    overall = evaluation.summaries()["converted"]
    measures = [one for one in measures if one.key in overall]
    rows = []
    for name, keep in groups(evaluation.judged).items():
        converted = evaluation.summaries(keep)["converted"]
        cells = "".join(f"<td>{_cell(one, converted.get(one.key))}</td>" for one in measures)
        count = sum(map(keep, evaluation.judged))
        rows.append(f'<tr><th scope="row">{escape(name)}</th><td>{count}</td>{cells}</tr>')
    head = "".join(f'<th scope="col">{escape(one.title)}</th>' for one in measures)
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Groups of pairs"><table>'
        "<caption>Conversions only. Small groups have wide intervals.</caption>"
        f'<thead><tr><th scope="col">group</th><th scope="col">pairs</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(measure: Measure, estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    value, _, interval = format_estimate(measure, estimate).partition(" ")
    return f"{value} <small>{interval}</small>"


def _range(measure: Measure, estimates: Mapping[str, Estimate | None]) -> str:
    """Dots with their intervals on a line from the lowest to the highest end of any."""
    known = [one for one in estimates.values() if one is not None]
    low, high = min(one.low for one in known), max(one.high for one in known)
    if high - low < 1e-9:
        return ""

    def place(value: float) -> float:
        return _MARGIN + (value - low) / (high - low) * (_WIDTH - 2 * _MARGIN)

    drawn = [f'<line x1="0" x2="{_WIDTH:g}" y1="12" y2="12" stroke="var(--line)"/>']
    for (key, one), y in zip(estimates.items(), (7, 12, 17), strict=True):
        if one is not None:
            drawn.append(
                f'<g class="{key}" stroke="currentColor" fill="currentColor">'
                f'<line x1="{place(one.low):.1f}" x2="{place(one.high):.1f}" y1="{y}" y2="{y}" stroke-width="2.5" '
                f'stroke-opacity=".45" stroke-linecap="round"/>'
                f'<circle cx="{place(one.value):.1f}" cy="{y}" r="3.6" stroke="none"/></g>'
            )
    return f'<svg class="range" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" aria-hidden="true">{"".join(drawn)}</svg>'
