"""The result of a check, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamvc.config import SAMPLE_RATE
from streamvc.training.corpora.audit import Audit, Group
from streamvc.training.corpora.faults import CLIPPED

HEAD = (
    "CORPUS", "UTTERANCES", "HOURS", "SPEAKERS", "CLIPPED", ">4 KHZ", ">5.5 KHZ", ">7 KHZ", "SILENCE", "LEVEL",
)  # fmt: skip


def facts(group: Group) -> dict[str, Any]:
    """What was measured of a corpus: counts, medians in dB, the mean share of silence."""
    above = np.median([one.above for one in group.measured], axis=0)
    return {
        "corpus": group.name,
        "utterances": len(group.rows),
        "hours": round(sum(row.length for row in group.rows) / SAMPLE_RATE / 3600, 3),
        "speakers": len({row.speaker for row in group.rows}),
        "clipped": sum(one.pile > CLIPPED for one in group.measured),
        "above_4000_hz_db": round(float(above[0]), 1),
        "above_5500_hz_db": round(float(above[1]), 1),
        "above_7000_hz_db": round(float(above[2]), 1),
        "silence": round(float(np.mean([one.silence for one in group.measured])), 3),
        "level_dbfs": round(float(np.median([one.level for one in group.measured])), 1),
    }


def to_dict(audit: Audit) -> dict[str, Any]:
    """The whole result as one object; `ok` is whether the exit code is 0 without --strict."""
    return {
        "folder": str(audit.folder),
        "ok": not audit.failed(),
        "corpora": [facts(group) for group in audit.groups],
        "labels": [vars(one) for one in audit.labels],
        "findings": [vars(one) | {"examples": list(one.examples)} for one in audit.findings],
    }


def format_audit(audit: Audit) -> str:
    """A table of the corpora, a line for each file of labels, and the findings with an advice for each."""
    rows = [HEAD]
    for fact in map(facts, audit.groups):
        above = [f"{fact[f'above_{edge}_hz_db']:.0f} dB" for edge in (4000, 5500, 7000)]
        sizes = [str(fact["utterances"]), f"{fact['hours']:.2f}", str(fact["speakers"]), str(fact["clipped"])]
        silence, level = f"{100 * fact['silence']:.0f} %", f"{fact['level_dbfs']:.1f} dBFS"
        rows.append((fact["corpus"], *sizes, *above, silence, level))
    lines = [*_aligned(rows), ""]
    for one in audit.labels:
        if one.problem is None:
            lines.append(f"{one.name}: {one.classes} classes, {100 * one.share:.1f} % of all frames")
    for finding in audit.findings:
        lines.append(f"{finding.severity.capitalize()}: {finding.message}. {finding.advice}")
        lines += [f"    {name}" for name in finding.examples]
    counts = {kind: sum(one.severity == kind for one in audit.findings) for kind in ("error", "warning", "note")}
    said = ", ".join(f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in counts.items() if count)
    return "\n".join([*lines, f"{audit.folder}: {said or 'nothing is wrong'}"])


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Columns of equal width, the first to the left and numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
