from __future__ import annotations

import sys
import threading
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from mido import Message

from streamvc.errors import PresetError
from streamvc.plugin.midi import MidiMap, PresetSwitcher
from streamvc.presets.blend import blend
from streamvc.presets.store import resolve

MAP = {
    "schema": 1,
    "bind": [
        {"program": 0, "preset": "mute"},
        {"program": 1, "preset": "half"},
        {"program": 2, "preset": "full"},
        {"control": 1, "morph": "full"},
        {"control": 2, "morph": ["half", "full"]},
        {"control": 7, "parameter": "output_gain_db", "range": [-60, 0]},
        {"control": 8, "parameter": "mix", "range": [0, 1]},
        {"control": 9, "parameter": "formant_semitones", "range": [-4, 4]},
        {"control": 64, "parameter": "bypass", "value": "hold"},
        {"pitch_bend": True, "bend": 2},
        {"note": 1, "parameter": "bypass", "value": "toggle"},
        {"control": 65, "parameter": "bypass", "value": "toggle"},
        {"note": 2, "parameter": "pitch_semitones", "value": -5},
        {"note": 3, "parameter": "pitch_semitones", "value": "preset"},
        {"note": 4, "parameter": "gate_db", "value": -40},
        {"note": 5, "parameter": "gate_db", "value": "off"},
    ],
}


def program(number):
    return Message("program_change", program=number)


def control(number, value):
    return Message("control_change", control=number, value=value)


def bend(pitch):
    return Message("pitchwheel", pitch=pitch)


def press(note):
    return Message("note_on", note=note, velocity=100)


@pytest.fixture
def switcher(store):
    return PresetSwitcher(MidiMap.from_table(MAP))


@pytest.fixture
def play(switcher, converter):
    """`play(*messages)`: what the converter is after them, all within one frame."""

    def run(*messages):
        for message in messages:
            switcher.handle(message)
        switcher.apply(converter)
        return converter

    return run


def test_programs_choose_presets_in_their_order(play):
    assert play(program(1)).preset.name == "half"
    assert play(program(0), program(2)).preset.name == "full"
    assert play(program(2), program(1), program(1)).preset.name == "half"


def test_nothing_happens_before_apply(switcher, converter):
    switcher.handle(program(2))
    assert converter.preset.name == "mute"
    assert switcher.apply(converter) == 1
    assert switcher.apply(converter) == 0


@pytest.mark.parametrize("value", [0, 1, 63, 64, 126, 127])
def test_a_morph_is_the_blend_of_its_presets(play, value):
    weight = value / 128 if value <= 64 else 0.5 + (value - 64) / 126
    expected = blend(resolve("half"), resolve("full"), weight, "x")
    converter = play(control(2, value))
    assert converter.voice == expected.voice()
    assert converter.pitch_semitones == expected.pitch
    assert play(program(1), control(1, value)).voice == expected.voice()


def test_a_morph_takes_its_part_of_a_fit(new_converter, store):
    change = np.linspace(-1, 1, 8).astype(np.float32)
    replace(resolve("full"), adaptation=change).save(store / "full.npz", overwrite=True)
    converter, switcher = new_converter(), PresetSwitcher(MidiMap.from_table(MAP))
    converter.engine.runtime.adaptation_dim = 8
    for value, share in ((32, 0.25), (64, 0.5), (127, 1.0)):
        switcher.handle(control(2, value))
        switcher.apply(converter)
        assert converter.voice.adaptation == pytest.approx(share * change)
    switcher.handle(control(2, 0))
    switcher.apply(converter)
    assert converter.voice.adaptation is None


def test_a_morph_begins_at_the_voice_that_was_chosen_last(play):
    assert play(program(1), control(1, 64)).voice == blend(resolve("half"), resolve("full"), 0.5, "x").voice()
    # Further messages of the wheel go on from the same voice, not from the point between.
    assert play(control(1, 32)).voice == blend(resolve("half"), resolve("full"), 0.25, "x").voice()
    assert play(control(1, 0)).preset == resolve("half")
    assert play(control(1, 127)).preset == resolve("full")
    assert play(control(1, 0)).preset == resolve("half")
    # Whatever chose the voice.
    converter = play(control(1, 64))
    converter.preset = "mute"
    assert play(control(1, 64)).voice == blend(resolve("mute"), resolve("full"), 0.5, "x").voice()
    assert play(control(1, 100), program(1)).preset.name == "half"


def test_a_bend_moves_around_the_pitch_that_was_set(play):
    assert play(bend(8191)).pitch_semitones == 2.0
    assert play(program(2)).pitch_semitones == 5.0  # `full` has 3 of its own
    assert play(bend(-8192)).pitch_semitones == 1.0
    assert play(bend(0)).pitch_semitones == 3.0
    assert play(program(1)).pitch_semitones == 0.0  # the bend has not pinned the pitch
    assert play(bend(8191), press(2)).pitch_semitones == -3.0
    assert play(program(2)).pitch_semitones == -3.0  # what was assigned outlasts a preset
    assert play(bend(0)).pitch_semitones == -5.0
    assert play(press(3)).pitch_semitones == 3.0


def test_a_bend_takes_up_what_somebody_else_set(play, converter):
    play(bend(8191), bend(0))
    converter.pitch_semitones = 7.0
    assert play(bend(4096)).pitch_semitones == pytest.approx(8.0, abs=1e-3)
    assert play(bend(0)).pitch_semitones == 7.0


def test_a_bend_stays_within_the_range_of_pitch(play, converter):
    converter.pitch_semitones = 23.5
    assert play(bend(8191)).pitch_semitones == 24.0
    assert play(bend(0)).pitch_semitones == 23.5


