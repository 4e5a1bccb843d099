"""A microphone and a loudspeaker through PortAudio."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from streamvc.errors import RuntimeUnavailableError
from streamvc.plugin.adapter import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, check_sample_rate
from streamvc.plugin.live.devices import AudioDevice, Direction, find_device, load_sounddevice, takes_rate
from streamvc.plugin.live.server import server_rate
from streamvc.plugin.live.session import LiveSession

_BLOCK_SECONDS = 0.01


class DeviceHost:
    """An `AudioHost` over two streams of PortAudio, one per direction.

    Two streams take devices of different kinds and were steadier than one of both directions (docs/live.md).

    Args:
        input_choice: index, name or part of the name; None is the default.
        output_choice: likewise.
        channel: of the input, from 1.
        sample_rate: Hz; None takes the first that both devices have of the sound server's, the output's own, the
            input's own, 48000 and 44100.
        block: samples per callback; None takes 10 ms.
        latency: what to ask PortAudio for: "low", "high" or seconds. What it gives is `latency_seconds`.

    Raises:
        AudioError: the rate is no whole number from 8000 to 192000.
    """

    def __init__(
        self,
        input_choice: str | None = None,
        output_choice: str | None = None,
        *,
        channel: int = 1,
        sample_rate: int | None = None,
        block: int | None = None,
        latency: str | float = "low",
    ) -> None:
        self._choices = (input_choice, output_choice)
        self._wanted_rate = None if sample_rate is None else check_sample_rate(sample_rate)
        self._wanted_block, self._latency, self._channel = block, latency, channel
        self._devices: tuple[AudioDevice, AudioDevice] | None = None
        self._streams: list[Any] = []
        self.sample_rate = 0
        self.block = 0
        self.channels = 0
        self.dropouts = 0
        self.latency_seconds = (0.0, 0.0)

    @property
    def names(self) -> tuple[str, str]:
        """Of the input and the output; known after `connect`."""
        assert self._devices is not None
        return self._devices[0].name, self._devices[1].name

    def connect(self) -> None:
        """Find both devices and a rate that both take; a later call keeps to the devices and the rate of the first.

        Raises:
            RuntimeUnavailableError: sounddevice, PortAudio, a device, its channel or a common rate is missing.
        """
        if self._devices is None:
            source, sink = find_device(self._choices[0], "input"), find_device(self._choices[1], "output")
        else:
            # PortAudio looks for devices only when it is started; indices may have changed, names have not.
            sounddevice = load_sounddevice()
            with suppress(sounddevice.PortAudioError):
                sounddevice._terminate()
            sounddevice._initialize()
            source, sink = find_device(self._devices[0].name, "input"), find_device(self._devices[1].name, "output")
        if self._channel > source.inputs:
            raise RuntimeUnavailableError(
                f"The sound input {source.name!r} has no channel {self._channel}: choose one from 1 to {source.inputs} "
                "with --channel."
            )
        self.sample_rate = self._common_rate(source, sink)
        self._wanted_rate = self.sample_rate
        self.block = round(_BLOCK_SECONDS * self.sample_rate) if self._wanted_block is None else self._wanted_block
        self.channels = min(2, sink.outputs)
        self._devices = source, sink

    def start(self, session: LiveSession) -> None:
        """Open both streams for a session.

        Raises:
            RuntimeUnavailableError: one cannot be opened.
        """
        sounddevice = load_sounddevice()
        assert self._devices is not None
        source, sink = self._devices
        heard = slice(self._channel - 1, self._channel)

        # The callbacks hold the session that they were made for: a stream that dies late cannot disturb the next one.
        def take(indata: Any, frames: int, time: object, status: Any) -> None:
            if status:
                self.dropouts += 1
            session.feed(indata.T[heard])

        def give(outdata: Any, frames: int, time: object, status: Any) -> None:
            if status:
                self.dropouts += 1
            session.fetch(outdata.T)

        common = {
            "samplerate": self.sample_rate,
            "blocksize": self.block,
            "dtype": "float32",
            "latency": self._latency,
        }
        for direction, device, make, channels, callback in (
            ("output", sink, sounddevice.OutputStream, self.channels, give),
            ("input", source, sounddevice.InputStream, self._channel, take),
        ):
            try:
                stream = make(device=device.index, channels=channels, callback=callback, **common)
                self._streams.append(stream)
                stream.start()
            except sounddevice.PortAudioError as error:
                self.close()
                raise RuntimeUnavailableError(
                    f"The sound {direction} {device.name!r} cannot be opened ({_reason(error)}): "
                    "see that it is connected and not taken by another program."
                ) from error
        self.latency_seconds = (float(self._streams[1].latency), float(self._streams[0].latency))

    @property
    def alive(self) -> bool:
        """False when PortAudio has ended one of the streams."""
        return bool(self._streams) and all(stream.active for stream in self._streams)

    def close(self) -> None:
        """Stop both streams; a device that is gone is no error here."""
        streams, self._streams = self._streams, []
        for stream in streams:
            with suppress(load_sounddevice().PortAudioError):
                stream.abort()
            with suppress(load_sounddevice().PortAudioError):
                stream.close()

    def _common_rate(self, source: AudioDevice, sink: AudioDevice) -> int:
        if self._wanted_rate is not None:
            wanted = [self._wanted_rate]
        else:
            server = server_rate() if sink.system == "ALSA" else None
            own = [rate for rate in (server or 0, sink.rate, source.rate) if MIN_SAMPLE_RATE <= rate <= MAX_SAMPLE_RATE]
            wanted = list(dict.fromkeys([*own, 48_000, 44_100]))
        refused: dict[Direction, str] = {}
        for rate in wanted:
            if not takes_rate(source, "input", rate, self._channel):
                refused["input"] = source.name
            elif not takes_rate(sink, "output", rate):
                refused["output"] = sink.name
            else:
                return rate
        who = " and ".join(f"the {direction} {name!r}" for direction, name in refused.items())
        tried = ", ".join(map(str, wanted))
        raise RuntimeUnavailableError(
            f"Refused by {who}: {tried} Hz; choose a rate that both devices have (svc devices) with --rate."
        )


def _reason(error: Exception) -> str:
    return str(error.args[0]) if error.args else type(error).__name__
