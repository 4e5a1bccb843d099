"""Sound inside a page: a wave as the text of a `data:` address."""

from __future__ import annotations

import base64
import io
from typing import Any, Final, Literal

import numpy as np

from streamvc.config import SAMPLE_RATE
from streamvc.training.evaluation.optional import require
from streamvc.training.evaluation.pairs import Wave

Coding = Literal["opus", "flac"]
MEASURE: Final = "nothing, but to write the sound of the report"

# About 58 kbit/s at 16 kHz mono, where Opus leaves nothing to hear; libsndfile's default would be 29.
_OPUS_LEVEL: Final = 0.8


def data_address(wave: Wave, coding: Coding = "opus") -> str:
    """`wave` [samples] at 16 kHz as a `data:` address of Ogg Opus (lossy) or FLAC (16 bits).

    Samples beyond full scale are limited to it, and those that are not finite become silence.

    Raises:
        RuntimeUnavailableError: soundfile is not installed.
    """
    soundfile: Any = require("soundfile", MEASURE)
    samples = np.clip(np.nan_to_num(wave, nan=0.0, posinf=0.0, neginf=0.0), -1.0, 1.0).astype(np.float32)
    buffer = io.BytesIO()
    if coding == "opus":
        soundfile.write(buffer, samples, SAMPLE_RATE, format="OGG", subtype="OPUS", compression_level=_OPUS_LEVEL)
    else:
        soundfile.write(buffer, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    kind = "audio/ogg; codecs=opus" if coding == "opus" else "audio/flac"
    return f"data:{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
