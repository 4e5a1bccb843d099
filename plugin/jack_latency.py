"""Latency of ports, which the JACK-Client package leaves out of the library it wraps.

A host such as Ardour moves recordings by what ports report, so a client that delays sound has to say so. The functions
are called through ctypes, with the pointers that the package keeps.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, Final

CAPTURE: Final = 0
"""Samples since the sound came in through a physical port; known of ports that sound comes from."""

PLAYBACK: Final = 1
"""Samples until it leaves through one; known of ports that sound goes to."""

_Callback = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p)


class _Range(ctypes.Structure):
    _fields_ = (("min", ctypes.c_uint32), ("max", ctypes.c_uint32))


class PortLatency:
    """Reports a client's own delay from one port to others, and reads what lies before and behind them.

    Make it before the client is activated, and keep it as long as the client.

    Args:
        jack: the module of JACK-Client.
        client: not yet activated.
        source: the input port.
        sinks: the output ports.
        samples: from the one to the others.

    Raises:
        OSError, AttributeError: this version of the library or the package does not allow it.
    """

    def __init__(self, jack: Any, client: Any, source: Any, sinks: Sequence[Any], samples: int) -> None:
        library = ctypes.CDLL(jack._libname)
        self._get, self._set = library.jack_port_get_latency_range, library.jack_port_set_latency_range
        for function in (self._get, self._set):
            function.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Range))
            function.restype = None

        def pointer(thing: Any) -> int:
            return int(jack._ffi.cast("uintptr_t", thing._ptr))

        self._source, self._sinks, self._samples = pointer(source), [pointer(sink) for sink in sinks], samples
        # JACK calls this as long as the client lives, so it must not be collected.
        self._callback = _Callback(self._pass_on)
        register = library.jack_set_latency_callback
        register.argtypes = (ctypes.c_void_p, _Callback, ctypes.c_void_p)
        register.restype = ctypes.c_int
        if register(pointer(client), self._callback, None):
            raise OSError("JACK took no latency callback")

    @property
    def device_samples(self) -> tuple[int, int]:
        """Delay before the input and behind the outputs, as far as JACK knows of any: the largest of each."""
        behind = max((self._read(sink, PLAYBACK).max for sink in self._sinks), default=0)
        return self._read(self._source, CAPTURE).max, behind

    def _pass_on(self, mode: int, argument: object) -> None:
        if mode == CAPTURE:
            before = self._read(self._source, mode)
            targets = self._sinks
        else:
            ranges = [self._read(sink, mode) for sink in self._sinks]
            before = _Range(min(found.min for found in ranges), max(found.max for found in ranges))
            targets = [self._source]
        after = _Range(before.min + self._samples, before.max + self._samples)
        for port in targets:
            self._set(port, mode, ctypes.byref(after))

    def _read(self, port: int, mode: int) -> _Range:
        found = _Range()
        self._get(port, mode, ctypes.byref(found))
        return found
