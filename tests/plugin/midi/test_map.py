from __future__ import annotations

import os
import pickle

import pytest
from mido import Message

from streamvc.errors import ConfigError, PresetError
from streamvc.plugin.midi import MidiMap, PresetSwitcher
from streamvc.plugin.midi.events import read_event
from streamvc.plugin.midi.mapping import default_table
from streamvc.plugin.midi.parameters import PARAMETERS
from streamvc.plugin.settings import Settings
from streamvc.presets.format import Preset
from streamvc.presets.store import resolve


def write(folder, text, schema="schema = 1\n"):
    path = folder / "pads.toml"
    path.write_text(schema + text, encoding="utf-8")
    return path


def meaning(midi_map, *messages):
    """What the messages come to, as text."""
    switcher = PresetSwitcher(midi_map)
    return ["; ".join(map(str, switcher.handle(message))) for message in messages]


FULL = """
[[bind]]
program = 5
preset = "half"

[[bind]]
note = 36
channel = 10
preset = "voices/full.npz"

[[bind]]
note = 36
channel = 10
parameter = "mix"
value = 0.25

[[bind]]
note = 37
parameter = "bypass"
value = "toggle"

[[bind]]
note = 38
parameter = "bypass"
value = true

[[bind]]
control = 1
morph = ["mute", "half"]

[[bind]]
control = 2
morph = "full"

[[bind]]
control = 7
parameter = "output_gain_db"
range = [-60, 0]

[[bind]]
pressure = true
parameter = "intonation"
range = [1, 0]

[[bind]]
pitch_bend = true
bend = 12

[[bind]]
control = 80
parameter = "gate_db"
value = "off"

[[bind]]
control = 64
parameter = "bypass"
value = "hold"
"""


def test_every_kind_of_entry(store):
    midi_map = MidiMap.load(write(store.parent, FULL))
    messages = [
        (Message("program_change", program=5, channel=3), "preset half"),
        (Message("program_change", program=6), ""),
        (Message("note_on", note=36, channel=9, velocity=100), "preset full; mix 0.25"),
        (Message("note_off", note=36, channel=9), ""),
        (Message("note_on", note=36, channel=9, velocity=0), ""),
        (Message("note_on", note=36, channel=8, velocity=100), ""),
        (Message("note_on", note=37, velocity=1), "bypass turned over"),
        (Message("note_on", note=38, velocity=1), "bypass on"),
        (Message("control_change", control=1, value=0), "morph 0 % from mute to half"),
        (Message("control_change", control=1, value=64), "morph 50 % from mute to half"),
        (Message("control_change", control=1, value=127), "morph 100 % from mute to half"),
        (Message("control_change", control=2, value=127), "morph 100 % from the chosen voice to full"),
        (Message("control_change", control=7, value=0), "output_gain_db -60 dB"),
        (Message("control_change", control=7, value=127), "output_gain_db 0 dB"),
        (Message("aftertouch", value=0), "intonation 1"),
        (Message("aftertouch", value=127), "intonation 0"),
        (Message("pitchwheel", pitch=-8192), "bend -12.00 semitones"),
        (Message("pitchwheel", pitch=0), "bend +0.00 semitones"),
        (Message("pitchwheel", pitch=8191), "bend +12.00 semitones"),
        (Message("control_change", control=80, value=64), "gate_db off"),
        (Message("control_change", control=80, value=63), ""),
        (Message("control_change", control=64, value=63), "bypass off"),
        (Message("control_change", control=64, value=64), "bypass on"),
        (Message("clock"), ""),
        (Message("sysex", data=[1, 2]), ""),
    ]
    for message, expected in messages:
        assert meaning(midi_map, message) == [expected], message
    assert {preset.name for preset in midi_map.presets} == {"mute", "half", "full"}