def test_bypass_by_holding_and_by_turning_over(play):
    assert play(control(64, 127)).bypass is True
    assert play(control(64, 0)).bypass is False
    assert play(press(1)).bypass is True
    assert play(press(1)).bypass is False
    assert play(press(1), press(1)).bypass is False
    assert play(press(1), press(1), press(1)).bypass is True
    assert play(control(64, 0), press(1)).bypass is True
    assert play(press(1), control(64, 127)).bypass is True


def test_a_knob_turns_over_once_per_push(play):
    assert play(control(65, 64)).bypass is True
    assert play(control(65, 90)).bypass is True
    assert play(control(65, 127)).bypass is True
    assert play(control(65, 10)).bypass is True
    assert play(control(65, 127)).bypass is False


def test_parameters(play):
    converter = play(control(7, 0), control(8, 64), press(4))
    assert (converter.output_gain_db, converter.mix, converter.gate_db) == (-60.0, 0.5, -40.0)
    assert play(press(5)).gate_db is None


def test_what_means_nothing_is_counted_and_ignored(switcher, converter):
    for message in (program(99), press(99), control(99, 1), Message("aftertouch", value=3)):
        assert switcher.handle(message) == ()
    for message in (Message("clock"), Message("sysex", data=[1]), Message("polytouch", note=1), Message("reset")):
        assert switcher.handle(message) == ()
    assert switcher.apply(converter) == 0
    assert (switcher.counts.received, switcher.counts.ignored) == (4, 4)
    assert converter.preset.name == "mute"


def test_what_the_model_cannot_do_is_counted_and_the_rest_is_done(switcher, converter):
    """The model of these tests shifts no formants."""
    for message in (control(9, 127), program(2)):
        switcher.handle(message)
    assert switcher.apply(converter) == 2
    assert converter.preset.name == "full"
    assert (switcher.counts.applied, switcher.counts.refused) == (1, 1)
    assert "cannot shift formants" in switcher.problem


def test_a_map_of_another_model_is_refused_before_audio_runs(store, converter):
    table = {"schema": 1, "bind": [{"program": 0, "preset": "alien"}]}
    with pytest.raises(PresetError, match="another model"):
        PresetSwitcher(MidiMap.from_table(table)).prepare(converter)


def test_prepared_presets_need_no_file(switcher, converter, store):
    switcher.prepare(converter)
    for path in store.glob("*.npz"):
        path.unlink()
    switcher.handle(program(2))
    switcher.apply(converter)
    assert converter.preset.name == "full"
    converter.preset = "half"  # a key of a live session, say
    assert converter.preset.name == "half"


def random_messages(count, seed):
    random = np.random.default_rng(seed)
    makers = [
        lambda: program(int(random.integers(4))),
        lambda: control(int(random.choice([1, 2, 7, 8, 64, 65])), int(random.integers(128))),
        lambda: bend(int(random.integers(-8192, 8192))),
        lambda: press(int(random.integers(1, 6))),
    ]
    return [makers[random.integers(len(makers))]() for _ in range(count)]


def state(converter):
    names = ("voice", "pitch_semitones", "mix", "output_gain_db", "gate_db", "bypass")
    return {name: getattr(converter, name) for name in names}


@pytest.mark.parametrize("seed", range(30))
def test_many_messages_at_once_come_to_what_they_come_to_one_by_one(new_converter, seed):
    messages = random_messages(40, seed)
    slow, fast = new_converter(), new_converter()
    one_by_one, at_once = PresetSwitcher(MidiMap.from_table(MAP)), PresetSwitcher(MidiMap.from_table(MAP))
    for message in messages:
        one_by_one.handle(message)
        one_by_one.apply(slow)
        at_once.handle(message)
    at_once.apply(fast)
    assert state(fast) == state(slow)


def test_a_flood_keeps_one_value_per_target(switcher, converter):
    messages = [control(number, value) for value in range(128) for number in (1, 2, 7, 8, 64)]
    messages += [bend(pitch) for pitch in range(-8192, 8192, 16)]
    for message in messages:  # what is allocated once
        switcher.handle(message)
    switcher.apply(converter)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(20):
            for message in messages:
                switcher.handle(message)
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert held < 10_000
    assert switcher.apply(converter) == 5
    assert switcher.counts.received == 21 * len(messages)
    assert converter.output_gain_db == 0.0


def test_messages_from_several_threads_while_audio_runs(switcher, converter):
    """Nothing is lost of the last values, nothing raises, and no sample jumps by more than a fade allows."""
    switcher.prepare(converter)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    errors = []

    def send(number, rounds):
        try:
            for index in range(rounds):
                switcher.handle(control(number, index % 128))
                switcher.handle(program(index % 3))
                switcher.handle(bend(index % 8192))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=send, args=(number, 1000)) for number in (2, 7, 8)]
    block = np.full(160, 0.5, dtype=np.float32)
    output = []
    try:
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            switcher.apply(converter)
            output.append(converter.process(block, 16_000, reset=False))
    finally:
        sys.setswitchinterval(interval)
        for thread in threads:
            thread.join()
    assert not errors
    switcher.handle(control(7, 127))
    switcher.handle(control(8, 127))
    switcher.handle(program(1))
    assert switcher.apply(converter) > 0
    assert (converter.preset.name, converter.output_gain_db, converter.mix) == ("half", 0.0, 1.0)
    assert switcher.counts.received == 3 * 3 * 1000 + 3
    assert switcher.counts.refused == 0
    # Gain and mix move over 160 samples and voices fade over 640: a jump of the steady level 0.5 would be far more.
    assert np.abs(np.diff(np.concatenate(output)[960:])).max() < 0.5 * 4 / 160
