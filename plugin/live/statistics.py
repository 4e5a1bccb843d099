"""What a live session counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Statistics:
    """What a session has counted since it began; samples are of the session's rate.

    Attributes:
        fed: samples from the input.
        fetched: samples for the output.
        processed: samples that went through the processor.
        fill: samples under way at this moment.
        underruns: fetches that came short, each a hole in the output.
        missing: samples of silence in these holes.
        overruns: feeds and results that did not fit.
        lost: samples of them.
        cuts: how often the delay was cut back.
        cut: samples left out by that.
        busy_seconds: time spent in the processor.
        longest_seconds: in a single call of it.
    """

    fed: int = 0
    fetched: int = 0
    processed: int = 0
    fill: int = 0
    underruns: int = 0
    missing: int = 0
    overruns: int = 0
    lost: int = 0
    cuts: int = 0
    cut: int = 0
    busy_seconds: float = 0.0
    longest_seconds: float = 0.0

    def __add__(self, other: Statistics) -> Statistics:
        """The sum over two sessions, the later one on the right."""
        sums = {name: value + getattr(other, name) for name, value in vars(self).items()}
        longest = max(self.longest_seconds, other.longest_seconds)
        return Statistics(**{**sums, "fill": other.fill, "longest_seconds": longest})
