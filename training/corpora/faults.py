"""What is wrong with a corpus that has been measured, how much that matters, and what to do about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from streamvc.config import SAMPLE_RATE
from streamvc.training.corpora.base import Utterance
from streamvc.training.corpora.condition import Conditioning
from streamvc.training.corpora.labels import Coverage
from streamvc.training.corpora.measure import Measured

Severity = Literal["error", "warning", "note"]

CLIPPED = 0.13
"""`Measured.pile` of clipped speech: reached when about 1 % of the samples are cut off."""
NARROW = -65.0
"""Energy above an edge, dB, that is as good as none."""
SILENT = 0.5
"""Share of an utterance without speech."""
LOUDNESS = 6.0
"""Decibels from the level that packing aims at."""
TINY = 20.0
"""Seconds of a speaker from whom little can be learnt."""
TOO_MANY = 0.05
"""Share of utterances from which on a fault is an error."""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, of how much, and what to do about it."""

    name: str
    severity: Severity
    count: int
    message: str
    advice: str
    examples: tuple[str, ...] = ()


def of_utterances(rows: Sequence[Utterance], measured: Sequence[Measured], examples: int) -> Iterator[Finding]:
    """Clipping, bandwidth, silence and loudness."""
    level = Conditioning().level
    pairs = list(zip(rows, measured, strict=True))

    def found(
        name: str, wrong: Callable[[Utterance, Measured], bool], message: str, advice: str, many: float = TOO_MANY
    ) -> Iterator[Finding]:
        names = [row.id for row, one in pairs if wrong(row, one)]
        if names:
            severity: Severity = "error" if len(names) > many * len(rows) else "warning"
            share = f"{len(names)} of {len(rows)} utterances"
            yield Finding(name, severity, len(names), f"{share} {message}", advice, tuple(names[:examples]))

    yield from found(
        "clipping", lambda _, one: one.pile > CLIPPED, "sound clipped",
        "Record them again at a lower gain, or leave them out: a decoder learns the distortion as a part of the voice.",
    )  # fmt: skip
    yield from found(
        "bandwidth", lambda row, one: row.band == "wide" and one.above[1] < NARROW,
        "are marked as wide but hold nothing above 5.5 kHz",
        "Set band = \"narrow\" for their source, so that they teach content only and no dull voice.",
    )  # fmt: skip
    yield from found(
        "silence", lambda _, one: one.silence > SILENT, "are silent for more than half of their time",
        "Cut long pauses out of the recordings, or leave these out: they teach nothing and cost as much as speech.",
        0.2,
    )  # fmt: skip
    yield from found(
        "loudness", lambda _, one: abs(one.level - level) > LOUDNESS,
        f"are more than {LOUDNESS:g} dB from {level:g} dBFS",
        "Look for clicks, which keep the rest quiet, in the recordings, and remove the clicks or the recordings.",
    )  # fmt: skip


def of_copies(
    rows: Sequence[Utterance], measured: Sequence[Measured], near: Sequence[tuple[int, int]], examples: int
) -> Iterator[Finding]:
    """Equal samples, and pairs `near` that sound alike; worse where a copy is held out and the other is not."""
    first: dict[bytes, int] = {}
    equal: list[tuple[int, int]] = []
    for number, one in enumerate(measured):
        if one.digest in first:
            equal.append((first[one.digest], number))
        else:
            first[one.digest] = number
    similar = [(a, b) for a, b in near if measured[a].digest != measured[b].digest]
    for name, pairs, message in (
        ("duplicates", equal, "are equal to an earlier one"),
        ("near-duplicates", similar, "sound like another one or a part of it"),
    ):
        copies = {b for _, b in pairs}
        leaks = [(a, b) for a, b in pairs if rows[a].split != rows[b].split]
        if leaks:
            yield Finding(
                f"{name}-across-splits", "error", len(leaks),
                f"{len(leaks)} pairs of utterances, one for training and one for validation, are the same sound",
                "Leave one of each pair out, because a measurement on what was trained on is worth nothing.",
                tuple(f"{rows[a].id} = {rows[b].id}" for a, b in leaks[:examples]),
            )  # fmt: skip
        if copies:
            yield Finding(
                name, "error" if len(copies) > TOO_MANY * len(rows) else "warning", len(copies),
                f"{len(copies)} of {len(rows)} utterances {message}",
                "Leave the copies out, or accept that training sees them more often.",
                tuple(f"{rows[a].id} = {rows[b].id}" for a, b in pairs[:examples]),
            )  # fmt: skip


