"""Decode any recording to 16 kHz mono float32."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streamvc.config import SAMPLE_RATE
from streamvc.errors import CorpusError
from streamvc.training.corpora.base import Recording
from streamvc.training.corpora.rnc import MAGIC, unpack

Samples = npt.NDArray[np.float32]


def _soundfile(source: Path | io.BytesIO, name: str) -> tuple[Samples, int]:
    import soundfile

    try:
        samples, rate = soundfile.read(source, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise CorpusError(
            f"{name} cannot be read as audio ({error}); fetch the corpus again or leave it out."
        ) from error
    return samples.mean(axis=1), int(rate)


def read_soundfile(recording: Recording) -> tuple[Samples, int]:
    """Anything that libsndfile knows: WAV, FLAC, Ogg Vorbis, Ogg Opus, MP3."""
    return _soundfile(recording.path, str(recording.path))


def read_g722(recording: Recording) -> tuple[Samples, int]:
    """A headerless stream of ITU-T G.722 at 64 kbit/s, 16 kHz."""
    try:
        import av
    except ImportError as error:
        raise CorpusError("reading G.722 needs PyAV; install it with `pip install av`.") from error
    blocks: list[npt.NDArray[Any]] = []
    with av.open(str(recording.path), format="g722") as container:
        for frame in container.decode(audio=0):
            blocks.append(frame.to_ndarray().reshape(-1))
    if not blocks:  # some prompts of Asterisk are empty files
        return np.zeros(0, dtype=np.float32), 16_000
    return np.concatenate(blocks).astype(np.float32) / 32768.0, 16_000


def _member(recording: Recording) -> bytes:
    if recording.member is None:
        raise CorpusError(f"{recording.path} is read with {recording.reader}, which needs the place of a member.")
    offset, size = recording.member
    with recording.path.open("rb") as file:
        file.seek(offset)
        data = file.read(size)
    if len(data) != size:
        raise CorpusError(f"{recording.path} ends before its member at byte {offset}; fetch the corpus again.")
    return data


def read_member(recording: Recording) -> tuple[Samples, int]:
    """A member of an archive that is itself a file for libsndfile."""
    return _soundfile(io.BytesIO(_member(recording)), f"{recording.path} at byte {recording.member}")


def read_sky(recording: Recording) -> tuple[Samples, int]:
    """A member of Beneath a Steel Sky: a header of 22 bytes, then unsigned 8-bit samples, often packed with RNC."""
    data = _member(recording)
    body = data[22:]
    return _unsigned(unpack(body) if body[:4] == MAGIC else body), 11_025


def _unsigned(data: bytes) -> Samples:
    return np.asarray((np.frombuffer(data, dtype=np.uint8).astype(np.float32) - 128.0) / 128.0)


def read_pcm_u8(recording: Recording) -> tuple[Samples, int]:
    """A member of raw unsigned 8-bit samples at 11025 Hz, as in adventure games of the 1990s."""
    return _unsigned(_member(recording)), 11_025


READERS: dict[str, Callable[[Recording], tuple[Samples, int]]] = {
    "soundfile": read_soundfile,
    "g722": read_g722,
    "member": read_member,
    "pcm-u8": read_pcm_u8,
    "sky": read_sky,
}


def load(recording: Recording) -> Samples:
    """The whole recording, mono, float32, at 16 kHz ([samples]).

    Raises:
        CorpusError: the file is missing, cannot be decoded, or holds samples that are not finite.
    """
    if not recording.path.is_file():
        raise CorpusError(f"{recording.path} is missing; fetch the corpus again or leave it out.")
    samples, rate = READERS[recording.reader](recording)
    if not np.isfinite(samples).all():
        raise CorpusError(f"{recording.path} holds samples that are not finite numbers; leave it out.")
    if rate != SAMPLE_RATE and samples.size:
        import soxr

        samples = soxr.resample(samples, rate, SAMPLE_RATE, quality="VHQ")
    return np.asarray(samples, dtype=np.float32)
