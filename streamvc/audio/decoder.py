"""The child process that decodes: `python decoder.py KIND < FILE > SAMPLES`.

It runs other people's native code over bytes that nobody has checked, so it may die, hang or go wrong, and its parent
(`child.py`) has to live with that. What it writes:

    one line of JSON      rate, channels, frames (null: unknown), sample_type, tags
    blocks                4 bytes of length, little-endian, then so many bytes of float32, channels interleaved
    4 bytes of 0          the end, and then
    one line of JSON      error (null: none), notes

Instead of the first line there may be one with nothing but `error` and perhaps `extra`.
"""

from __future__ import annotations

import json
import mmap
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from streamvc.audio.mp3 import Run, Walk

BLOCK: Final = 16_384
_MEMORY: Final = 4 << 30
_TAGS: Final = ("title", "artist", "album", "date", "comment", "copyright", "tracknumber", "genre", "license")


class DecodeError(Exception):
    """Why a file cannot be decoded, without its name: "cannot be decoded to its end: copy it again"."""


class Opened(NamedTuple):
    """A file that a library has accepted."""

    rate: int
    channels: int
    frames: int | None
    sample_type: str
    tags: dict[str, str]
    blocks: Iterator[NDArray[np.float32]]
    """Float32 [n, channels]."""
    notes: list[str]


def main(kind: str) -> None:
    """Decode what is at standard input.

    Args:
        kind: "sound" for what libsndfile reads, "mp3", "media" for what FFmpeg reads, "container" for what either may
            read, "any" to try them in turn.
    """
    _limit_memory()
    out = os.fdopen(os.dup(1), "wb", buffering=1 << 17)
    try:
        opened = _open(kind)
    except DecodeError as error:
        extra = isinstance(error, _ExtraNeeded)
        _line(out, {"error": str(error), "extra": extra})
        return
    rate, channels, frames, sample_type, tags, blocks, notes = opened
    _line(out, {"rate": rate, "channels": channels, "frames": frames, "sample_type": sample_type, "tags": tags})
    error_text = None
    try:
        for block in blocks:
            data = block.astype("<f4", copy=False).tobytes()
            if data:
                out.write(len(data).to_bytes(4, "little"))
                out.write(data)
    except DecodeError as error:
        error_text = str(error)
    out.write(bytes(4))
    _line(out, {"error": error_text, "notes": notes})


class _ExtraNeeded(DecodeError):
    """Only a package that is not installed could read it."""


def _line(out: BinaryIO, values: dict[str, Any]) -> None:
    out.write(json.dumps(values).encode("ascii") + b"\n")
    out.flush()


def _limit_memory() -> None:
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
        # A decoder that dies is reported by its parent, and leaves no core file behind.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _open(kind: str) -> Opened:
    openers: dict[str, tuple[Callable[[], Opened], ...]] = {
        "sound": (open_sound, open_media),
        "container": (open_sound, open_media),
        "mp3": (open_mp3, open_media),
        "media": (open_media,),
        "any": (open_sound, open_mp3, open_media),
    }
    refused: DecodeError | None = None
    for opener in openers[kind]:
        try:
            return opener()
        except _ExtraNeeded:
            # Worth saying only of what such a package usually reads.
            if kind in ("media", "container"):
                raise
        except DecodeError as error:
            refused = refused or error
    raise refused or DecodeError(NOT_AUDIO)


NOT_AUDIO: Final = "is not audio in a format that can be read here: convert it to WAV or FLAC"
UNFINISHED: Final = "cannot be decoded to its end: copy or export it again"


def open_sound() -> Opened:
    """With libsndfile."""
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: soundfile is there, but its library is not
        raise DecodeError("cannot be decoded without the package soundfile: run pip install soundfile") from error
    os.lseek(0, 0, os.SEEK_SET)
    try:
        # The descriptor, so that the library reads without coming back to Python.
        file = _onward(os.dup(0))
    except (soundfile.SoundFileError, TypeError, ValueError, MemoryError) as error:
        raise DecodeError(NOT_AUDIO) from error
    if file.format == "MP3":
        file.close()
        raise DecodeError(NOT_AUDIO)
    return Opened(
        file.samplerate, file.channels, file.frames, _sample_type(file.subtype), _tags(file), _sound_blocks(file), []
    )


def _onward(source: Any) -> Any:
    """A file that is only read on: soundfile by itself seeks after every read, which makes decoders start anew."""
    import soundfile

    class Onward(soundfile.SoundFile):  # type: ignore[misc]
        def seekable(self) -> bool:
            return False

    return Onward(source)


def _sample_type(subtype: str) -> str:
    known = {"PCM_S8": "uint8", "PCM_U8": "uint8", "PCM_16": "int16", "PCM_24": "int24", "PCM_32": "int32"}
    known |= {"FLOAT": "float32", "DOUBLE": "float64", "ALAC_16": "int16", "ALAC_24": "int24"}
    if subtype in known:
        return known[subtype]
    return "float32" if subtype in ("VORBIS", "OPUS") else "int16"


def _tags(file: Any) -> dict[str, str]:
    tags = {}
    for name in _TAGS:
        with suppress(Exception):
            value = getattr(file, name)
            if value:
                tags[name] = str(value)[:4096]
    return tags


def _sound_blocks(file: Any) -> Iterator[NDArray[np.float32]]:
    import soundfile

    try:
        while True:
            block = file.read(BLOCK, dtype="float32", always_2d=True)
            if not len(block):
                return
            yield block
    except (soundfile.SoundFileError, ValueError, MemoryError) as error:
        raise DecodeError(UNFINISHED) from error


