"""Making a map by touching the controls."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from streamvc.errors import ConfigError
from streamvc.files import staged
from streamvc.plugin.midi.bindings import Trigger
from streamvc.plugin.midi.events import CONTINUOUS, NUMBERED, Event, read_event
from streamvc.plugin.midi.grammar import PresetFinder, read_action
from streamvc.plugin.midi.mapping import SCHEMA, MidiMap

Gesture = Literal["press", "hold", "move"]
"""What is done with a control: pressed, pressed and released, or moved."""

_WAITING = 256


class Learner:
    """Collects the entries of a map: an action first, then the control that shall do it.

    Args:
        folder: where the paths of presets start, that of the map to be.
    """

    def __init__(self, folder: Path) -> None:
        self.entries: list[dict[str, Any]] = []
        self._finder = PresetFinder(folder)
        self._events: queue.Queue[Event] = queue.Queue(_WAITING)
        self._taken: list[Trigger] = []

    def handle(self, message: Any) -> None:
        """Take a message of mido, on any thread; when more wait than can be looked at, the newest are dropped."""
        event = read_event(message)
        if event is not None:
            with suppress(queue.Full):
                self._events.put_nowait(event)

    def check(self, action: dict[str, Any]) -> None:
        """Tell whether an action is well-formed.

        Raises:
            ConfigError, PresetError: it is not.
        """
        # A control can do all that any kind can.
        read_action(action, "control", self._finder)

    def bind(
        self,
        action: dict[str, Any],
        gesture: Gesture,
        seconds: float,
        on_taken: Callable[[Trigger], None] | None = None,
        on_ready: Callable[[], None] | None = None,
    ) -> Trigger | None:
        """Wait for the control of an action and keep both.

        Args:
            action: the keys of an entry beside those of its control.
            gesture: controls that cannot do this are not looked at.
            seconds: how long to wait.
            on_taken: called once with each control that has an action already.
            on_ready: called when what is touched from now on counts: the time to ask for it.

        Returns:
            The control; None when none was touched in time, and nothing is kept.
        """
        self._forget()
        if on_ready is not None:
            on_ready()
        deadline = time.monotonic() + seconds
        told: set[Trigger] = set()
        while (left := deadline - time.monotonic()) > 0.0:
            try:
                event = self._events.get(timeout=left)
            except queue.Empty:
                break
            if not _is_gesture(event, gesture):
                continue
            trigger = Trigger(event.kind, event.number, event.channel)
            if trigger in self._taken:
                if on_taken is not None and trigger not in told:
                    on_taken(trigger)
                told.add(trigger)
                continue
            self._taken.append(trigger)
            self.entries.append(_entry(trigger, action))
            return trigger
        return None

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> MidiMap:
        """Write the map, whole or not at all, and return it.

        Raises:
            ConfigError: no control was learnt.
            OutputError: the file exists, or cannot be written.
        """
        import tomli_w

        if not self.entries:
            raise ConfigError("No control was learnt, so no map was written: touch a control when asked for it.")
        table = {"schema": SCHEMA, "bind": self.entries}
        path = Path(path)
        learnt = MidiMap.from_table(table, f"The MIDI map {path}", path.parent)
        with staged(path, overwrite=overwrite) as stream:
            stream.write(tomli_w.dumps(table).encode())
        return learnt

    def _forget(self) -> None:
        while True:
            try:
                self._events.get_nowait()
            except queue.Empty:
                return


def _is_gesture(event: Event, gesture: Gesture) -> bool:
    if gesture == "move":
        return event.kind in CONTINUOUS
    return event.pressed and (gesture == "press" or event.kind != "program")


def _entry(trigger: Trigger, action: dict[str, Any]) -> dict[str, Any]:
    value = trigger.number if trigger.kind in NUMBERED else True
    return {trigger.kind: value, "channel": trigger.channel, **action}
