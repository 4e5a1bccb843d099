"""A live session as a client of a JACK server, beside the DAW, the mixer or OBS."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from streamvc.errors import RuntimeUnavailableError
from streamvc.plugin.jack_latency import PortLatency
from streamvc.plugin.live.session import LiveSession


def load_jack() -> Any:
    """The module `jack` of JACK-Client.

    Raises:
        RuntimeUnavailableError: it or the JACK library is not installed.
    """
    try:
        import jack
    except ImportError as error:
        raise RuntimeUnavailableError(
            "JACK needs the package JACK-Client: install it with: pip install 'streamvc[jack]'"
        ) from error
    except OSError as error:
        raise RuntimeUnavailableError(
            "The JACK library was not found: install JACK or PipeWire's version of it "
            "(Debian, Ubuntu: apt-get install jackd2, or pipewire-jack)."
        ) from error
    return jack


class JackHost:
    """An `AudioHost` with the ports `in`, `out_1` and `out_2` on a JACK server.

    The server is not started. Its sample rate and block size are taken as they are; when the block size changes, the
    session ends and the next one has it.

    Args:
        name: of the client.
        server: name of the server; None is the default one.
        connect: whether to connect `in` with the first physical capture port and the outputs with the first two
            physical playback ports.
        sources: names of ports to connect `in` with.
        sinks: names of ports to connect outputs with, in turn.
    """

    channels = 2

    def __init__(
        self,
        name: str = "streamvc",
        server: str | None = None,
        *,
        connect: bool = False,
        sources: Sequence[str] = (),
        sinks: Sequence[str] = (),
    ) -> None:
        self._name, self._server = name, server
        self._connect, self._sources, self._sinks = connect, tuple(sources), tuple(sinks)
        self._client: Any = None
        self._latency: PortLatency | None = None
        self._alive = False
        self.sample_rate = 0
        self.block = 0
        self.dropouts = 0

    def connect(self) -> None:
        """Become a client.

        Raises:
            RuntimeUnavailableError: JACK-Client or the library is missing, or no server runs.
        """
        jack = load_jack()
        self.close()
        try:
            with warnings.catch_warnings():
                # A name that is taken is changed by the server; `name` says to what.
                warnings.simplefilter("ignore")
                self._client = jack.Client(self._name, no_start_server=True, servername=self._server)
        except jack.JackError as error:
            which = "No JACK server" if self._server is None else f"No JACK server named {self._server!r}"
            raise RuntimeUnavailableError(
                f"{which} can be reached: start it, or PipeWire with its JACK part."
            ) from error
        self.sample_rate, self.block = int(self._client.samplerate), int(self._client.blocksize)

    @property
    def name(self) -> str:
        """Of the client on the server; known after `connect`."""
        return str(self._client.name)

    def start(self, session: LiveSession) -> None:
        """Make the ports, let sound flow, and connect what was asked for.

        Raises:
            RuntimeUnavailableError: the server refuses, or a port to connect with is not there.
        """
        jack, client = load_jack(), self._client
        try:
            source = client.inports.register("in")
            sinks = [client.outports.register(f"out_{number + 1}") for number in range(self.channels)]
            self._set_callbacks(session, source, sinks)
            # Sound that is fed right before it is fetched waits for exactly the reserve.
            delay = session.safety + session.processor.latency_samples(self.sample_rate)
            with suppress(OSError, AttributeError):
                self._latency = PortLatency(jack, client, source, sinks, delay)
            self._alive = True
            client.activate()
            self._connect_ports(source, sinks)
        except jack.JackError as error:
            self.close()
            raise RuntimeUnavailableError(
                f"JACK could not make or connect the ports ({error}): look at their names with jack_lsp."
            ) from error

    def _set_callbacks(self, session: LiveSession, source: Any, sinks: Sequence[Any]) -> None:
        block = self.block
        out = np.zeros((self.channels, block), dtype=np.float32)

        def process(frames: int) -> None:
            if frames != block:
                # The next session will have this size.
                self._alive = False
                for sink in sinks:
                    sink.get_array().fill(0.0)
                return
            session.feed(source.get_array()[np.newaxis])
            session.fetch(out)
            for sink, row in zip(sinks, out, strict=True):
                sink.get_array()[:] = row

        def xrun(delayed_microseconds: float) -> None:
            self.dropouts += 1

        def shutdown(status: object, reason: str) -> None:
            self._alive = False

        self._client.set_process_callback(process)
        self._client.set_xrun_callback(xrun)
        self._client.set_shutdown_callback(shutdown)

    @property
    def latency_seconds(self) -> tuple[float, float]:
        """Delay of what is connected with the ports, as far as the server knows it."""
        if self._latency is None or not self._alive:
            return 0.0, 0.0
        before, behind = self._latency.device_samples
        return before / self.sample_rate, behind / self.sample_rate

    @property
    def alive(self) -> bool:
        """False when the server has gone or changed its block size."""
        return self._alive

    def close(self) -> None:
        """Leave the server."""
        client, self._client, self._alive = self._client, None, False
        if client is not None:
            with suppress(load_jack().JackError):
                client.close()
        self._latency = None

    def _connect_ports(self, source: Any, sinks: Sequence[Any]) -> None:
        client = self._client
        sources, targets = list(self._sources), list(self._sinks)
        if self._connect:
            sources += client.get_ports(is_audio=True, is_output=True, is_physical=True)[:1]
            targets += client.get_ports(is_audio=True, is_input=True, is_physical=True)[:2]
        for port in sources:
            client.connect(port, source)
        for number, port in enumerate(targets):
            client.connect(sinks[number % len(sinks)], port)
