"""A live session in the terminal, from the first block to the finished recording."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import click

from streamvc.cli.keys import keyboard
from streamvc.cli.live_controls import LiveControls
from streamvc.cli.live_options import LiveOptions
from streamvc.cli.live_view import JsonView, LineView, ScreenView, View
from streamvc.cli.quiet import quiet_libraries

if TYPE_CHECKING:
    from streamvc.plugin.live.host import AudioHost
    from streamvc.plugin.live.recorder import Recorder
    from streamvc.plugin.live.runner import LiveStatus
    from streamvc.plugin.midi import PresetSwitcher
    from streamvc.plugin.voice_converter import VoiceConverter

_POLL_SECONDS: Final = 0.05
_LONGEST_START_SECONDS: Final = 30.0
"""After so long without any sound, time counts all the same, so that a limited session ends."""
_NOTES = 2
_NOTE_SECONDS = 10.0


def run_live(
    host: AudioHost,
    options: LiveOptions,
    title: Callable[[], str],
    make_recorder: Callable[[], Recorder] | None = None,
) -> None:
    """Play until the end, show how things stand, and finish the recording whatever ends it.

    Args:
        host: not yet connected.
        options: see there.
        title: what to say about the host when it is connected.
        make_recorder: called when the host's format is known.

    Raises:
        StreamVCError: nothing can be played, or the recording ended early.
    """
    from streamvc.plugin.live.runner import LiveRunner
    from streamvc.plugin.live.worker import quiet_collector

    notes = _Notes()
    with ExitStack() as stack:
        stack.enter_context(quiet_libraries())
        host.connect()
        stack.callback(host.close)
        processor, converter = options.processor()
        switcher = _switcher(options, converter)
        recorder = None
        if make_recorder is not None:
            recorder = make_recorder()
            stack.callback(recorder.close)
        runner = LiveRunner(
            processor,
            host,
            safety_ms=options.safety_ms,
            monitor_db=options.monitor_db if options.monitor else None,
            before_block=_applier(switcher, converter),
            tap=None if recorder is None else recorder.write,
        )
        controls = LiveControls(converter, options.voices(converter), runner, options.monitor_db)
        if switcher is not None:
            from streamvc.plugin.midi import MidiInput

            source = stack.enter_context(MidiInput(options.midi_port, _listener(switcher), notes.add))
            notes.add(f"MIDI from {source.name}")
        view: View = JsonView(recorder) if options.as_json else ScreenView() if sys.stdout.isatty() else LineView()
        keys = stack.enter_context(keyboard())
        stack.enter_context(quiet_collector())
        stack.callback(runner.stop)
        runner.start()
        if not options.as_json:
            click.echo(title())
        stopwatch = Stopwatch()
        shown = time.monotonic()
        try:
            while not controls.quit and (options.seconds is None or stopwatch.seconds < options.seconds):
                for key in keys.read(_POLL_SECONDS):
                    controls.press(key)
                status = runner.poll()
                stopwatch.look(status)
                if time.monotonic() - shown >= view.seconds:
                    shown = time.monotonic()
                    peaks = runner.take_peaks()
                    view.show(stopwatch.seconds, status, peaks, controls, notes.now(controls, recorder))
        except KeyboardInterrupt:
            # The usual way to end a session without a keyboard of its own; everything below still happens.
            pass
        elapsed = stopwatch.seconds
        status, peaks = runner.poll(), runner.take_peaks()
        runner.stop()
        if options.as_json:
            view.show(elapsed, status, peaks, controls, notes.now(controls, recorder))
    counts = status.statistics
    ending = "" if recorder is None else f"; {recorder.path} holds {recorder.seconds:.1f} s"
    click.echo(
        f"Stopped after {elapsed:.1f} s: {counts.underruns + counts.overruns} drop-outs, {counts.cuts} cuts, "
        f"device lost {status.device_losses} times{ending}.",
        err=options.as_json,
    )


class Stopwatch:
    """Counts from the first sound: devices and their servers may take seconds to start.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._made = clock()
        self._began: float | None = None

    def look(self, status: LiveStatus) -> None:
        """Begin to count if sound has come out, or if that has been waited for long enough."""
        now = self._clock()
        if self._began is None and (status.statistics.fetched > 0 or now - self._made > _LONGEST_START_SECONDS):
            self._began = now

    @property
    def seconds(self) -> float:
        """Since the first sound; 0 before it."""
        return 0.0 if self._began is None else self._clock() - self._began


class _Notes:
    """Sentences from other threads, shown for a while."""

    def __init__(self) -> None:
        self._sentences: list[tuple[float, str]] = []

    def add(self, sentence: str) -> None:
        self._sentences = [*self._sentences[-_NOTES + 1 :], (time.monotonic(), sentence)]

    def now(self, controls: LiveControls, recorder: Recorder | None) -> list[str]:
        recent = [sentence for at, sentence in self._sentences if time.monotonic() - at < _NOTE_SECONDS]
        if controls.problem is not None:
            recent.append(controls.problem)
        if recorder is not None:
            recent.append(f"recorded {recorder.seconds:.0f} s" if recorder.error is None else str(recorder.error))
        return recent


def _switcher(options: LiveOptions, converter: VoiceConverter | None) -> PresetSwitcher | None:
    if options.midi_port is None:
        return None
    from streamvc.cli.midi import load_map
    from streamvc.plugin.midi import PresetSwitcher

    if converter is None:
        raise click.UsageError("--midi needs a voice to switch: the chain has none.")
    switcher = PresetSwitcher(load_map(options.map_path))
    switcher.prepare(converter)
    return switcher


def _listener(switcher: PresetSwitcher) -> Callable[[object], None]:
    def listen(message: object) -> None:
        switcher.handle(message)

    return listen


def _applier(switcher: PresetSwitcher | None, converter: VoiceConverter | None) -> Callable[[], object] | None:
    if switcher is None or converter is None:
        return None
    return lambda: switcher.apply(converter)
