"""From file to file in constant memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamvc.errors import AudioError, OutputError
from streamvc.latency import LatencyReport
from streamvc.plugin.adapter import FrameEngine, HostAdapter
from streamvc.plugin.audio_input import AudioInput
from streamvc.plugin.audio_output import AudioOutput
from streamvc.plugin.fifo import Samples
from streamvc.plugin.formats import OutputFormat
from streamvc.plugin.levels import Levels
from streamvc.plugin.staging import check_target, staged

_BLOCK = 16_384

Progress = Callable[[float], None]
"""Called now and then with the seconds of audio done since the last call; may raise to stop the work."""


@dataclass(frozen=True)
class RenderOptions:
    """How a file is rendered.

    Args:
        mix: 0 is the source alone, 1 the voice alone.
        input_gain_db: what the engine hears, -60 to 24 dB.
        output_gain_db: of the result, -60 to 24 dB.
        format: "wav", "flac", "aiff", "ogg" or "mp3"; None follows the target's ending.
        bit_depth: 16, 24, or 32 for floating point; None follows the source.
        overwrite: whether an existing target may be replaced.
        keep_latency: leave the delay in: the voice begins `latency.samples` late and its last samples fall off the
            end, as a host with no delay compensation would record it.
    """

    mix: float = 1.0
    input_gain_db: float = 0.0
    output_gain_db: float = 0.0
    format: str | None = None
    bit_depth: int | None = None
    overwrite: bool = False
    keep_latency: bool = False


@dataclass(frozen=True)
class RenderReport:
    """What came of a file.

    Attributes:
        source: the file that was read.
        output: the file that was written.
        seconds: length of the audio, the same for both.
        sample_rate: Hz.
        channels: 1 to 8.
        latency: algorithmic latency at this rate; removed from the output unless it was to be kept.
        clipped: samples that were limited to full scale, over all channels.
        peak: largest magnitude before that, 1 is full scale.
        elapsed: seconds of wall-clock time that the rendering took.
    """

    source: Path
    output: Path
    seconds: float
    sample_rate: int
    channels: int
    latency: LatencyReport
    clipped: int
    peak: float
    elapsed: float

    @property
    def speed(self) -> float:
        """Seconds of audio per second of work."""
        return self.seconds / max(self.elapsed, 1e-9)


def render_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    engine: FrameEngine,
    options: RenderOptions | None = None,
    progress: Progress | None = None,
    levels: Callable[[], Levels] | None = None,
) -> RenderReport:
    """Convert an audio file into another of the same rate, channel count and length.

    The voice lies at the same place as in the source, the algorithmic latency taken out (except in `keep_latency`).
    MP3 is the one format that cannot keep the length to the sample: its encoder adds some milliseconds of its own.

    Args:
        source: any format, rate from 8 to 192 kHz and up to 8 channels that pedalboard reads.
        target: written to a temporary file beside it and renamed when it is complete.
        engine: the conversion; reset before it begins.
        options: see `RenderOptions`.
        progress: see `Progress`.
        levels: called before every frame for the levels that hold from then on, instead of those in `options`.

    Raises:
        AudioError: the source is missing, empty, cut off, no audio, or holds NaN or infinity (the message says where).
        OutputError: the target is the source, exists, cannot be written, or the disk is full.
        ConfigError: an option is out of range or does not fit the format.
    """
    options = options or RenderOptions()
    source, target = Path(source), Path(target)
    began = time.perf_counter()
    with AudioInput(source) as audio:
        form = OutputFormat.choose(target, options.format, options.bit_depth, audio.sample_type)
        if _same_file(source, target):
            raise OutputError(f"{target} is the input itself: choose another name for the output.")
        check_target(target, overwrite=options.overwrite)
        fixed = Levels(
            mix=options.mix, input_gain_db=options.input_gain_db, output_gain_db=options.output_gain_db
        )
        adapter = HostAdapter(engine, audio.sample_rate, audio.channels, levels or (lambda: fixed))
        frames, peak = 0, 0.0
        with (
            staged(target, overwrite=options.overwrite) as stream,
            AudioOutput(stream, target, form, audio.sample_rate, audio.channels) as output,
        ):
            for block in _converted(audio, adapter, options.keep_latency):
                output.write(block)
                frames += block.shape[1]
                peak = max(peak, float(np.max(np.abs(block))))
                if progress is not None:
                    progress(block.shape[1] / audio.sample_rate)
            if frames == 0:
                raise AudioError(f"{source} holds no audio samples: record or export it again.")
        return RenderReport(
            source=source,
            output=target,
            seconds=frames / audio.sample_rate,
            sample_rate=audio.sample_rate,
            channels=audio.channels,
            latency=adapter.latency,
            clipped=output.clipped,
            peak=peak,
            elapsed=time.perf_counter() - began,
        )


def _same_file(source: Path, target: Path) -> bool:
    try:
        return os.path.samefile(source, target)
    except OSError:
        return False


def _converted(audio: AudioInput, adapter: HostAdapter, keep_latency: bool) -> Iterator[Samples]:
    """The converted blocks, together exactly as long as the audio."""
    skip = 0 if keep_latency else adapter.latency_samples
    for block in audio.blocks(_BLOCK):
        try:
            voice = adapter.process(block)
        except AudioError as error:
            raise AudioError(f"{audio.path}: {error}") from error
        dropped = min(skip, voice.shape[1])
        skip -= dropped
        if dropped < voice.shape[1]:
            yield voice[:, dropped:]
    if not keep_latency:
        # What is still under way comes out behind as much silence; a source shorter than the latency is still skipped.
        tail = adapter.process(np.zeros((audio.channels, adapter.latency_samples), dtype=np.float32))
        yield tail[:, skip:]
