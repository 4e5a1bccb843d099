"""Keep what was converted, to listen to."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from streamvc.config import SAMPLE_RATE
from streamvc.errors import OutputError
from streamvc.presets.files import write_whole
from streamvc.training.evaluation.optional import require
from streamvc.training.evaluation.pairs import Pair, Wave


def save_waves(folder: Path, pairs: Sequence[Pair], converted: Sequence[Wave]) -> None:
    """Write, for every pair, `NN-source.wav`, `NN-target.wav` and `NN-converted.wav` (16 bits) and a list of names.

    Raises:
        OutputError: the folder or a file cannot be written.
        RuntimeUnavailableError: soundfile is not installed.
    """
    soundfile = require("soundfile", "conversions by ear")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder} cannot be made ({error.strerror}): choose another.") from error
    names = []
    for number, (pair, wave) in enumerate(zip(pairs, converted, strict=True)):
        stem = f"{number:02d}"
        names.append(f"{stem} {pair.name}")
        for what, samples in (("source", pair.input), ("target", pair.reference), ("converted", wave)):
            buffer = io.BytesIO()
            soundfile.write(buffer, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")
            write_whole(folder / f"{stem}-{what}.wav", buffer.getvalue(), overwrite=True)
    write_whole(folder / "pairs.txt", ("\n".join(names) + "\n").encode(), overwrite=True)