def test_paths_start_at_the_map(store, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    path = write(store, '[[bind]]\nnote = 1\npreset = "full.npz"\n[[bind]]\nnote = 2\npreset = "~/own.npz"\n')
    monkeypatch.setenv("HOME", str(store))
    os.symlink(store / "half.npz", store / "own.npz")
    assert [preset.name for preset in MidiMap.load(path).presets] == ["full", "half"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("preset = 'half'", "needs one control, not 0.*program, note, control, pitch_bend or pressure"),
        ("note = 1\nprogram = 2\npreset = 'half'", "needs one control, not 2"),
        ("note = 1", "needs one action, not 0.*preset, morph, bend or parameter"),
        ("note = 1\npreset = 'half'\nbend = 1", "needs one action, not 2"),
        ("note = 128\npreset = 'half'", "note must be a whole number from 0 to 127, not 128"),
        ("note = -1\npreset = 'half'", "from 0 to 127, not -1"),
        ("note = 1.5\npreset = 'half'", "not 1.5"),
        ("note = true\npreset = 'half'", "not True"),
        ("pitch_bend = 1\nbend = 1", "write pitch_bend = true"),
        ("note = 1\nchannel = 0\npreset = 'half'", "channel must be a whole number from 1 to 16, not 0"),
        ("note = 1\nchannel = 17\npreset = 'half'", "not 17"),
        ("note = 1\npresett = 'half'", "'presett' has no meaning: did you mean preset"),
        ("note = 1\nxyz = 'half'", "'xyz' has no meaning: use"),
        ("note = 1\npreset = 3", "preset must be a preset's name or path in quotes, not 3"),
        ("note = 1\nmorph = 'half'", "morph needs a control that moves, and note does not"),
        ("program = 1\nbend = 2", "bend needs a control that moves"),
        ("pressure = true\npreset = 'half'", "preset needs a control that is pressed, and pressure is not"),
        ("control = 1\nmorph = ['half']", "a list of two"),
        ("control = 1\nmorph = ['half', 3]", "name or path in quotes, not 3"),
        ("control = 1\nmorph = ['half', 'alien']", "half and alien are of different models"),
        ("control = 1\nbend = 25", "bend must be a number from 0 to 24 semitones, not 25"),
        ("control = 1\nbend = nan", "not nan"),
        ("control = 1\nparameter = 'volume'\nrange = [0, 1]", "no parameter 'volume': use one of pitch_semitones"),
        ("control = 1\nparameter = 'mix'", "either a value .* or a range"),
        ("control = 1\nparameter = 'mix'\nvalue = 1\nrange = [0, 1]", "either a value .* or a range"),
        ("control = 1\nparameter = 'mix'\nrange = [0, 2]", "range of mix must be a number from 0 to 1, not 2"),
        ("control = 1\nparameter = 'mix'\nrange = [0]", "list of two numbers"),
        ("control = 1\nparameter = 'mix'\nvalue = 'off'", "mix must be a number"),
        ("control = 1\nparameter = 'mix'\nvalue = true", "mix must be a number from 0 to 1, not True"),
        ("note = 1\nparameter = 'mix'\nrange = [0, 1]", "a range needs a control that moves"),
        ("note = 1\nparameter = 'gate_db'\nvalue = -81", "from -80 to 0 dBFS"),
        ("note = 1\nparameter = 'bypass'\nrange = [0, 1]", "a range needs"),
        ("control = 1\nparameter = 'bypass'\nrange = [0, 1]", "bypass is a switch and has no range"),
        ("note = 1\nparameter = 'bypass'\nvalue = 1", 'true, false, "hold" or "toggle", not 1'),
        ("program = 1\nparameter = 'bypass'\nvalue = 'hold'", "program has no release"),
        ("note = 1\npreset = 'half'\nvalue = 3", "value belongs to a parameter"),
    ],
)
def test_wrong_entries_are_named_in_one_sentence(store, entry, words):
    path = write(store, f"[[bind]]\nnote = 99\npreset = 'mute'\n[[bind]]\n{entry}\n")
    with pytest.raises(ConfigError, match=words) as caught:
        MidiMap.load(path)
    message = str(caught.value)
    assert message.startswith(f"The MIDI map {path}: bind 2: ")
    assert "\n" not in message
    assert message.endswith((".", "?"))


@pytest.mark.parametrize(
    ("schema", "text", "words"),
    [
        ("", "[[bind]]\nnote = 1\n", "write schema = 1"),
        ("schema = 2\n", "", "newer version"),
        ("schema = true\n", "", "write schema = 1"),
        ("schema = 1\n", "", "binds nothing"),
        ("schema = 1\n", "bind = []", "binds nothing"),
        ("schema = 1\n", "bind = 'x'", "binds nothing"),
        ("schema = 1\n", "bind = [3]", "bind 1 is no table"),
        ("schema = 1\n", "[[pad]]\nnote = 1\n", "'pad' has no meaning"),
        ("schema = 1\n", "[[bind]\nnote = 1\n", "no valid TOML"),
        ("schema = 1\n", "[[bind]]\nnote = 1\npreset = 'half'\n" * 2, "note 1 is given two meanings for preset"),
        (
            "schema = 1\n",
            "[[bind]]\nnote = 1\npreset = 'half'\n[[bind]]\nnote = 1\nchannel = 3\npreset = 'full'\n",
            "two meanings",
        ),
    ],
)
def test_wrong_files(store, schema, text, words):
    path = write(store, text, schema)
    with pytest.raises(ConfigError, match=words) as caught:
        MidiMap.load(path)
    assert str(path) in str(caught.value)


