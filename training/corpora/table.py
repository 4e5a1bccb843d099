"""What a packed corpus holds, as a Markdown table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from streamvc.config import SAMPLE_RATE
from streamvc.training.corpora.base import Utterance

HEAD = ("corpus", "languages", "band", "utterances", "hours", "speakers", "over 3 min", "for validation (h)", "licence")


def table(rows: Sequence[Utterance]) -> str:
    """One line per corpus, in the order of the index, and a sum. Hours count the pauses inside utterances."""
    groups: dict[str, list[Utterance]] = defaultdict(list)
    for row in rows:
        groups[row.corpus].append(row)
    lines = [_line(HEAD), _line(["---"] * len(HEAD))]
    lines += [_line(_cells(name, group)) for name, group in groups.items()]
    return "\n".join([*lines, _line(_cells("all", rows))])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(name: str, rows: Sequence[Utterance]) -> list[str]:
    seconds: dict[str, float] = defaultdict(float)
    for row in rows:
        seconds[row.speaker] += row.length / SAMPLE_RATE
    languages = sorted({row.language for row in rows})
    licences = sorted({row.licence for row in rows})
    valid = sum(row.length for row in rows if row.split == "valid") / SAMPLE_RATE / 3600
    return [
        name,
        " ".join(languages) if len(languages) <= 5 else str(len(languages)),
        " ".join(sorted({row.band for row in rows})),
        str(len(rows)),
        f"{sum(seconds.values()) / 3600:.2f}",
        str(len(seconds)),
        str(sum(value >= 180 for value in seconds.values())),
        f"{valid:.2f}" if valid else "",
        "; ".join(licences) if name != "all" else "",
    ]
