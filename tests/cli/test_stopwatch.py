"""`--seconds` counts sound, not waiting."""

from __future__ import annotations

from types import SimpleNamespace

from streamvc.cli.live_loop import Stopwatch


def status(fetched):
    return SimpleNamespace(statistics=SimpleNamespace(fetched=fetched))


def test_it_counts_from_the_first_sound():
    now = [100.0]
    watch = Stopwatch(lambda: now[0])
    now[0] = 104.0
    watch.look(status(0))
    assert watch.seconds == 0.0
    watch.look(status(480))
    now[0] = 105.5
    watch.look(status(960))
    assert watch.seconds == 1.5


def test_a_device_that_never_starts_does_not_keep_it_waiting_for_ever():
    now = [0.0]
    watch = Stopwatch(lambda: now[0])
    now[0] = 31.0
    watch.look(status(0))
    now[0] = 33.0
    assert watch.seconds == 2.0
