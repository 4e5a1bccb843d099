"""What the fields of a preset may be: each check returns the value in its plain form or raises `PresetError`."""

from __future__ import annotations

import math
from datetime import date
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from streamvc.config import LATENT_DIM
from streamvc.errors import PresetError
from streamvc.presets.names import NAME_RULE, is_safe_name

MAX_TEXT = 2000
"""Characters."""
MAX_PARENTS = 64

F0_MEAN_RANGE = (40.0, 800.0)
"""Hz; no speaking voice lies beyond it, and the models look for a pitch between 50 and 620 Hz."""
F0_STD_RANGE = (0.01, 1.5)
"""Natural log units; lively speech is near 0.25."""
LATENT_LIMIT = 1000.0
"""Largest magnitude of a latent's component; trained encoders stay far below, and a hostile file could overflow."""
MAX_ADAPTATION = 131_072
"""Values: 512 KiB, thirty times what the live model takes."""
ADAPTATION_LIMIT = 100.0
"""Largest magnitude of a value; scales and shifts of a trained model are about 1."""
GAIN_RANGE = (-60.0, 24.0)
"""dB."""

Sex = Literal["f", "m", "other", "unknown"]
SEXES: tuple[Sex, ...] = get_args(Sex)


def checked_latent(latent: object) -> NDArray[np.float32]:
    """A speaker latent as a read-only float32 copy, [64]: finite and no larger than `LATENT_LIMIT`."""
    try:
        array = np.array(latent, dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise PresetError(f"A latent must be {LATENT_DIM} numbers: pass a float32 array.") from error
    if array.shape != (LATENT_DIM,):
        raise PresetError(f"A latent must have the shape [{LATENT_DIM}], not {list(array.shape)}: pass one voice's.")
    if not np.isfinite(array).all():
        raise PresetError("The latent holds NaN or infinite numbers: make it anew from intact recordings.")
    if np.abs(array).max() > LATENT_LIMIT:
        raise PresetError(f"The latent holds numbers beyond {LATENT_LIMIT:g}: make it anew from intact recordings.")
    array.setflags(write=False)
    return array


def checked_adaptation(adaptation: object) -> NDArray[np.float32] | None:
    """None, or what a voice adds to the decoder's modulation, as a read-only float32 copy [n].

    Finite, no larger than `ADAPTATION_LIMIT`, and at most `MAX_ADAPTATION` values.
    """
    if adaptation is None:
        return None
    try:
        array = np.array(adaptation, dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise PresetError("An adaptation must be numbers: pass a float32 array.") from error
    if array.ndim != 1 or not 0 < array.size <= MAX_ADAPTATION:
        raise PresetError(
            f"An adaptation must have one axis of at most {MAX_ADAPTATION} values, not the shape {list(array.shape)}:"
            " fit the voice anew."
        )
    if not (np.abs(array) <= ADAPTATION_LIMIT).all():  # also refuses NaN
        raise PresetError(f"The adaptation holds NaN or numbers beyond {ADAPTATION_LIMIT:g}: fit the voice anew.")
    array.setflags(write=False)
    return array


def checked_f0_mean(value: object) -> float:
    """A mean of ln(f0 in Hz) within `F0_MEAN_RANGE`."""
    low, high = F0_MEAN_RANGE
    number = _number(value)
    if number is None or not math.log(low) <= number <= math.log(high):
        raise PresetError(
            f"The mean of ln(f0) must lie between ln({low:g} Hz) and ln({high:g} Hz), not at {shown(value)}:"
            " make the preset from clean speech of one person."
        )
    return number


def checked_f0_std(value: object) -> float:
    """A standard deviation of ln(f0) within `F0_STD_RANGE`."""
    low, high = F0_STD_RANGE
    number = _number(value)
    if number is None or not low <= number <= high:
        raise PresetError(
            f"The spread of ln(f0) must lie between {low:g} and {high:g}, not at {shown(value)}:"
            " make the preset from clean speech of one person."
        )
    return number


def checked_text(what: str, value: object) -> str:
    """One line of at most `MAX_TEXT` printable characters; may be empty."""
    # Control characters could rewrite the terminal that prints a list of presets.
    if not isinstance(value, str) or not value.isprintable() or len(value) > MAX_TEXT:
        raise PresetError(f"The {what} must be one printable line of at most {MAX_TEXT} characters: shorten it.")
    return value


def checked_range(what: str, value: object, limits: tuple[float, float], unit: str) -> float:
    """A number within `limits`, both included."""
    low, high = limits
    number = _number(value)
    if number is None or not low <= number <= high:
        raise PresetError(f"The {what} must lie from {low:g} to {high:g} {unit}, not at {shown(value)}: correct it.")
    return number


def checked_date(value: object) -> str:
    """An ISO date or nothing."""
    if value == "":
        return ""
    try:
        if isinstance(value, str):
            return date.fromisoformat(value).isoformat()
    except ValueError:
        pass
    raise PresetError(f"The creation date must look like 2026-01-31 or be empty, not {shown(value)}: correct it.")


def checked_sex(value: object) -> Sex:
    """One of `SEXES`."""
    for sex in SEXES:
        if value == sex:
            return sex
    raise PresetError(f"The sex of a voice must be one of {', '.join(SEXES)}, not {shown(value)}: choose one.")


def checked_name(value: object) -> str:
    """A name that is safe as a file name."""
    if not isinstance(value, str) or not is_safe_name(value):
        raise PresetError(f"The name {shown(value)} cannot be a preset's: {NAME_RULE}.")
    return value


def checked_fingerprint(value: object) -> str:
    """A model's fingerprint: any text but none."""
    if not checked_text("model fingerprint", value):
        raise PresetError("A preset needs the fingerprint of the model that made it: pass the runtime's.")
    return str(value)


def checked_parents(value: object) -> tuple[tuple[str, float], ...]:
    """Pairs of a name and a weight from 0 to 1, at most `MAX_PARENTS` of them."""
    if not isinstance(value, (tuple, list)) or len(value) > MAX_PARENTS:
        raise PresetError(f"The parents must be at most {MAX_PARENTS} pairs of a name and a weight: correct them.")
    checked = []
    for parent in value:
        if not isinstance(parent, (tuple, list)) or len(parent) != 2:
            raise PresetError(f"A parent must be a name and a weight, not {shown(parent)}: correct it.")
        name, weight = parent
        checked.append((checked_name(name), checked_range("weight of a parent", weight, (0.0, 1.0), "of the whole")))
    return tuple(checked)


def _number(value: object) -> float | None:
    """A finite number as float, or None; a bool is not a number here, and an int can be too large for a float."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def shown(value: object) -> str:
    """A value for an error message: escaped and short."""
    return f"{value!r:.40}"
