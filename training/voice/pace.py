"""How many steps fit into the time: measured on the first ones, and looked at again after each."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

PROBE: Final = 4
"""Steps after which the speed is known well enough to plan. The first is left out: it makes room and loads code."""
FEW: Final = 40
"""Fewer steps than this hardly move a voice."""
JUDGING: Final = 16.0
"""What the judging on the held-out part takes, in steps of the fit: measured, 15 times the CPU time of a step."""

Clock = Callable[[], float]
"""Gives seconds that only grow."""


class Pace:
    """The plan of a fit.

    All wanted steps are planned unless the speed so far shows that they will not fit into the time; then as many as
    will. So the learning rate always comes to its end, and a fast machine makes the same voice every time.

    Args:
        wanted: steps without a limit.
        seconds: that the steps and what follows them may take, counted from now.
        clock: what time it is.
        after: time that is needed after the last step, in steps.
    """

    def __init__(self, wanted: int, seconds: float, clock: Clock = time.monotonic, after: float = JUDGING) -> None:
        self.wanted, self.limit, self.after = wanted, max(0.0, seconds), after
        self.planned, self.done = wanted, 0
        self._clock = clock
        self._begun = self._last = clock()
        self._measured_from = self._begun

    def step(self) -> None:
        """A step is done."""
        self.done += 1
        self._last = self._clock()
        if self.done == 1:
            self._measured_from = self._last
        if self.done >= PROBE:
            fitting = (self.limit - self.elapsed) / max(1e-9, self.step_seconds) - self.after
            self.planned = min(self.wanted, self.done + max(0, int(fitting)))
        if self.elapsed >= self.limit:
            self.planned = self.done

    @property
    def elapsed(self) -> float:
        """Seconds from the beginning to the end of the last step."""
        return self._last - self._begun

    @property
    def step_seconds(self) -> float:
        """Seconds of a step, the mean of all but the first; of the first where there is no other; 0 before that."""
        if self.done > 1:
            return (self._last - self._measured_from) / (self.done - 1)
        return self.elapsed

    @property
    def left(self) -> float:
        """Seconds that the planned steps, and what follows them, will still take."""
        return (self.planned - self.done + self.after) * self.step_seconds

    @property
    def gone(self) -> float:
        """How much of the plan is done, 0 to 1."""
        return self.done / self.planned

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self.done >= self.planned

    @property
    def limited(self) -> bool:
        """Whether the time allows fewer steps than were wanted."""
        return self.planned < self.wanted

    @property
    def all_seconds(self) -> float:
        """Seconds that all wanted steps, and what follows them, would have taken at the measured speed."""
        return (self.wanted + self.after) * self.step_seconds


def forecast(pace: Pace) -> str:
    """One line, once the speed is known: how long it takes, and what the limit does to it."""
    line = f"fit: {pace.step_seconds:.1f} s a step on this machine, about {minutes(pace.left)} for "
    if not pace.limited:
        return f"{line}all {pace.wanted} steps and the judging"
    return f"{line}{pace.planned} of {pace.wanted} steps and the judging: the time limit leaves out the others"


def outcome(pace: Pace, before: float) -> str:
    """One line at the end: the steps that were done, and what would have allowed all of them.

    `before` are the seconds that went by before the fit.
    """
    if not pace.limited:
        return f"fit: all {pace.wanted} steps in {minutes(pace.elapsed)}"
    few = ", too few to expect much" if pace.done < FEW else ""
    wanted = math.ceil(1.1 * (before + pace.all_seconds) / 60)
    return (
        f"fit: {pace.done} of {pace.wanted} steps in {minutes(pace.elapsed)}{few}: the time limit left out the others "
        f"(--minutes {wanted} would allow all of them, as would a machine with less other work)"
    )


def minutes(seconds: float) -> str:
    """Seconds for people: `50 s`, `3.5 minutes`."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} minutes"
