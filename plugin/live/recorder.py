"""What is heard, written to a file while it is heard, without the audio ever waiting for the disk."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from streamvc.errors import OutputError, StreamVCError
from streamvc.files import check_target, staged
from streamvc.plugin.fifo import Samples
from streamvc.plugin.formats import OutputFormat
from streamvc.plugin.live.ring import SampleRing

if TYPE_CHECKING:
    from streamvc.plugin.audio_output import AudioOutput

BUFFER_SECONDS: Final = 20.0
"""How long the disk may stand still before samples are lost."""

_PAUSE = 0.1


class _NothingWrittenError(Exception):
    """Makes the temporary file go away."""


class Recorder:
    """Takes blocks on one thread and writes them on another.

    The file has a temporary name until `close`, whatever happens before; there is none if nothing was written. When
    the disk fills up, what was written by then is kept. The writing thread is no daemon, so that even an interpreter
    that is made to end finishes the file.

    Args:
        path: the file to be; its ending says the format: wav and flac (24 bit), aiff, ogg, mp3.
        sample_rate: Hz.
        channels: rows of every block.
        overwrite: whether an existing file may be replaced.

    Attributes:
        path: as given.
        lost: samples for which there was no room, because the disk was too slow.

    Raises:
        OutputError: the file is there already or cannot be written.
        ConfigError: the ending names no format.
    """

    def __init__(self, path: Path, sample_rate: int, channels: int, *, overwrite: bool = False) -> None:
        self.path: Final = path
        self.lost = 0
        check_target(path, overwrite=overwrite)
        self._form = OutputFormat.choose(path, sample_type="int24")
        self._sample_rate, self._channels, self._overwrite = sample_rate, channels, overwrite
        self._ring = SampleRing(channels, round(BUFFER_SECONDS * sample_rate))
        self._written = 0
        self._error: StreamVCError | None = None
        self._closing = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="streamvc-recorder")
        self._thread.start()
        self._ready.wait()
        if (error := self.error) is not None:
            self._thread.join()
            raise error

    @property
    def seconds(self) -> float:
        """Of sound in the file so far."""
        return self._written / self._sample_rate

    @property
    def error(self) -> StreamVCError | None:
        """What ended the recording before it was closed."""
        return self._error

    def write(self, block: Samples) -> None:
        """Append float32 [channels, n]; copies, and never waits."""
        if self._error is None:
            self.lost += block.shape[1] - self._ring.write(block)

    def close(self) -> None:
        """Write what is left, and give the file its name.

        Raises:
            OutputError: the recording ended early; the message says why and what there is of it.
        """
        self._closing.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        from streamvc.plugin.audio_output import AudioOutput

        try:
            with (
                staged(self.path, overwrite=self._overwrite) as stream,
                AudioOutput(stream, self.path, self._form, self._sample_rate, self._channels) as output,
            ):
                self._ready.set()
                self._drain(output)
                if self._written == 0:
                    raise _NothingWrittenError
        except _NothingWrittenError:
            pass
        except StreamVCError as error:
            self._error = error
        finally:
            self._ready.set()

    def _drain(self, output: AudioOutput) -> None:
        block = np.zeros((self._channels, self._sample_rate), dtype=np.float32)
        while True:
            last = self._closing.wait(_PAUSE)
            while count := self._ring.read(block):
                try:
                    output.write(block[:, :count])
                except OSError as error:
                    self._error = OutputError(
                        f"{self.path} ends after {self.seconds:.1f} s, because nothing more could be written "
                        f"({error.strerror or error}): what was recorded until then is kept."
                    )
                    return
                self._written += count
            if last:
                return
