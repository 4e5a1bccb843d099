"""How long the sound is under way, and why: the only place where latency is added up."""

from __future__ import annotations

from dataclasses import dataclass, fields

from streamvc.errors import ConfigError


@dataclass(frozen=True)
class LatencyReport:
    """Algorithmic latency in samples at `sample_rate`, part by part. Time to compute is no part of it.

    Args:
        framing: samples waited for until a model frame is full.
        look_ahead: future samples that the model needs for its output.
        resample_in: delay of the conversion from the host's rate to the model's.
        resample_out: delay of the conversion back.
        sample_rate: Hz, the rate in which all of these count.

    Raises:
        ConfigError: a part is negative or no integer, or the rate is not positive.
    """

    framing: int
    look_ahead: int
    resample_in: int = 0
    resample_out: int = 0
    sample_rate: int = 16_000

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ConfigError(f"{field.name} must be a whole number of at least 0, not {value!r}.")
        if self.sample_rate == 0:
            raise ConfigError("sample_rate must be at least 1 Hz.")

    @property
    def samples(self) -> int:
        """Samples at `sample_rate` from an input sample to the output sample that belongs to it."""
        return self.framing + self.look_ahead + self.resample_in + self.resample_out

    @property
    def ms(self) -> float:
        """The same in milliseconds."""
        return 1000.0 * self.samples / self.sample_rate

    def at(self, sample_rate: int) -> LatencyReport:
        """The same report counted in samples at another rate, each part rounded up to a whole sample.

        A host that waits for these samples never waits too short.

        Args:
            sample_rate: Hz, a positive integer.
        """

        def convert(samples: int) -> int:
            return -(-samples * sample_rate // self.sample_rate)

        return LatencyReport(
            framing=convert(self.framing),
            look_ahead=convert(self.look_ahead),
            resample_in=convert(self.resample_in),
            resample_out=convert(self.resample_out),
            sample_rate=sample_rate,
        )

    def __str__(self) -> str:
        parts = [("frame", self.framing), ("look-ahead", self.look_ahead)]
        if self.resample_in or self.resample_out:
            parts += [("resampling in", self.resample_in), ("resampling out", self.resample_out)]
        detail = " + ".join(f"{1000.0 * samples / self.sample_rate:.1f} {name}" for name, samples in parts)
        return f"{self.ms:.1f} ms ({detail}; {self.samples} samples at {self.sample_rate} Hz)"
