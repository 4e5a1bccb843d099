"""Teachers and codebooks by the names that options give them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streamvc.errors import ConfigError
from streamvc.training.units.codebook import Codebook
from streamvc.training.units.source import ClusteredUnits
from streamvc.training.units.store import codebook_path


def load_teacher(
    audio: npt.NDArray[np.int16], name: str, model: str | None, device: str, layers: tuple[int, ...]
) -> Any:
    """A teacher over the audio of a packed corpus (`source.Teacher`).

    Raises:
        ConfigError: it has no such layer.
        RuntimeUnavailableError, CheckpointError: it, or the device, is not there.
    """
    from streamvc.training.units.extract import choose_device

    place = choose_device(device)
    teacher: Any
    if name == "hubert":
        from streamvc.training.units.hubert import MODEL, HubertTeacher, load_hubert, wants_normalised

        source = model or MODEL
        teacher = HubertTeacher(load_hubert(source), audio, wants_normalised(source), place)
    else:
        from streamvc.training.units.whisper import WhisperTeacher, load_encoder

        teacher = WhisperTeacher(load_encoder(), audio, place)
    if layers[0] < 0 or layers[-1] > teacher.depth:
        raise ConfigError(f"--layers of this {teacher.name} are from 0 to {teacher.depth}, not {list(layers)}.")
    return teacher


def units_of(teacher: Any, folder: Path, layers: tuple[int, ...]) -> ClusteredUnits:
    """The teacher with the codebooks of a corpus.

    Raises:
        CorpusError: a codebook is missing, damaged, or of another teacher.
    """
    return ClusteredUnits(teacher, layers, [_codebook(teacher, folder, layer) for layer in layers])


def load_units(
    folder: Path, audio: npt.NDArray[np.int16], name: str, model: str | None, device: str, layers: tuple[int, ...]
) -> ClusteredUnits:
    """Both at once; raises as they do."""
    return units_of(load_teacher(audio, name, model, device, layers), folder, layers)


def _codebook(teacher: Any, folder: Path, layer: int) -> Codebook:
    codebook = Codebook.load(codebook_path(folder, f"{teacher.name}{layer}"))
    codebook.check(f"{teacher.identity} layer {layer}", teacher.width)
    return codebook
