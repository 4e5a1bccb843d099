"""What connects a live session to sound: devices here, a JACK server elsewhere."""

from __future__ import annotations

from typing import Protocol

from streamvc.plugin.live.session import LiveSession


class AudioHost(Protocol):
    """Something that calls a session's `feed` and `fetch` from its audio threads.

    `connect` and then `start` may be tried again and again; `close` may be called at any time.
    """

    @property
    def sample_rate(self) -> int:
        """Hz; known after `connect`."""

    @property
    def block(self) -> int:
        """Samples per callback; known after `connect`."""

    @property
    def channels(self) -> int:
        """Of the output; known after `connect`."""

    @property
    def latency_seconds(self) -> tuple[float, float]:
        """Delay of input and output as the host reports it; known after `start`."""

    @property
    def dropouts(self) -> int:
        """Losses of sound outside of the session that the host has reported so far."""

    @property
    def alive(self) -> bool:
        """False when the stream that was started has ended by itself."""

    def connect(self) -> None:
        """Find the device and agree on its format.

        Raises:
            RuntimeUnavailableError: it is not there or cannot do that.
        """

    def start(self, session: LiveSession) -> None:
        """Let sound flow.

        Raises:
            RuntimeUnavailableError: the device cannot be opened.
        """

    def close(self) -> None:
        """Stop, and let go of the device."""
