"""Groups of pairs, for the question on which voices a conversion is weak: by corpus, sex and pitch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from streamvc.training.evaluation.runner import Judged

PITCH_BANDS: Final = ((0.0, 140.0, "below 140 Hz"), (140.0, 190.0, "140 to 190 Hz"), (190.0, 1e9, "above 190 Hz"))
"""Bands of the median f0 in Hz. Most men lie in the first and most women in the last."""

_KINDS: Final = (r"sex ", r"\w+ sex ", r"source pitch ", r"target pitch ", r"\w+ corpus ", r"words ")


def group_names(one: Judged) -> tuple[str, ...]:
    """The groups that a pair belongs to; a sex that is not known is called `unknown`."""
    pair = one.pair
    source, target = pair.source_sex or "unknown", pair.target_sex or "unknown"
    names = [
        f"sex {source} to {target}",
        f"source sex {source}",
        f"target sex {target}",
    ]
    for side, hertz in (("source", one.source_f0), ("target", one.target_f0)):
        bands = [name for low, high, name in PITCH_BANDS if hertz is not None and low <= hertz < high]
        names += [f"{side} pitch {name}" for name in bands]
    corpora = (("source", pair.source_corpus), ("target", pair.target_corpus))
    names += [f"{side} corpus {corpus or 'unnamed'}" for side, corpus in corpora]
    if one.converted.text_errors is not None:
        names.append("words against the text" if one.written else "words against the transcript")
    return tuple(names)


def groups(judged: Iterable[Judged]) -> dict[str, Callable[[Judged], bool]]:
    """Every group that at least one of the pairs belongs to, with the test that tells who does.

    Sorted by kind (both sexes, one, pitch, corpus, what words are held against), then by name, bands of pitch from low
    to high.
    """
    names = {name for one in judged for name in group_names(one)}
    return {name: _member(name) for name in sorted(names, key=_order)}


def _order(name: str) -> tuple[int, int, str]:
    kind = next(number for number, words in enumerate(_KINDS) if re.match(words, name))
    band = next((number for number, (_, _, words) in enumerate(PITCH_BANDS) if name.endswith(words)), 0)
    return kind, band if " pitch " in name else 0, name


def _member(name: str) -> Callable[[Judged], bool]:
    return lambda one: name in group_names(one)
