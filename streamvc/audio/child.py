"""A decoder in a child process, read through a pipe."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamvc.errors import AudioError, RuntimeUnavailableError

Samples = NDArray[np.float32]

PATIENCE_SECONDS: Final = 60.0
"""How long the decoder may give nothing while it is waited for. Slow disks and busy machines need a few."""

_LONGEST_BLOCK: Final = 1 << 28
_LONGEST_LINE: Final = 1 << 20


class Child:
    """Decodes one file; use it in a `with` statement.

    Args:
        path: the file.
        kind: see `decoder.main`.

    Attributes:
        rate: Hz.
        channels: 1 or more.
        frames: samples per channel as the file says; None if it does not.
        sample_type: how the file stores samples.
        tags: title, artist and so on, as far as the file has them.
        notes: what is to be said about the file; complete after the last block.

    Raises:
        AudioError: it cannot be decoded, or the decoder died.
        RuntimeUnavailableError: its format needs an optional package.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self._path = path
        self.notes: list[str] = []
        try:
            with path.open("rb") as file:
                self._process = subprocess.Popen(
                    _command(kind), stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_environment()
                )
        except OSError as error:
            raise AudioError(f"{path} cannot be read ({error.strerror}): check its permissions.") from error
        assert self._process.stdout is not None
        self._pipe = self._process.stdout
        self._watch = _Watch(self._process)
        try:
            facts = self._line()
            if facts.get("error"):
                kind_of_error = RuntimeUnavailableError if facts.get("extra") else AudioError
                raise kind_of_error(f"{path} {facts['error']}.")
            self.rate: Final = int(facts["rate"])
            self.channels: Final = int(facts["channels"])
            self.frames: Final[int | None] = facts["frames"]
            self.sample_type: Final = str(facts["sample_type"])
            self.tags: Final[dict[str, str]] = dict(facts["tags"])
        except BaseException:
            self.close()
            raise

    def blocks(self) -> Iterator[Samples]:
        """Float32 [channels, n], as they come.

        Raises:
            AudioError: the file cannot be decoded any further, or the decoder died.
        """
        while True:
            length = int.from_bytes(self._read(4), "little")
            if length == 0:
                break
            if length > _LONGEST_BLOCK or length % (4 * self.channels):
                raise self._died()
            yield np.ascontiguousarray(np.frombuffer(self._read(length), "<f4").reshape(-1, self.channels).T)
        last = self._line()
        self.notes += [str(note) for note in last.get("notes", [])]
        if last.get("error"):
            raise AudioError(f"{self._path} {last['error']}.")

    def close(self) -> None:
        """End the decoder, wherever it stands."""
        self._watch.stop()
        self._pipe.close()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def _read(self, count: int) -> bytes:
        with self._watch:
            data = self._pipe.read(count)
        if len(data) < count:
            raise self._died()
        return data

    def _line(self) -> dict[str, Any]:
        with self._watch:
            line = self._pipe.readline(_LONGEST_LINE)
        try:
            values = json.loads(line)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            raise self._died()
        return values

    def _died(self) -> AudioError:
        if self._watch.bitten:
            why = f"gave nothing for {PATIENCE_SECONDS:g} s"
        else:
            # It may be about to end. One that goes on talking nonsense is ended.
            try:
                code = self._process.wait(1.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                code = self._process.wait()
            why = f"crashed with {_signal_name(-code)}" if code < 0 else "ended early"
        return AudioError(
            f"{self._path} cannot be decoded (the decoder {why}): it is damaged, so convert or export it again."
        )


class _Watch:
    """Kills a process that is waited for too long. A context manager around every wait; one thread, which sleeps."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.bitten = False
        self._process = process
        self._since: float | None = None
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name="streamvc-decoder-watch", daemon=True).start()

    def __enter__(self) -> None:
        self._since = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._since = None

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(1.0):
            since = self._since
            if since is not None and time.monotonic() - since > PATIENCE_SECONDS:
                self.bitten = True
                self._process.kill()
                return


def _command(kind: str) -> list[str]:
    # Without `site`: it takes longer than the decoder needs to start, and what it finds is passed on as a path.
    return [sys.executable, "-S", "-c", _START, kind]


_START: Final = "import sys, os; sys.path[:] = os.environ['STREAMVC_DECODER_PATH'].split(os.pathsep); import runpy; runpy.run_module('streamvc.audio.decoder', run_name='__main__')"  # noqa: E501


def _environment() -> dict[str, str]:
    import streamvc

    package = str(Path(streamvc.__file__).resolve().parent.parent)
    path = [package, *(entry for entry in sys.path if entry and entry != package)]
    return {
        **os.environ,
        "STREAMVC_DECODER_PATH": os.pathsep.join(path),
        # Decoding is one thread's work, and starting more takes time.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