def open_mp3() -> Opened:
    """Frame by frame, and with libsndfile's MP3 decoder."""
    from streamvc.audio.mp3 import walk

    os.lseek(0, 0, os.SEEK_SET)
    try:
        data = mmap.mmap(0, 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise DecodeError(NOT_AUDIO) from error
    found = walk(data)
    if not found.runs:
        raise DecodeError(NOT_AUDIO)
    first = found.runs[0].frame
    rate, channels = first.rate, max(run.frame.channels for run in found.runs)
    single = len({run.frame.rate for run in found.runs}) == 1
    frames = sum(stop - start for run in found.runs for start, stop in run.sounding()) if single else None
    notes = _mp3_notes(found)
    tags: dict[str, str] = {}
    blocks = _mp3_blocks(data, found.runs, rate, channels, notes, tags)
    return Opened(rate, channels, frames, "float32", tags, blocks, notes)


def _mp3_notes(found: Walk) -> list[str]:
    notes = []
    claimed = found.claimed_seconds
    longest = max(run.frame.samples / run.frame.rate for run in found.runs)
    if claimed is not None and abs(claimed - found.seconds) > max(0.1, 4 * longest):
        notes.append(f"its header claims {claimed:.1f} s, and its frames hold {found.seconds:.1f} s, all of them used")
    if found.junk:
        notes.append(f"{found.junk} bytes between its frames are no MP3 and were left out")
    if len(found.runs) > 1:
        notes.append(f"it changes its rate, channels or version {len(found.runs) - 1} times")
    return notes


def _mp3_blocks(
    data: mmap.mmap, runs: list[Run], rate: int, channels: int, notes: list[str], tags: dict[str, str]
) -> Iterator[NDArray[np.float32]]:
    import numpy as np

    failed = 0.0
    for run in runs:
        resampler = None
        if run.frame.rate != rate:
            import soxr

            resampler = soxr.ResampleStream(run.frame.rate, rate, channels, dtype="float32")
        done = 0
        for block in _run_blocks(data, run):
            done += len(block)
            wide = np.repeat(block, channels, axis=1) if block.shape[1] < channels else block
            yield wide if resampler is None else resampler.resample_chunk(wide)
        if resampler is not None:
            yield resampler.resample_chunk(np.zeros((0, channels), np.float32), last=True)
        failed += sum(stop - start for start, stop in run.sounding()) / run.frame.rate - done / run.frame.rate
    if failed > 0.1:
        notes.append(f"{failed:.1f} s of it are damaged beyond decoding and were left out")


def _run_blocks(data: mmap.mmap, run: Run) -> Iterator[NDArray[np.float32]]:
    """The sound of one run, [n, channels]."""
    import soundfile

    from streamvc.audio.mp3 import RunFile

    try:
        file = _onward(RunFile(data, run))
    except (soundfile.SoundFileError, TypeError, ValueError):
        return
    keep, position = run.sounding(), run.delay
    with file:
        while keep:
            try:
                block = file.read(BLOCK, dtype="float32", always_2d=True)
            except (soundfile.SoundFileError, ValueError):
                return
            if not len(block):
                return
            end = position + len(block)
            while keep and keep[0][0] < end:
                start, stop = keep[0]
                yield block[max(0, start - position) : stop - position]
                if stop > end:
                    break
                keep.pop(0)
            position = end


def open_media() -> Opened:
    """With FFmpeg's libraries, where they are installed."""
    try:
        import av
    except ImportError as error:
        raise _ExtraNeeded(
            "is in a format that needs an optional package: run pip install 'streamvc[formats]', or convert it to WAV"
        ) from error
    os.lseek(0, 0, os.SEEK_SET)
    av.logging.set_level(av.logging.PANIC)
    try:
        container = av.open(os.fdopen(os.dup(0), "rb"), metadata_errors="replace")
        if not container.streams.audio:
            raise DecodeError("holds no sound: give a file with an audio track")
        stream = container.streams.audio[0]
        rate, channels = stream.rate, stream.codec_context.channels
    except (av.FFmpegError, ValueError, OSError, MemoryError, AttributeError) as error:
        raise DecodeError(NOT_AUDIO) from error
    if not rate or not channels:
        raise DecodeError(NOT_AUDIO)
    tags = {name: str(value)[:4096] for name, value in container.metadata.items() if name in _TAGS}
    notes: list[str] = []
    length = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else None
    return Opened(
        rate, channels, None, "float32", tags, _media_blocks(container, stream, rate, channels, length, notes), notes
    )


def _media_blocks(
    container: Any, stream: Any, rate: int, channels: int, length: float | None, notes: list[str]
) -> Iterator[NDArray[np.float32]]:
    import av
    import numpy as np

    resampler = av.AudioResampler(format="flt", layout=stream.codec_context.layout, rate=rate)
    bad = done = 0
    try:
        for packet in container.demux(stream):
            try:
                decoded = packet.decode()
            except av.FFmpegError:
                bad += 1
                continue
            for frame in decoded:
                for even in resampler.resample(frame):
                    block = even.to_ndarray().reshape(-1, channels).astype(np.float32, copy=False)
                    done += len(block)
                    yield block
        for even in resampler.resample(None):
            block = even.to_ndarray().reshape(-1, channels).astype(np.float32, copy=False)
            done += len(block)
            yield block
    except (av.FFmpegError, ValueError, OSError, MemoryError) as error:
        raise DecodeError(UNFINISHED) from error
    if bad:
        notes.append(f"{bad} damaged packets of it were left out")
    if length is not None and done / rate < 0.98 * length - 0.2:
        raise DecodeError(f"is cut off: it promises {length:.1f} s and holds {done / rate:.1f} s; copy it again")


if __name__ == "__main__":
    # A parent that goes away closes the pipe; what is left to say then, nobody reads.
    with suppress(BrokenPipeError):
        main(sys.argv[1])
    os._exit(0)
