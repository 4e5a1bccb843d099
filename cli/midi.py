"""`svc midi`: the instruments that are there, what they send, and a map for them."""

from __future__ import annotations

import json
import queue
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamvc.errors import StreamVCError

if TYPE_CHECKING:
    from streamvc.plugin.midi import MidiMap
    from streamvc.plugin.midi.learn import Gesture, Learner

_PORT_HELP = (
    "A port of `svc midi ports` (or a part of its name), tcp://HOST:PORT, or tcp-listen://HOST:PORT.  "
    "[default: the first port]"
)
_POLL_SECONDS = 0.2
_WAITING = 1000


@click.group()
def midi() -> None:
    """Switch voices from MIDI: find ports, see what they send, make a map.

    `svc render --midi FILE --map FILE` uses a map with a MIDI file.
    """


@midi.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
def ports(as_json: bool) -> None:
    """List the MIDI inputs of this computer."""
    from streamvc.plugin.midi.devices import list_devices

    devices = list_devices()
    if as_json:
        click.echo(json.dumps([vars(device) for device in devices]))
        return
    for device in devices:
        click.echo(f"{device.name}  ({device.backend})")
    if not devices:
        click.echo("There are no MIDI inputs: connect one, or use a port of the network, tcp://HOST:PORT.", err=True)


@midi.command()
@click.option("--port", help=_PORT_HELP)
@click.option("--map", "map_path", type=click.Path(path_type=Path), help="MIDI map.  [default: the built-in one]")
@click.option("--count", type=click.IntRange(1), help="Stop after so many messages.  [default: go on until Ctrl-C]")
def monitor(port: str | None, map_path: Path | None, count: int | None) -> None:
    """Print what arrives, and what the map makes of it."""
    from streamvc.plugin.midi import MidiInput, PresetSwitcher

    switcher = PresetSwitcher(load_map(map_path))
    lines: queue.Queue[str] = queue.Queue(_WAITING)
    dropped = _Counter()

    def show(message: Any) -> None:
        meaning = "; ".join(map(str, switcher.handle(message))) or "nothing"
        try:
            lines.put_nowait(f"{describe(message)} -> {meaning}")
        except queue.Full:
            dropped.add()

    with MidiInput(port, show, _say) as source:
        click.echo(f"Listening to {source.name} ({source.backend}); Ctrl-C ends.", err=True)
        shown = 0
        while count is None or shown < count:
            if missed := dropped.take():
                click.echo(f"({missed} messages came too fast to be shown)")
            try:
                line = lines.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            click.echo(line)
            shown += 1


@midi.command()
@click.option("--port", help=_PORT_HELP)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The map to write.")
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 3600.0),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for a control.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing map.")
def learn(port: str | None, output: Path, timeout: float, overwrite: bool) -> None:
    """Make a map: say what a control shall do, then touch it.

    An empty answer goes on to the next question. The map is written at the end, all of it or nothing.
    """
    from streamvc.files import check_target
    from streamvc.plugin.midi import MidiInput
    from streamvc.plugin.midi.learn import Learner

    check_target(output, overwrite=overwrite)
    learner = Learner(output.parent)
    with MidiInput(port, learner.handle, _say) as source:
        click.echo(f"Listening to {source.name} ({source.backend}). An empty answer goes on to the next question.")
        _ask_all(learner, timeout)
    learnt = learner.save(output, overwrite=overwrite)
    click.echo(f"{output} written: {len(learnt.bindings)} controls.")


def _ask_all(learner: Learner, timeout: float) -> None:
    _ask(learner, timeout, "Voice of the next pad, key or program", "press", lambda voice: {"preset": voice})
    _ask(learner, timeout, "Voice that a wheel or knob morphs to", "move", lambda voice: {"morph": voice})
    _ask(learner, timeout, "Semitones of a pitch bend, as 2", "move", lambda reach: {"bend": _number(reach)})
    _ask(learner, timeout, "Parameter of a wheel or knob and its ends, as mix 0 1", "move", _parameter)
    _ask(learner, timeout, "Bypass by a pad or pedal, hold or toggle", "hold", _bypass)


def _ask(learner: Learner, timeout: float, question: str, gesture: Gesture, action_of: Any) -> None:
    while True:
        answer = click.prompt(question, default="", show_default=False).strip()
        if not answer:
            return
        action = action_of(answer)
        try:
            learner.check(action)
        except StreamVCError as error:
            click.echo(f"  {error}")
            continue
        verb = "move" if gesture == "move" else "press"
        trigger = learner.bind(
            action,
            gesture,
            timeout,
            on_taken=lambda taken: click.echo(f"  {taken} has its meaning already: use another."),
            on_ready=partial(click.echo, f"  Now {verb} its control."),
        )
        click.echo("  Nothing came, so this is left out." if trigger is None else f"  {trigger}")


def _parameter(answer: str) -> dict[str, Any]:
    name, *ends = answer.split()
    return {"parameter": name, "range": [_number(end) for end in ends]}


def _bypass(answer: str) -> dict[str, Any]:
    return {"parameter": "bypass", "value": answer}


def _number(word: str) -> float | str:
    try:
        return float(word)
    except ValueError:
        return word


def load_map(path: Path | None) -> MidiMap:
    """The map of a file, or the default one.

    Raises:
        ConfigError, PresetError: the file is no valid map, or names a preset that is not there.
    """
    from streamvc.plugin.midi import MidiMap

    return MidiMap.default() if path is None else MidiMap.load(path)


def describe(message: Any) -> str:
    """A message of mido in the terms of a map: channels from 1."""
    from streamvc.plugin.midi.bindings import Trigger
    from streamvc.plugin.midi.events import read_event

    event = read_event(message)
    if event is None:
        return str(message)
    trigger = Trigger(event.kind, event.number, event.channel)
    match message.type:
        case "note_on" if event.pressed:
            return f"{trigger}, velocity {message.velocity}"
        case "note_on" | "note_off":
            return f"{trigger}, released"
        case "pitchwheel":
            return f"{trigger}, {message.pitch:+d}"
        case "program_change":
            return str(trigger)
    return f"{trigger}, value {message.value}"


def _say(sentence: str) -> None:
    click.echo(sentence, err=True)


class _Counter:
    """A number that one thread adds to and another takes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def add(self) -> None:
        with self._lock:
            self._count += 1

    def take(self) -> int:
        with self._lock:
            count, self._count = self._count, 0
        return count