def of_speakers(rows: Sequence[Utterance], examples: int) -> Iterator[Finding]:
    """Tiny ones, ones in both splits, and a split without any."""
    seconds: dict[str, float] = defaultdict(float)
    splits: dict[str, set[str]] = defaultdict(set)
    count: dict[str, int] = defaultdict(int)
    for row in rows:
        seconds[row.speaker] += row.length / SAMPLE_RATE
        splits[row.speaker].add(row.split)
        count[row.speaker] += 1
    tiny = [name for name in seconds if seconds[name] < TINY or count[name] < 2]
    if tiny:
        hours = sum(seconds[name] for name in tiny) / 3600
        yield Finding(
            "tiny-speakers", "warning", len(tiny),
            f"{len(tiny)} of {len(seconds)} speakers have less than {TINY:g} s or one utterance ({hours:.2f} h in all)",
            "Join speakers who are one person under one name, record more of them, or accept that their voices are "
            "hardly learnt.",
            tuple(tiny[:examples]),
        )  # fmt: skip
    both = [name for name in splits if len(splits[name]) > 1]
    if both:
        yield Finding(
            "speakers-across-splits", "error", len(both),
            f"{len(both)} speakers are both trained on and validated on",
            "Put each speaker into one split only, because unseen voices are what validation measures.",
            tuple(both[:examples]),
        )  # fmt: skip
    for split, severity, advice in (
        ("train", "error", "Take speakers off the list of those held out."),
        ("valid", "warning", "Hold some speakers out: `valid = [...]` in the corpus.toml of a folder does it."),
    ):
        if not any(row.split == split for row in rows):
            use = "train on" if split == "train" else "measure a training with"
            yield Finding(f"no-{split}", severity, 0, f"no speaker is there to {use}", advice)  # type: ignore[arg-type]


def of_labels(rows: Sequence[Utterance], labels: Sequence[Coverage], examples: int) -> Iterator[Finding]:
    """Missing or unsound labels, texts and licences."""
    for one in labels:
        if one.problem is not None:
            yield Finding(
                "labels", "error", 1, f"{one.name} {one.problem}", "Delete it and run `svc train units label` again."
            )
    units = [one for one in labels if one.problem is None and one.name.startswith("units-")]
    if not units and not any(one.problem for one in labels):
        yield Finding(
            "labels", "warning", len(rows), "there are no content units", "Run `svc train units label` before training."
        )
    for one in units:
        if one.missing:
            yield Finding(
                "labels", "warning", one.missing, f"{one.name} lacks {one.missing} of {len(rows)} utterances",
                "Run `svc train units label` again, which labels what is missing.",
            )  # fmt: skip
    silent_rows = [row for row in rows if row.language.startswith("en") and row.text is None]
    if silent_rows:
        yield Finding(
            "text", "note", len(silent_rows), f"{len(silent_rows)} English utterances have no text",
            "Give texts beside the recordings where they are known: they are needed for phone labels only.",
            tuple(row.id for row in silent_rows[:examples]),
        )  # fmt: skip
    unlicensed = sorted({row.corpus for row in rows if row.licence in {"", "unknown"}})
    if unlicensed:
        yield Finding(
            "licence", "warning", len(unlicensed), f"the licence of {', '.join(unlicensed)} is unknown",
            "Find out whether these recordings may be used, and set `licence` for their source.", tuple(unlicensed),
        )  # fmt: skip
