"""Decode any recording to 16 kHz mono float32."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streamvc.config import SAMPLE_RATE
from streamvc.errors import CorpusError
from streamvc.presets.files import reason
from streamvc.training.corpora.base import Recording
from streamvc.training.corpora.rnc import MAGIC, unpack

Samples = npt.NDArray[np.float32]


def _soundfile(source: Path | io.BytesIO, name: str) -> tuple[Samples, int]:
    import soundfile

    try:
        with soundfile.SoundFile(source) as file:
            samples = file.read(dtype="float32", always_2d=True)
            rate, promised = int(file.samplerate), file.frames if file.format == "FLAC" else 0
    # TypeError is soundfile's for a headerless .raw file
    except (soundfile.SoundFileError, TypeError) as error:
        raise CorpusError(f"{name} cannot be read as audio ({error}); fetch it again or leave it out.") from error
    if len(samples) < promised:
        raise CorpusError(
            f"{name} ends after {len(samples)} of its {promised} samples; fetch it again or leave it out."
        )
    return samples.mean(axis=1), rate


def _source(recording: Recording) -> Path | io.BytesIO:
    return recording.path if recording.data is None else io.BytesIO(recording.data)


def read_soundfile(recording: Recording) -> tuple[Samples, int]:
    """Anything that libsndfile knows: WAV, FLAC, Ogg Vorbis, Ogg Opus, MP3."""
    return _soundfile(_source(recording), str(recording.path))


def read_any(recording: Recording) -> tuple[Samples, int]:
    """Anything that libsndfile or FFmpeg knows: the other formats of data sets, such as M4A and WebM."""
    try:
        return read_soundfile(recording)
    except CorpusError:
        if importlib.util.find_spec("av") is None:
            raise
        return _av(recording, None)


def read_g722(recording: Recording) -> tuple[Samples, int]:
    """A headerless stream of ITU-T G.722 at 64 kbit/s, 16 kHz."""
    return _av(recording, "g722")


def _av(recording: Recording, form: str | None) -> tuple[Samples, int]:
    try:
        import av
    except ImportError as error:
        raise CorpusError(f"reading {recording.path} needs PyAV; install it with `pip install av`.") from error
    blocks: list[npt.NDArray[np.float32]] = []
    source = _source(recording)
    try:
        with av.open(str(source) if isinstance(source, Path) else source, "r", format=form) as container:
            rate = 16_000
            for frame in container.decode(audio=0):
                rate = int(frame.sample_rate)
                blocks.append(_mono(frame.to_ndarray(), len(frame.layout.channels), frame.format.is_planar))
    # IndexError: the container has no audio
    except (av.error.FFmpegError, IndexError) as error:
        if form == "g722" and not recording.data and recording.path.stat().st_size == 0:
            return np.zeros(0, dtype=np.float32), 16_000  # some prompts of Asterisk are empty files
        raise CorpusError(
            f"{recording.path} cannot be read as audio ({error}); fetch it again or leave it out."
        ) from error
    return (np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.float32)), rate


def _mono(block: npt.NDArray[Any], channels: int, planar: bool) -> Samples:
    """The mean of the channels, scaled to +-1: [channels, samples] where planar, else [1, samples x channels]."""
    if not planar:
        block = block.reshape(-1, channels).T
    mixed = block.astype(np.float32).mean(axis=0)
    if block.dtype == np.uint8:
        return np.asarray((mixed - 128.0) / 128.0, np.float32)
    return np.asarray(mixed / (np.iinfo(block.dtype).max + 1.0) if block.dtype.kind == "i" else mixed, np.float32)


def _member(recording: Recording) -> bytes:
    if recording.member is None:
        raise CorpusError(f"{recording.path} is read with {recording.reader}, which needs the place of a member.")
    offset, size = recording.member
    try:
        with recording.path.open("rb") as file:
            file.seek(offset)
            data = file.read(size)
    except OSError as error:
        raise CorpusError(f"{recording.path} cannot be read ({reason(error)}); check its permissions.") from error
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
    "any": read_any,
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
    if recording.data is None and not recording.path.is_file():
        raise CorpusError(f"{recording.path} is missing; fetch the corpus again or leave it out.")
    samples, rate = READERS[recording.reader](recording)
    if not np.isfinite(samples).all():
        raise CorpusError(f"{recording.path} holds samples that are not finite numbers; leave it out.")
    if rate != SAMPLE_RATE and samples.size:
        import soxr

        samples = soxr.resample(samples, rate, SAMPLE_RATE, quality="VHQ")
    return np.asarray(samples, dtype=np.float32)
