"""From file to file in constant memory."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from streamvc.errors import AudioError
from streamvc.files import check_target, refuse_to_overwrite, staged
from streamvc.latency import LatencyReport
from streamvc.plugin.adapter import FrameEngine, HostAdapter
from streamvc.plugin.audio_input import AudioInput
from streamvc.plugin.audio_output import AudioOutput
from streamvc.plugin.fifo import Samples
from streamvc.plugin.formats import OutputFormat
from streamvc.plugin.levels import Levels
from streamvc.plugin.processor import Processor

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
        gate_db: level below which the engine hears silence, -80 to 0 dBFS; None for no gate.
        bypass: give the source instead of the voice.
        channel: the one that is heard, from 1; None averages all of them.
        format: "wav", "flac", "aiff", "ogg" or "mp3"; None follows the target's ending.
        bit_depth: 16, 24, or 32 for floating point; None follows the source.
        overwrite: whether an existing target may be replaced.
        keep_latency: leave the delay in: the voice begins `latency.samples` late and its last samples fall off the
            end, as a host with no delay compensation would record it.
    """

    mix: float = 1.0
    input_gain_db: float = 0.0
    output_gain_db: float = 0.0
    gate_db: float | None = None
    bypass: bool = False
    channel: int | None = None
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
        cancellation_db: how much quieter the average of the channels is than the channels are; 0 with one channel.
        notes: what else there is to say about the source, parts of sentences.
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
    cancellation_db: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def speed(self) -> float:
        """Seconds of audio per second of work."""
        return self.seconds / max(self.elapsed, 1e-9)


class _Stream(Protocol):
    """Turns blocks into blocks."""

    @property
    def latency(self) -> LatencyReport: ...

    @property
    def latency_samples(self) -> int: ...

    def process(self, block: Samples) -> Samples: ...


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
        source: any format that `streamvc.audio` reads, rate from 8 to 192 kHz and up to 8 channels.
        target: written to a temporary file beside it and renamed when it is complete.
        engine: the conversion; reset before it begins.
        options: see `RenderOptions`.
        progress: see `Progress`.
        levels: called before every frame for the levels that hold from then on, instead of those in `options`.

    Raises:
        AudioError: the source is missing, empty, cut off, no audio, or holds NaN or infinity (the message says where).
        RuntimeUnavailableError: the format of the source needs an optional package.
        OutputError: the target is the source, exists, cannot be written, or the disk is full.
        ConfigError: an option is out of range or does not fit the format.
    """
    options = options or RenderOptions()
    fixed = Levels(
        mix=options.mix,
        input_gain_db=options.input_gain_db,
        output_gain_db=options.output_gain_db,
        gate_db=options.gate_db,
        bypass=options.bypass,
    )

    def adapt(sample_rate: int, channels: int) -> _Stream:
        return HostAdapter(engine, sample_rate, channels, levels or (lambda: fixed))

    return _render(Path(source), Path(target), adapt, options, progress)


def render_processor(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    processor: Processor,
    options: RenderOptions | None = None,
    progress: Progress | None = None,
) -> RenderReport:
    """As `render_file`, through a processor, such as an `EffectChain`; reset before it begins and afterwards.

    Of the options, mix, gains, gate and bypass are the processor's own business.
    """
    try:
        return _render(
            Path(source),
            Path(target),
            lambda sample_rate, channels: _ProcessorStream(processor, sample_rate),
            options or RenderOptions(),
            progress,
        )
    finally:
        processor.reset()


class _ProcessorStream:
    def __init__(self, processor: Processor, sample_rate: int) -> None:
        processor.reset()
        self._processor, self._rate = processor, sample_rate

    @property
    def latency(self) -> LatencyReport:
        return LatencyReport(framing=self.latency_samples, look_ahead=0, sample_rate=self._rate)

    @property
    def latency_samples(self) -> int:
        return self._processor.latency_samples(self._rate)

    def process(self, block: Samples) -> Samples:
        return self._processor.process(block, self._rate, reset=False)


def _render(
    source: Path,
    target: Path,
    adapt: Callable[[int, int], _Stream],
    options: RenderOptions,
    progress: Progress | None,
) -> RenderReport:
    began = time.perf_counter()
    refuse_to_overwrite(target, source)
    with AudioInput(source, options.channel) as audio:
        form = OutputFormat.choose(target, options.format, options.bit_depth, audio.sample_type)
        check_target(target, overwrite=options.overwrite)
        stream_ = adapt(audio.sample_rate, audio.channels)
        latency, balance = stream_.latency, _Balance()
        frames, peak = 0, 0.0
        with (
            staged(target, overwrite=options.overwrite) as stream,
            AudioOutput(stream, target, form, audio.sample_rate, audio.channels, audio.tags) as output,
        ):
            for block in _converted(audio, stream_, latency.samples, options.keep_latency, balance):
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
            latency=latency,
            clipped=output.clipped,
            peak=peak,
            elapsed=time.perf_counter() - began,
            cancellation_db=balance.cancellation_db,
            notes=(*audio.notes, *output.notes),
        )


class _Balance:
    """How much of the channels' power is left when they are averaged."""

    def __init__(self) -> None:
        self._single = self._mixed = 0.0

    def add(self, block: Samples) -> None:
        """Count float32 [channels, n]."""
        if len(block) > 1:
            wide = block.astype(np.float64)
            self._single += float(np.mean(np.square(wide), axis=0).sum())
            self._mixed += float(np.square(wide.mean(axis=0)).sum())

    @property
    def cancellation_db(self) -> float:
        """0 for equal channels and for one, 3 for two that have nothing in common."""
        if self._single <= 0.0:
            return 0.0
        return -10.0 * math.log10(max(self._mixed / self._single, 1e-12))


def _converted(
    audio: AudioInput, stream: _Stream, latency: int, keep_latency: bool, balance: _Balance
) -> Iterator[Samples]:
    """The converted blocks, together exactly as long as the audio."""
    skip = 0 if keep_latency else latency
    heard = False
    for block in audio.blocks(_BLOCK):
        heard = True
        balance.add(block)
        try:
            voice = stream.process(block)
        except AudioError as error:
            raise AudioError(f"{audio.path}: {error}") from error
        dropped = min(skip, voice.shape[1])
        skip -= dropped
        if dropped < voice.shape[1]:
            yield voice[:, dropped:]
    if heard and latency and not keep_latency:
        # What is still under way comes out behind as much silence; a source shorter than the latency is still skipped.
        tail = stream.process(np.zeros((audio.channels, latency), dtype=np.float32))
        yield tail[:, skip:]
