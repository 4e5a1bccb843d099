"""The preset: one voice as a small `.npz` file.

Contents of schema 1, all little-endian:

    latent.npy   float32 [64]   what the speech encoder makes of the voice
    log_f0.npy   float64 [2]    mean and standard deviation of ln(f0 in Hz) over voiced frames
    meta.npy     uint8 [bytes]  a JSON object in UTF-8: schema, name, model, and where the voice comes from

Schema 2 is that of a voice that was fitted (`svc train voice`), and adds

    adaptation.npy  float32 [n]  what the voice adds to the decoder's modulation; n depends on the model
    fitted          in the meta: what the voice was fitted on, and what that changed

A voice without these is written in schema 1, which older programs read. A later schema may add arrays within
`archive.MAX_BYTES`; a reader refuses a schema newer than its own instead of playing half a voice.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from streamvc.config import LATENT_DIM
from streamvc.controls import FORMANT_RANGE, PITCH_RANGE, Controls, Voice
from streamvc.errors import PresetError
from streamvc.presets.archive import MAX_BYTES, ArchiveError, pack, unpack
from streamvc.presets.checks import (
    GAIN_RANGE,
    Sex,
    checked_adaptation,
    checked_date,
    checked_f0_mean,
    checked_f0_std,
    checked_fingerprint,
    checked_latent,
    checked_name,
    checked_parents,
    checked_range,
    checked_sex,
    checked_text,
    shown,
)
from streamvc.presets.files import read_bounded, write_whole
from streamvc.presets.fitted import Fitted

SCHEMA = 2
"""The newest that this version reads."""
MAX_META = 64 * 1024

_ARRAYS = frozenset({"latent", "log_f0", "meta"})
_MAY_HAVE = frozenset({"adaptation"})


class _NewerSchemaError(PresetError):
    """The preset's schema is newer than this reader."""


@dataclass(frozen=True, eq=False)
class Preset:
    """A voice and what there is to know about it; invalid values raise `PresetError` on construction.

    Attributes:
        name: what a person types; safe as a file name.
        latent: float32 [64], read-only.
        log_f0_mean: mean of ln(f0 in Hz) over voiced frames.
        log_f0_std: standard deviation of the same, natural log units.
        model: fingerprint of the weights whose speech encoder made the latent.
        description: one line for lists.
        source: where the voice comes from (recordings, corpus, synthesiser, parents).
        licence: SPDX expression or name of the licence of the source; empty if unknown.
        consent: what the speaker agreed to, or why no consent is needed; empty if unknown.
        sex: "f", "m", "other" or "unknown".
        pitch: default shift of the target pitch in semitones, -24 to 24.
        formant: default shift of the formants in semitones, -4 to 4.
        gain: default output gain in dB, -60 to 24.
        created: ISO date, or empty.
        parents: for a blend, names of the voices in it with their weights.
        adaptation: float32 [n], read-only, what is added to the decoder's modulation (`streamvc.controls.Voice`); None
            for a voice that was not fitted, nor blended with one.
        fitted: how it was fitted; None if it was not.
    """

    name: str
    latent: NDArray[np.float32]
    log_f0_mean: float
    log_f0_std: float
    model: str
    description: str = ""
    source: str = ""
    licence: str = ""
    consent: str = ""
    sex: Sex = "unknown"
    pitch: float = 0.0
    formant: float = 0.0
    gain: float = 0.0
    created: str = ""
    parents: tuple[tuple[str, float], ...] = ()
    adaptation: NDArray[np.float32] | None = None
    fitted: Fitted | None = None

    def __post_init__(self) -> None:
        """Check every field and freeze the arrays; raises `PresetError`."""
        freeze = partial(object.__setattr__, self)
        freeze("name", checked_name(self.name))
        freeze("latent", checked_latent(self.latent))
        freeze("log_f0_mean", checked_f0_mean(self.log_f0_mean))
        freeze("log_f0_std", checked_f0_std(self.log_f0_std))
        freeze("model", checked_fingerprint(self.model))
        for field in ("description", "source", "licence", "consent"):
            freeze(field, checked_text(field, getattr(self, field)))
        freeze("sex", checked_sex(self.sex))
        freeze("pitch", checked_range("default pitch", self.pitch, PITCH_RANGE, "semitones"))
        freeze("formant", checked_range("default formant shift", self.formant, FORMANT_RANGE, "semitones"))
        freeze("gain", checked_range("default gain", self.gain, GAIN_RANGE, "dB"))
        freeze("created", checked_date(self.created))
        freeze("parents", checked_parents(self.parents))
        freeze("adaptation", checked_adaptation(self.adaptation))
        if not (self.fitted is None or isinstance(self.fitted, Fitted)):
            raise PresetError(f"How a voice was fitted is told by a Fitted, not by {shown(self.fitted)}: pass one.")

    def __eq__(self, other: object) -> bool:
        return self.to_bytes() == other.to_bytes() if isinstance(other, Preset) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.to_bytes())

    @property
    def f0_hz(self) -> float:
        """Geometric mean pitch, Hz."""
        return math.exp(self.log_f0_mean)

    @property
    def f0_range_hz(self) -> tuple[float, float]:
        """One standard deviation below and above the mean pitch, Hz: about two thirds of the voiced frames."""
        return math.exp(self.log_f0_mean - self.log_f0_std), math.exp(self.log_f0_mean + self.log_f0_std)

    def voice(self) -> Voice:
        """What the engine needs of the preset."""
        return Voice(self.latent, self.log_f0_mean, self.log_f0_std, self.adaptation)

    @property
    def schema(self) -> int:
        """Of the file: the oldest that can hold the voice."""
        return 1 if self.adaptation is None and self.fitted is None else 2

    def controls(self) -> Controls:
        """The preset's default pitch and formant shift."""
        return Controls(pitch_semitones=self.pitch, formant_semitones=self.formant)

    def meta(self) -> dict[str, Any]:
        """Everything but the arrays, as JSON types: the content of `meta.npy`."""
        plain = {field.name: getattr(self, field.name) for field in fields(self) if field.name in _META_KEYS}
        plain |= {"schema": self.schema, "parents": [list(parent) for parent in self.parents]}
        return plain if self.schema == 1 else plain | {"fitted": self.fitted and self.fitted.to_json()}

    def to_bytes(self) -> bytes:
        """The preset as `.npz` bytes; equal presets give equal bytes."""
        text = json.dumps(self.meta(), ensure_ascii=False, allow_nan=False, sort_keys=True)
        arrays: dict[str, NDArray[Any]] = {
            "latent": self.latent,
            "log_f0": np.array([self.log_f0_mean, self.log_f0_std], np.float64),
            "meta": np.frombuffer(text.encode(), np.uint8),
        }
        return pack(arrays if self.adaptation is None else arrays | {"adaptation": self.adaptation})

    @classmethod
    def from_bytes(cls, data: bytes, origin: str) -> Self:
        """Read a preset from `.npz` bytes; `origin` names them in errors.

        Never unpickles and never allocates more than `archive.MAX_BYTES`. Raises `PresetError`.
        """
        try:
            arrays = unpack(data)
            meta = _read_meta(arrays)
            _check_arrays(arrays, _MAY_HAVE if "fitted" in meta else frozenset())
            mean, std = (float(value) for value in arrays["log_f0"])
            return cls(
                latent=arrays["latent"], log_f0_mean=mean, log_f0_std=std, adaptation=arrays.get("adaptation"), **meta
            )
        except _NewerSchemaError:
            raise PresetError(f"{origin} was made by a newer version of StreamVC: update to use the preset.") from None
        except (ArchiveError, PresetError) as error:
            # The advice after the colon is for who fills in the fields, not for who got the file.
            why = str(error).partition(": ")[0].rstrip(".")
            raise PresetError(
                f"{origin} is not a usable preset ({why[:1].lower()}{why[1:]}): get an intact copy, or make it anew"
                " with `svc preset create NAME --from RECORDING`."
            ) from error

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the preset to `path` by way of a temporary file beside it; returns the path.

        Raises `OutputError` when the file exists and `overwrite` is false, or when it cannot be written.
        """
        target = Path(path)
        write_whole(target, self.to_bytes(), overwrite=overwrite)
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a preset file; raises `PresetError` for everything that is not an intact preset."""
        return cls.from_bytes(read_bounded(Path(path), MAX_BYTES), str(path))


