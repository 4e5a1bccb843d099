"""A voice between two others."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from streamvc.errors import PresetError
from streamvc.presets.checks import MAX_TEXT, Sex
from streamvc.presets.format import Preset, check_model


def blend(first: Preset, second: Preset, weight: float, name: str, description: str = "") -> Preset:
    """Mix two voices of one model: `weight` 0 is all `first`, 1 all `second`.

    - The latent goes along the arc between the two: its direction turns at a steady rate and its length is
      interpolated. Speech encoders end in a layer norm, so all latents that the decoder was trained on have one length,
      and the midpoint of a straight line between two unlike voices would be some 30 % shorter: a pale voice.
    - Mean and spread of ln(f0) are interpolated linearly. The decoder plays exp(mean + spread * whitened f0), so at
      every moment the blend's pitch is the geometric interpolation of the two voices' pitches: the same weight is the
      same musical interval in any register.
    - So are the defaults for pitch, formant shift and gain (semitones and dB are logarithmic already).
    - So is what voices that were fitted add to the decoder's modulation; one that was not fitted adds nothing.

    The meta names parents and weights, joins the licences with AND, and keeps both sources and consent notes.

    Raises:
        PresetError: the weight is not within 0 to 1, the voices are of different models, or the name is not safe.
    """
    if not (math.isfinite(weight) and 0.0 <= weight <= 1.0):
        raise PresetError(
            f"The weight of a blend must lie from 0 (all {first.name}) to 1 (all {second.name}), not at {weight:g}."
        )
    check_model(second, first.model)

    def mix(a: float, b: float) -> float:
        return (1.0 - weight) * a + weight * b

    share = f"{100 * (1 - weight):.3g} % {first.name}, {100 * weight:.3g} % {second.name}"
    sex: Sex = first.sex if first.sex == second.sex else "other"
    return Preset(
        name=name,
        latent=arc(first.latent, second.latent, weight),
        log_f0_mean=mix(first.log_f0_mean, second.log_f0_mean),
        log_f0_std=mix(first.log_f0_std, second.log_f0_std),
        model=first.model,
        description=description or f"Blend: {share}",
        source=_shortened(f"Blend of {share}; {_both(first.source, second.source)}"),
        licence=_licences(first.licence, second.licence),
        consent=_shortened(_both(first.consent, second.consent)),
        sex=sex,
        pitch=mix(first.pitch, second.pitch),
        formant=mix(first.formant, second.formant),
        gain=mix(first.gain, second.gain),
        created=max(first.created, second.created),
        parents=((first.name, 1.0 - weight), (second.name, weight)),
        adaptation=_between(first.adaptation, second.adaptation, weight),
    )


def arc(first: NDArray[np.float32], second: NDArray[np.float32], weight: float) -> NDArray[np.float32]:
    """Spherical interpolation between two vectors [n], with linear interpolation of their lengths (Shoemake 1985).

    Where the arc is not defined (a vector is zero, or the two point in opposite directions) the line takes its place.
    """
    a, b = first.astype(np.float64), second.astype(np.float64)
    length_a, length_b = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    line = (1.0 - weight) * a + weight * b
    if length_a == 0.0 or length_b == 0.0:
        return line.astype(np.float32)
    unit_a, unit_b = a / length_a, b / length_b
    # The angle by arctan2 stays exact where the vectors are nearly parallel, unlike the arc cosine of their product.
    angle = 2.0 * math.atan2(float(np.linalg.norm(unit_a - unit_b)), float(np.linalg.norm(unit_a + unit_b)))
    sine = math.sin(angle)
    if angle > math.pi - 1e-3:
        return line.astype(np.float32)
    if angle < 1e-6:
        direction = (1.0 - weight) * unit_a + weight * unit_b
    else:
        direction = (math.sin((1.0 - weight) * angle) * unit_a + math.sin(weight * angle) * unit_b) / sine
    length = (1.0 - weight) * length_a + weight * length_b
    return (length * direction).astype(np.float32)


def _between(
    first: NDArray[np.float32] | None, second: NDArray[np.float32] | None, weight: float
) -> NDArray[np.float32] | None:
    """Linear interpolation between two adaptations [n], where None stands for zeros."""
    if first is None and second is None:
        return None
    if first is not None and second is not None and first.shape != second.shape:
        raise PresetError(
            f"The two voices were fitted with {first.size} and {second.size} values: fit them anew, with one model."
        )
    total = np.zeros_like(second if first is None else first)
    for adaptation, part in ((first, 1.0 - weight), (second, weight)):
        if adaptation is not None:
            total += np.float32(part) * adaptation
    return total


def _both(first: str, second: str) -> str:
    return "; ".join(dict.fromkeys(part or "unknown" for part in (first, second)))


def _licences(first: str, second: str) -> str:
    """An SPDX expression that demands both: parts of an AND are not repeated, an OR goes in brackets."""
    parts: list[str] = []
    for licence in (first or "unknown", second or "unknown"):
        parts += [f"({licence})"] if " OR " in licence else licence.split(" AND ")
    return " AND ".join(dict.fromkeys(parts))


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
