"""What pedalboard's own plugins do in a stream, block after block with `reset=False`.

Measured with pedalboard 0.9.26; tests/plugin/test_chain_natives.py measures every plugin of the installed version again
and holds these tables to it:

- Most plugins return every block whole, and bit for bit the same for any fixed block size. (`Convolution` differs in
  the last bit, since its Fourier transforms are as long as its blocks.)
- A block larger than every one before makes most plugins forget their state, with a click. A stream is therefore cut
  into pieces no longer than its first block (see streamvc/plugin/chain_stages.py).
- Those in `DELAYED` hold samples back, in all as many as `stream_delay` says.
- Those in `CANNOT_STREAM` give silence for blocks of a live size: they put silence before their input with a delay
  line, and every call empties that line.
- `Mix` forgets at every call what it holds for plugins that return fewer samples, so these lose their alignment in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeVar

import numpy as np
import pedalboard
from pedalboard import Chain, ExternalPlugin, Mix, Plugin

from streamvc.errors import AudioError, ConfigError
from streamvc.plugin.fifo import Samples

CANNOT_STREAM: Final = {
    "GSMFullRateCompressor": "it gives silence for short blocks (Resample(8000) makes a telephone sound too)",
    "PitchShift": "it gives silence for short blocks (use VoiceConverter's pitch_semitones)",
}
"""Types that are refused, and why."""


@dataclass(frozen=True)
class Delayed:
    """A type that holds samples back.

    Attributes:
        parameters: what its delay depends on.
        block: the number of samples that it must always be given, so that its delay is always the same; 1 where it is
            the same for all blocks.
    """

    parameters: tuple[str, ...]
    block: int


DELAYED: Final = {
    "BrickwallLimiter": Delayed(("lookahead_ms", "true_peak"), block=1),
    "MP3Compressor": Delayed(("vbr_quality",), block=32),
    "Resample": Delayed(("target_sample_rate", "quality"), block=32),
}
"""Types whose output is short at first; all others but those of `CANNOT_STREAM` return every block whole."""

# A delay counts as found when so many samples more did not make it longer. Resample may hold one sample more after
# seconds, for the sake of which there is a margin.
_PROBE = 16_384
_MARGIN = 8
_LONGEST_SECONDS = 2

T = TypeVar("T")


def name_of(element: object) -> str:
    """What messages call an element: its type, or its own name where it is a plugin of another maker."""
    return str(getattr(element, "name", "")) if isinstance(element, ExternalPlugin) else type(element).__name__


def board_of(plugins: Iterable[Plugin], channels: int) -> Chain:
    """A board (`Pedalboard` is a `Chain`) that takes every array for [channels, samples], even with few samples."""
    board = Chain([])
    # By itself it takes the shorter side for the channels. What it has seen once, it keeps; and as long as it is empty,
    # no plugin sees it.
    board.process(np.zeros((channels, channels + 1), dtype=np.float32), 48_000.0, reset=False)
    for plugin in plugins:
        board.append(plugin)
    return board


def run(board: Chain, block: Samples, sample_rate: int, buffer_size: int, reset: bool) -> Samples:
    """Process [channels, n] by pedalboard; returns [channels, up to n].

    Raises:
        AudioError: a plugin refuses the audio, for its rate or channel count for instance.
    """
    try:
        return np.asarray(board.process(block, sample_rate, buffer_size, reset), dtype=np.float32)
    except (RuntimeError, ValueError, TypeError) as error:
        names = ", ".join(name_of(plugin) for plugin in board)
        reason = str(error).strip().rstrip(".")
        channels = "1 channel" if block.shape[0] == 1 else f"{block.shape[0]} channels"
        raise AudioError(f"{names} cannot process {channels} at {sample_rate} Hz: {reason}.") from error


def plugins_in(plugin: Plugin) -> Iterator[Plugin]:
    """The plugin and all that it contains."""
    yield plugin
    if isinstance(plugin, Chain | Mix):
        for child in plugin:
            if child is not None:
                yield from plugins_in(child)


def check_native(plugin: Plugin) -> None:
    """Refuse a plugin that cannot stream, by what is known of its type.

    Raises:
        ConfigError: it, or one that it contains, cannot; the message says why.
    """
    for inner in plugins_in(plugin):
        reason = _look_up(CANNOT_STREAM, inner)
        if reason is not None:
            raise ConfigError(f"{name_of(inner)} cannot stand in a chain: {reason}.")
        if isinstance(inner, ExternalPlugin) and not inner.is_effect:
            raise ConfigError(f"{name_of(inner)} is an instrument and takes no audio: a chain needs effects.")
        if isinstance(inner, Mix):
            for child in plugins_in(inner):
                if _look_up(DELAYED, child) is not None or _reported(child):
                    raise ConfigError(
                        f"{name_of(child)} cannot stand inside a Mix in a stream: it holds samples back, and Mix loses "
                        "its alignment with the others; put it before or after the Mix."
                    )
        own = [kind for kind in type(inner).__mro__ if not kind.__module__.startswith("pedalboard")]
        if any("process" in vars(kind) for kind in own):
            raise ConfigError(
                f"{name_of(inner)} overrides process, which pedalboard would never call: write a class without a "
                "pedalboard base, with process, reset and latency_samples."
            )


def required_block(plugin: Plugin) -> int:
    """How many samples a plugin that holds samples back must always be given; 1 for any number."""
    known = _look_up(DELAYED, plugin)
    return 1 if known is None else known.block


def stream_delay(plugin: Plugin, sample_rate: int) -> int:
    """The most samples that a plugin ever holds back in a stream; 0 for one that returns every block whole.

    Measured with a second plugin of the same settings, so that the state of the one in use stays as it is; a plugin of
    another maker is asked instead.

    Raises:
        AudioError: the plugin refuses the sample rate.
    """
    known = _look_up(DELAYED, plugin)
    if known is None:
        return _reported(plugin)
    settings = tuple((name, getattr(plugin, name)) for name in known.parameters)
    kind = next(kind for kind in type(plugin).__mro__ if kind.__name__ in DELAYED)
    return _measured_delay(kind.__name__, settings, sample_rate)


def _look_up(table: dict[str, T], plugin: Plugin) -> T | None:
    return next((table[kind.__name__] for kind in type(plugin).__mro__ if kind.__name__ in table), None)


def _reported(plugin: Plugin) -> int:
    return int(getattr(plugin, "reported_latency_samples", 0))


@lru_cache(maxsize=256)
def _measured_delay(kind: str, settings: tuple[tuple[str, Any], ...], sample_rate: int) -> int:
    block = DELAYED[kind].block
    step = max(block, 32)
    board = board_of([getattr(pedalboard, kind)(**dict(settings))], 1)
    silence = np.zeros((1, step), dtype=np.float32)
    given = held = most = 0
    while given < 2 * most + _PROBE:
        given += step
        held += step - run(board, silence, sample_rate, step, reset=False).shape[1]
        most = max(most, held)
        if most > _LONGEST_SECONDS * sample_rate:
            raise AudioError(
                f"{kind} holds back more than {_LONGEST_SECONDS} seconds at {sample_rate} Hz: change its settings."
            )
    # Waiting for a full block holds back up to one sample less than that.
    return most if block == 1 else most + block - 1 + _MARGIN
