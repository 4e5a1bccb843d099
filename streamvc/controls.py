"""What a listener may choose about the voice: who speaks, and how high, how large and how lively.

NumPy only, so that hosts, presets and the command line can use it without loading a model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from streamvc.config import LATENT_DIM
from streamvc.errors import ConfigError

N_CONTROLS: Final = 6
"""Length of the vector that `pack` returns and that every runtime takes beside the latent."""

PITCH_RANGE: Final = (-24.0, 24.0)
"""Semitones."""

FORMANT_RANGE: Final = (-4.0, 4.0)
"""Semitones."""

INTONATION_RANGE: Final = (0.0, 2.0)
"""Factor on the spread of the log f0 around its mean: 0 is a monotone, 1 the target's own liveliness."""

SOURCE_PITCH_RANGE: Final = (40.0, 1000.0)
"""Hz."""

_LOG_F0_RANGE: Final = (math.log(20.0), math.log(2000.0))
_LOG_F0_STD_RANGE: Final = (0.0, 2.0)


def in_range(name: str, value: object, limits: tuple[float, float], unit: str) -> float:
    """Return a setting as a float.

    Args:
        name: of the setting, for the message.
        value: anything; a `bool` is no number here.
        limits: lowest and highest value allowed.
        unit: what the message puts after the limits, with a space before it; or nothing.

    Raises:
        ConfigError: it is not a number, or out of its limits.
    """
    low, high = limits
    # bool is an int to Python, and `pitch_semitones=True` is a mistake.
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise ConfigError(f"{name} must be a number from {low:g} to {high:g}{unit}, not {value!r}.")
    number = float(value)
    if not low <= number <= high:  # also refuses NaN
        raise ConfigError(f"{name} must lie from {low:g} to {high:g}{unit}, not at {number:g}.")
    return number


@dataclass(frozen=True, eq=False)
class Voice:
    """A target speaker, as the decoder needs it.

    Args:
        latent: speaker latent, [64]; kept as a read-only float32 copy.
        log_f0_mean: mean of the speaker's natural log f0 (f0 in Hz) over voiced frames.
        log_f0_std: standard deviation of the same, at least 0.
        adaptation: what is added to all that the decoder's modulation makes of the latent, [n], n depending on the
            model; None adds nothing.

    Attributes:
        conditioning: what a runtime takes as the latent: the latent, and behind it the adaptation if there is one.

    Raises:
        ConfigError: the latent or the adaptation has another shape or holds NaN or infinity, or a statistic is out of
            range (a mean from 20 to 2000 Hz, a standard deviation from 0 to 2).
    """

    latent: npt.NDArray[np.float32]
    log_f0_mean: float
    log_f0_std: float
    adaptation: npt.NDArray[np.float32] | None = None
    conditioning: npt.NDArray[np.float32] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        try:
            latent = np.array(self.latent, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"A voice's latent must be an array of {LATENT_DIM} numbers.") from error
        if latent.shape != (LATENT_DIM,):
            raise ConfigError(f"A voice's latent must have the shape [{LATENT_DIM}], not {list(latent.shape)}.")
        if not np.isfinite(latent).all():
            raise ConfigError("A voice's latent must hold finite numbers only: create the preset again.")
        latent.setflags(write=False)
        object.__setattr__(self, "latent", latent)
        conditioning = latent
        if self.adaptation is not None:
            conditioning = np.concatenate((latent, _adaptation(self.adaptation)))
            conditioning.setflags(write=False)
            object.__setattr__(self, "adaptation", conditioning[LATENT_DIM:])
        object.__setattr__(self, "conditioning", conditioning)
        object.__setattr__(self, "log_f0_mean", in_range("log_f0_mean", self.log_f0_mean, _LOG_F0_RANGE, " (log Hz)"))
        object.__setattr__(self, "log_f0_std", in_range("log_f0_std", self.log_f0_std, _LOG_F0_STD_RANGE, " (log Hz)"))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Voice):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[bytes, float, float]:
        return self.conditioning.tobytes(), self.log_f0_mean, self.log_f0_std


def _adaptation(values: object) -> npt.NDArray[np.float32]:
    try:
        array = np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ConfigError("A voice's adaptation must be an array of numbers.") from error
    if array.ndim != 1 or not array.size:
        raise ConfigError(f"A voice's adaptation must have one axis, not the shape {list(array.shape)}.")
    if not np.isfinite(array).all():
        raise ConfigError("A voice's adaptation must hold finite numbers only: fit the voice again.")
    return array


@dataclass(frozen=True)
class Controls:
    """How the voice is played.

    Args:
        pitch_semitones: shift of the target f0, -24 to 24 semitones.
        formant_semitones: shift of the spectral envelope, -4 to 4 semitones (positive: a smaller speaker).
        intonation: factor on the movement of log f0 around its mean, 0 (monotone) to 2.
        source_pitch_hz: mean f0 of the source in Hz, 40 to 1000, that the whitening is locked to;
            None follows the source.

    Raises:
        ConfigError: a value is not a number or out of its range.
    """

    pitch_semitones: float = 0.0
    formant_semitones: float = 0.0
    intonation: float = 1.0
    source_pitch_hz: float | None = None

    def __post_init__(self) -> None:
        checked = {
            "pitch_semitones": in_range("pitch_semitones", self.pitch_semitones, PITCH_RANGE, " semitones"),
            "formant_semitones": in_range("formant_semitones", self.formant_semitones, FORMANT_RANGE, " semitones"),
            "intonation": in_range("intonation", self.intonation, INTONATION_RANGE, ""),
        }
        if self.source_pitch_hz is not None:
            checked["source_pitch_hz"] = in_range("source_pitch_hz", self.source_pitch_hz, SOURCE_PITCH_RANGE, " Hz")
        for name, value in checked.items():
            object.__setattr__(self, name, value)


def pack(voice: Voice, controls: Controls) -> npt.NDArray[np.float32]:
    """Put the numbers that steer the decoder, beside the latent, into one vector.

    Returns:
        float32 [6]: log_f0_mean, log_f0_std (natural log of Hz), pitch_semitones, formant_semitones, intonation,
        and the natural log of the locked source pitch in Hz, or 0.0 when the source is followed. (A locked pitch is
        at least 40 Hz, so 0.0 cannot be one.)
    """
    locked = 0.0 if controls.source_pitch_hz is None else math.log(controls.source_pitch_hz)
    return np.array(
        [
            voice.log_f0_mean,
            voice.log_f0_std,
            controls.pitch_semitones,
            controls.formant_semitones,
            controls.intonation,
            locked,
        ],
        dtype=np.float32,
    )
