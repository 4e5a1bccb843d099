"""What a listener may choose about levels: how much of the source stays, gains, the gate, and bypass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streamvc.controls import in_range
from streamvc.errors import ConfigError

MIX_RANGE: Final = (0.0, 1.0)
"""Share of the voice."""

GAIN_RANGE_DB: Final = (-60.0, 24.0)
"""Of both gains."""

GATE_RANGE_DB: Final = (-80.0, 0.0)
"""dBFS, of the gate's threshold."""

FADE_RANGE_MS: Final = (20.0, 500.0)
"""Of a change of voice and of bypass."""


@dataclass(frozen=True)
class Levels:
    """How the audio path around an engine is set.

    Args:
        mix: share of the voice in the output; 0 is the source alone, delayed as the voice is, 1 the voice alone;
            linear between.
        input_gain_db: what the engine hears, -60 to 24 dB. It changes neither the source that `mix` adds nor what the
            gate measures.
        output_gain_db: of the sum, -60 to 24 dB.
        gate_db: level of the input in dBFS (-80 to 0) below which the engine hears silence, see `LevelGate`; None for
            no gate. The source that `mix` adds is not gated.
        bypass: whether the output is the delayed source, without any gain; the engine goes on hearing.
        fade_ms: how long a change of `bypass` takes, 20 to 500 ms.

    Raises:
        ConfigError: a value has another type or is out of its range.
    """

    mix: float = 1.0
    input_gain_db: float = 0.0
    output_gain_db: float = 0.0
    gate_db: float | None = None
    bypass: bool = False
    fade_ms: float = 40.0

    def __post_init__(self) -> None:
        if not isinstance(self.bypass, bool):
            raise ConfigError(f"bypass must be True or False, not {self.bypass!r}.")
        checked = {
            "mix": in_range("mix", self.mix, MIX_RANGE, " (0 is the source alone)"),
            "input_gain_db": in_range("input_gain_db", self.input_gain_db, GAIN_RANGE_DB, " dB"),
            "output_gain_db": in_range("output_gain_db", self.output_gain_db, GAIN_RANGE_DB, " dB"),
            "fade_ms": in_range("fade_ms", self.fade_ms, FADE_RANGE_MS, " ms"),
        }
        if self.gate_db is not None:
            checked["gate_db"] = in_range("gate_db", self.gate_db, GATE_RANGE_DB, " dBFS")
        for name, value in checked.items():
            object.__setattr__(self, name, value)


def factor(gain_db: float) -> float:
    """The factor that a gain in dB stands for."""
    return float(10.0 ** (gain_db / 20.0))
