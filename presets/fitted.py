"""How a voice was fitted to recordings, as its preset tells it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Self

from streamvc.errors import PresetError
from streamvc.presets.checks import checked_range, checked_text, shown

MAX_MEASURES = 16
_SECONDS = (0.0, 1e6)
_COUNT = (0, 10**9)
_SCORE = (-1e6, 1e6)


@dataclass(frozen=True)
class Fitted:
    """What a voice was fitted on, and what that changed; invalid values raise `PresetError` on construction.

    Args:
        seconds: of speech that the fit learnt from.
        held_out_seconds: of speech of the same person that it did not hear, and that decided whether it was kept.
        steps: of the optimiser.
        seed: of everything that was drawn.
        share: how much of the change that was found is in the preset, 0 to 1.
        measures: on the held-out speech: a name, the value without the fit and the value with it.
    """

    seconds: float
    held_out_seconds: float
    steps: int
    seed: int
    share: float
    measures: tuple[tuple[str, float, float], ...] = ()

    def __post_init__(self) -> None:
        freeze = partial(object.__setattr__, self)
        for name in ("seconds", "held_out_seconds"):
            freeze(name, checked_range(f"{name} of a fit", getattr(self, name), _SECONDS, "s"))
        for name in ("steps", "seed"):
            freeze(name, round(checked_range(f"{name} of a fit", getattr(self, name), _COUNT, "")))
        freeze("share", checked_range("share of a fit", self.share, (0.0, 1.0), "of the whole"))
        freeze("measures", _measures(self.measures))

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        return plain | {"measures": [list(measure) for measure in self.measures]}

    @classmethod
    def from_json(cls, values: object) -> Self:
        """The inverse of `to_json`; raises `PresetError` for anything else."""
        names = {field.name for field in fields(cls)}
        if not isinstance(values, dict) or values.keys() != names:
            raise PresetError(f"What a fit says of itself must have the entries {', '.join(sorted(names))}: fit anew.")
        return cls(**values)


def _measures(values: object) -> tuple[tuple[str, float, float], ...]:
    if not isinstance(values, (tuple, list)) or len(values) > MAX_MEASURES:
        raise PresetError(f"The measures of a fit must be at most {MAX_MEASURES} triples: fit anew.")
    checked: list[tuple[str, float, float]] = []
    for measure in values:
        if not isinstance(measure, (tuple, list)) or len(measure) != 3:
            raise PresetError(f"A measure of a fit must be a name and two numbers, not {shown(measure)}: fit anew.")
        before, after = (checked_range("measure of a fit", value, _SCORE, "") for value in measure[1:])
        checked.append((checked_text("measure of a fit", measure[0]), before, after))
    return tuple(checked)
