"""Cheap synthetic English in one voice, from the package hibari-tts: content for the encoder, no new speaker."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from streamvc.config import SAMPLE_RATE
from streamvc.errors import CorpusError, RuntimeUnavailableError

SETTINGS = """name = "hibari"
language = "en"
licence = "Apache-2.0 (voice), public domain (text)"
sex = { heart = "f" }
"""


def speak(sentences: Sequence[str], out: Path, minutes: float, say: Callable[[str], None] = lambda _: None) -> float:
    """Speak sentences in turn until there are `minutes` of audio; what was spoken before is kept.

    Writes `out/heart/NNNN.flac` (16 kHz) with `NNNN.txt`, and `out/corpus.toml`, for the source `folder`. The speed
    varies from 0.88 to 1.15, by the number of the sentence.

    Returns:
        Minutes of audio that `out` holds.

    Raises:
        RuntimeUnavailableError: hibari-tts is not installed.
        CorpusError: the sentences run out first.
    """
    try:
        from hibari import Hibari
    except ImportError as error:
        raise RuntimeUnavailableError(
            "speaking sentences needs hibari-tts; install it with `pip install hibari-tts`."
        ) from error
    import soundfile
    import soxr

    voice = Hibari()
    folder = out / "heart"
    folder.mkdir(parents=True, exist_ok=True)
    seconds = 0.0
    for number, sentence in enumerate(sentences):
        path = folder / f"{number:04d}.flac"
        if not path.is_file():
            speed = float(np.random.default_rng(number).uniform(0.88, 1.15))
            spoken = np.asarray(voice(sentence, speed=speed), dtype=np.float32).ravel()
            samples = soxr.resample(spoken, voice.sample_rate, SAMPLE_RATE, quality="VHQ")
            path.with_suffix(".txt").write_text(sentence + "\n", encoding="utf-8")
            temporary = folder / f".{path.name}.{os.getpid()}"
            soundfile.write(temporary, np.clip(samples, -1, 1), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
            temporary.replace(path)
        seconds += float(soundfile.info(path).duration)
        if seconds >= 60 * minutes:
            break
    else:
        raise CorpusError(
            f"{len(sentences)} sentences give {seconds / 60:.1f} minutes, not {minutes:g}; give more or ask for less."
        )
    (out / "corpus.toml").write_text(SETTINGS, encoding="utf-8")
    say(f"{out}: {seconds / 60:.1f} minutes")
    return seconds / 60
