from __future__ import annotations

import threading
import tomllib

import pytest
from mido import Message

from streamvc.errors import ConfigError, OutputError, PresetError
from streamvc.plugin.midi import MidiMap
from streamvc.plugin.midi.bindings import Trigger
from streamvc.plugin.midi.learn import Learner

LONG, SHORT = 30.0, 0.05


@pytest.fixture
def learner(store):
    return Learner(store)


@pytest.fixture
def bind(learner):
    """`bind(action, gesture, *messages, seconds=LONG)`: messages of another thread, as soon as they are asked for."""

    def run(action, gesture, *messages, seconds=LONG, on_taken=None):
        sender = threading.Thread(target=lambda: [learner.handle(message) for message in messages])
        try:
            return learner.bind(action, gesture, seconds, on_taken, sender.start)
        finally:
            sender.join()

    return run


def test_touched_controls_become_a_map(learner, bind, store):
    note = Message("note_on", note=36, channel=9, velocity=90)
    wheel = Message("control_change", control=1, value=3)
    assert bind({"preset": "half"}, "press", note) == Trigger("note", 36, 10)
    assert bind({"preset": "full"}, "press", Message("program_change", program=4)) == Trigger("program", 4, 1)
    assert bind({"morph": "full"}, "move", note, wheel) == Trigger("control", 1, 1)  # a pad does not move
    bend = Message("pitchwheel", pitch=100)
    assert bind({"bend": 2.0}, "move", bend) == Trigger("pitch_bend", 0, 1)
    pedal = Message("control_change", control=64, value=127)
    hold = {"parameter": "bypass", "value": "hold"}
    assert bind(hold, "hold", Message("program_change", program=9), pedal) == Trigger("control", 64, 1)
    saved = learner.save(store / "pads.toml")
    assert tomllib.loads((store / "pads.toml").read_text()) == {
        "schema": 1,
        "bind": [
            {"note": 36, "channel": 10, "preset": "half"},
            {"program": 4, "channel": 1, "preset": "full"},
            {"control": 1, "channel": 1, "morph": "full"},
            {"pitch_bend": True, "channel": 1, "bend": 2.0},
            {"control": 64, "channel": 1, "parameter": "bypass", "value": "hold"},
        ],
    }
    assert MidiMap.load(store / "pads.toml").bindings == saved.bindings


def test_a_control_that_is_let_go_is_not_meant(learner, bind):
    low = Message("control_change", control=20, value=0)
    released = Message("note_off", note=36)
    assert bind({"preset": "half"}, "press", released, low, seconds=0.5) is None
    assert learner.entries == []


def test_a_control_has_one_meaning(bind):
    taken = []
    note, other = (Message("note_on", note=number, velocity=90) for number in (36, 37))
    bind({"preset": "half"}, "press", note)
    assert bind({"preset": "full"}, "press", note, note, other, on_taken=taken.append) == Trigger("note", 37, 1)
    assert taken == [Trigger("note", 36, 1)]


def test_what_came_before_the_question_does_not_answer_it(learner, bind):
    for number in range(1000):  # more than are kept
        learner.handle(Message("note_on", note=number % 128, velocity=1))
    assert learner.bind({"preset": "half"}, "press", SHORT) is None
    assert bind({"preset": "half"}, "press", Message("note_on", note=3, velocity=1)) == Trigger("note", 3, 1)


def test_what_comes_at_once_after_the_question_answers_it(learner):
    """A message that another thread brings before `bind` has begun to wait is not taken for an older one."""
    note = Message("note_on", note=36, velocity=90)
    bound = learner.bind({"preset": "half"}, "press", SHORT, on_ready=lambda: learner.handle(note))
    assert bound == Trigger("note", 36, 1)


def test_actions_are_checked_before_the_control_is_asked_for(learner):
    with pytest.raises(PresetError, match="did you mean half"):
        learner.check({"preset": "hlaf"})
    with pytest.raises(ConfigError, match="from 0 to 24"):
        learner.check({"bend": 30.0})
    learner.check({"preset": "half.npz"})


def test_nothing_is_written_when_nothing_was_learnt_or_a_file_is_there(learner, bind, store):
    with pytest.raises(ConfigError, match="No control was learnt"):
        learner.save(store / "pads.toml")
    assert not (store / "pads.toml").exists()
    bind({"preset": "half"}, "press", Message("note_on", note=36, velocity=90))
    (store / "pads.toml").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        learner.save(store / "pads.toml")
    assert (store / "pads.toml").read_text() == "mine"
    learner.save(store / "pads.toml", overwrite=True)
    assert len(MidiMap.load(store / "pads.toml").bindings) == 1