def test_one_control_may_differ_by_channel(store):
    text = "".join(
        f"[[bind]]\nnote = 1\nchannel = {channel}\npreset = '{name}'\n" for channel, name in ((1, "half"), (2, "full"))
    )
    midi_map = MidiMap.load(write(store, text))
    assert meaning(midi_map, Message("note_on", note=1, channel=1)) == ["preset full"]


def test_files_that_are_none(store):
    with pytest.raises(ConfigError, match=r"cannot be read \(no such file"):
        MidiMap.load(store / "missing.toml")
    with pytest.raises(ConfigError, match="no regular file"):
        MidiMap.load(store)
    os.mkfifo(store / "pipe")
    with pytest.raises(ConfigError, match="no regular file"):
        MidiMap.load(store / "pipe")
    (store / "huge.toml").write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(ConfigError, match="larger than"):
        MidiMap.load(store / "huge.toml")
    (store / "latin.toml").write_bytes(b"# \xe4\n")
    with pytest.raises(ConfigError, match="UTF-8"):
        MidiMap.load(store / "latin.toml")


def test_an_unknown_preset_is_refused_when_the_map_is_loaded(store):
    path = write(store, "[[bind]]\nnote = 1\npreset = 'hlaf'\n")
    with pytest.raises(PresetError, match="did you mean half"):
        MidiMap.load(path)


def test_presets_are_read_once_and_not_again(store):
    midi_map = MidiMap.load(
        write(store, "[[bind]]\nnote = 1\npreset = 'half'\n[[bind]]\ncontrol = 1\nmorph = 'half'\n")
    )
    (half,) = midi_map.presets
    assert half == resolve("half")
    for path in store.glob("*.npz"):
        path.unlink()
    assert meaning(midi_map, Message("note_on", note=1)) == ["preset half"]


def test_the_default_map():
    table = default_table()
    names = [entry["preset"] for entry in table["bind"] if "program" in entry]
    assert names == sorted(names)
    assert len(names) >= 20
    midi_map = MidiMap.default()
    for number, name in enumerate(names):
        assert meaning(midi_map, Message("program_change", program=number, channel=number % 16)) == [f"preset {name}"]
    assert meaning(
        midi_map,
        Message("program_change", program=len(names)),
        Message("control_change", control=1, value=127),
        Message("pitchwheel", pitch=8191),
        Message("control_change", control=64, value=127),
        Message("control_change", control=64, value=0),
        Message("note_on", note=60),
    ) == ["", f"morph 100 % from the chosen voice to {names[1]}", "bend +2.00 semitones", "bypass on", "bypass off", ""]
    assert meaning(MidiMap.default(12), Message("pitchwheel", pitch=-8192)) == ["bend -12.00 semitones"]
    with pytest.raises(ConfigError, match="bend must be a number from 0 to 24 semitones, not 30"):
        MidiMap.default(30)


def test_a_map_goes_to_another_process(store):
    """`svc render --jobs` sends it to its workers."""
    midi_map = MidiMap.load(write(store.parent, FULL))
    again = pickle.loads(pickle.dumps(midi_map))
    message = Message("note_on", note=36, channel=9, velocity=100)
    assert meaning(again, message) == meaning(midi_map, message)


def test_positions_reach_both_ends_and_the_middle():
    def position(**message):
        return read_event(Message(**message)).position

    assert [position(type="control_change", control=1, value=value) for value in (0, 64, 127)] == [0.0, 0.5, 1.0]
    assert [position(type="pitchwheel", pitch=pitch) for pitch in (-8192, 0, 8191)] == [0.0, 0.5, 1.0]
    steps = [position(type="control_change", control=1, value=value) for value in range(128)]
    assert steps == sorted(set(steps))


def test_parameters_are_those_of_the_converter(store):
    """Names and ranges are not this package's to decide."""
    preset = resolve("mute")
    assert isinstance(preset, Preset)
    settings = Settings(preset, preset.voice())
    assert set(PARAMETERS) == set(vars(settings)) - {"preset", "voice", "controls", "levels", "crossfade_frames"}
    for name, parameter in PARAMETERS.items():
        if parameter.limits is None:
            continue
        low, high = parameter.limits
        for value in (low, high, *([None] if parameter.none else [])):
            Settings(preset, preset.voice(), **{name: value})
        for value in (low - 0.1, high + 0.1, *([] if parameter.none else [None])):
            with pytest.raises(ConfigError):
                Settings(preset, preset.voice(), **{name: value})