def check_model(preset: Preset, fingerprint: str) -> None:
    """Refuse a preset whose latent another model's speech encoder made; raises `PresetError`.

    Latents of two trainings share nothing but their size: with the wrong one the voice would be arbitrary.
    """
    if preset.model != fingerprint:
        raise PresetError(
            f"The preset {preset.name!r} was made for another model ({preset.model[:12]}, this one is"
            f" {fingerprint[:12]}): re-create it with `svc preset create {_quoted(preset.name)} --from RECORDING"
            " --overwrite`, or load the weights that it was made with."
        )


_META_KEYS = frozenset(field.name for field in fields(Preset)) - {
    "latent", "log_f0_mean", "log_f0_std", "adaptation", "fitted"
}


def _quoted(name: str) -> str:
    return f"'{name}'" if " " in name else name


def _read_meta(arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    raw = arrays.get("meta")
    if raw is None:
        raise PresetError("the array 'meta' is missing")
    if raw.dtype != np.uint8 or raw.ndim != 1 or raw.size > MAX_META:
        raise PresetError(f"'meta' must be at most {MAX_META} bytes of JSON")
    try:
        meta = json.loads(raw.tobytes().decode())
    except (ValueError, RecursionError) as error:
        raise PresetError("'meta' is not valid JSON") from error
    if not isinstance(meta, dict):
        raise PresetError("'meta' is not a JSON object")
    schema = meta.pop("schema", None)
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise PresetError("'meta' has no schema number")
    if schema > SCHEMA:
        raise _NewerSchemaError("the schema is newer")
    wanted = _META_KEYS if schema == 1 else _META_KEYS | {"fitted"}
    missing = sorted(wanted - meta.keys())
    unknown = sorted(meta.keys() - wanted)
    if missing or unknown:
        wrong = f"lacks {missing[0]!r}" if missing else f"holds the unknown entry {unknown[0]!r:.40}"
        raise PresetError(f"'meta' {wrong}")
    if meta.get("fitted") is not None:
        meta["fitted"] = Fitted.from_json(meta["fitted"])
    return meta


def _check_arrays(arrays: dict[str, NDArray[Any]], may_have: frozenset[str]) -> None:
    missing = sorted(_ARRAYS - arrays.keys())
    unknown = sorted(arrays.keys() - _ARRAYS - may_have)
    if missing:
        raise PresetError(f"the array {missing[0]!r} is missing")
    if unknown:
        raise PresetError(f"it holds the unknown array {unknown[0]!r:.40}")
    for name, dtype, shape in (("latent", np.float32, (LATENT_DIM,)), ("log_f0", np.float64, (2,))):
        array = arrays[name]
        if array.dtype != dtype or array.shape != shape:
            wanted = np.dtype(dtype).name
            raise PresetError(f"{name!r} must be {wanted} {list(shape)}, not {array.dtype.name} {list(array.shape)}")
    if "adaptation" in arrays and arrays["adaptation"].dtype != np.float32:
        raise PresetError(f"'adaptation' must be float32, not {arrays['adaptation'].dtype.name}")
