"""The report: one HTML file with tables, players and plots that needs nothing else, not even a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from streamvc.presets.files import write_whole
from streamvc.training.evaluation import plots, sound
from streamvc.training.evaluation.judges import Judges
from streamvc.training.evaluation.optional import require
from streamvc.training.evaluation.page_pairs import pair_section
from streamvc.training.evaluation.page_style import CSS, SCRIPT
from streamvc.training.evaluation.page_tables import group_table, summary_table, tiles
from streamvc.training.evaluation.pairs import Wave
from streamvc.training.evaluation.runner import Evaluation
from streamvc.training.evaluation.speed import Speed

# Whatever a name in a list may say, the page loads nothing and sends nothing.
_POLICY = "default-src 'none'; media-src data:; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def check_packages() -> None:
    """Load what a report needs, so that a missing package shows before the work rather than after it.

    Raises:
        RuntimeUnavailableError: matplotlib or soundfile is not installed.
    """
    require("matplotlib.figure", plots.MEASURE)
    require("soundfile", sound.MEASURE)


def write_report(
    path: Path,
    evaluation: Evaluation,
    waves: Sequence[Wave],
    judges: Judges,
    about: Mapping[str, Any] | None = None,
    speed: Speed | None = None,
    coding: sound.Coding = "opus",
) -> None:
    """Write the page, whole or not at all, over an older one.

    Args:
        path: of the .html file. 40 pairs take about 14 MB with Opus.
        evaluation: what was judged.
        waves: the conversions [samples] at 16 kHz, one per pair.
        judges: the ones that judged; they remember the pitch that is plotted.
        about: what was judged, shown below the title.
        speed: of the runtime, where one converted.
        coding: of the sound.

    Raises:
        OutputError: the file cannot be written.
        RuntimeUnavailableError: matplotlib or soundfile is not installed.
    """
    page = report_page(evaluation, waves, judges, about or {}, speed, coding)
    write_whole(path, page.encode(), overwrite=True)


def report_page(
    evaluation: Evaluation,
    waves: Sequence[Wave],
    judges: Judges,
    about: Mapping[str, Any],
    speed: Speed | None,
    coding: sound.Coding,
) -> str:
    """The page as text; the same results give the same page. Raises as `write_report` does."""
    summaries = evaluation.summaries()
    written = sum(one.written for one in evaluation.judged)
    words = ""
    if "wer" in summaries["converted"]:
        words = (
            f"<p>Words of {written} pairs are held against the written text, of {len(evaluation.judged) - written} "
            "against the recogniser's transcript of the source.</p>"
        )
    judged_by = ", ".join(f"{name} {version}" for name, version in (about.get("judges") or {}).items() if version)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Listening report: {escape(_subject(about))}</title><style>{CSS}</style></head><body>"
        '<a class="skip" href="#listen">To the players</a>'
        f"<header><h1>Listening report</h1><p class='soft'>{escape(_description(evaluation, about))}</p>"
        f"{tiles(summaries, speed)}</header><main>"
        f"<h2>Measures</h2>{summary_table(evaluation, summaries)}{words}"
        "<p class='soft'>The source is the floor: what no conversion at all would score. The real target, "
        "another recording of that person, is the ceiling.</p>"
        f"<details><summary>By sex, pitch and corpus</summary>{group_table(evaluation)}</details>"
        f"<h2>Pairs</h2>{pair_section(evaluation, waves, judges, coding)}</main>"
        f"<footer><p>Made by <code>svc evaluate --report</code>. Judges: {escape(judged_by) or 'not recorded'}.</p>"
        f"</footer><script>{SCRIPT}</script></body></html>\n"
    )


def _subject(about: Mapping[str, Any]) -> str:
    kinds = {"identity": "no conversion", "given": "given conversions"}
    return str(about.get("weights") or kinds.get(str(about.get("conversion")), "shipped weights"))


def _description(evaluation: Evaluation, about: Mapping[str, Any]) -> str:
    kinds = {
        "engine": "the streaming engine",
        "model": "one offline step of the model",
        "identity": "no conversion: the floor",
        "given": "conversions that were given as recordings",
    }
    parts = [f"{len(evaluation.judged)} pairs"]
    if about.get("pairs_from"):
        parts[0] += f" from {about['pairs_from']}, seed {about.get('seed', 0)}"
    conversion = about.get("conversion")
    if conversion in kinds:
        parts.append(kinds[conversion])
    if conversion in ("engine", "model"):
        parts.append(_subject(about) + (f" ({about['fingerprint']})" if about.get("fingerprint") else ""))
        own = "the speaker's own voice" if about.get("own_voice") else "voices from recordings"
        parts.append("built-in voices" if about.get("presets") else own)
    if about.get("noise_db") is not None:
        parts.append(f"noise {about['noise_db']:g} dB below the speech")
    return "; ".join(parts) + "."
