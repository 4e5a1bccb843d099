"""Targets whose recording the voice maker refuses: judged as silence, because failing must not pay."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streamvc.errors import AudioError
from streamvc.training.evaluation.pairs import Wave
from streamvc.training.evaluation.runner import Convert


class SilentWhereRefused:
    """A conversion that gives silence, the worst value of every measure, where the target's recording is refused.

    Args:
        convert: the conversion.
        tell: called with a line of text for each refusal.
    """

    def __init__(self, convert: Convert, tell: Callable[[str], None]) -> None:
        self.convert, self._tell = convert, tell
        self.reasons: list[str] = []
        """Why, one sentence for each refusal."""

    def __call__(self, source: Wave, target: Wave | str, /) -> Wave:
        """Convert `source` [samples], or give as many zeros."""
        try:
            return self.convert(source, target)
        except AudioError as error:
            self.refuse(str(error))
            return np.zeros(source.size, dtype=np.float32)

    def refuse(self, reason: str) -> None:
        """Note a refusal."""
        self.reasons.append(reason)
        self._tell(f"refused, judged as silence: {reason}")
