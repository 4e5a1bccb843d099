from __future__ import annotations

import numpy as np
import pedalboard
import pytest
from pedalboard.io import AudioFile

from streamvc.errors import ConfigError, PresetError
from streamvc.plugin import EffectChain, VoiceConverter
from streamvc.plugin.chain_file import load_chain
from streamvc.plugin.chain_file_natives import native_types
from streamvc.plugin.chain_natives import CANNOT_STREAM

RATE = 48_000


@pytest.fixture
def write(tmp_path):
    """`write(text)`: the path of a file with it."""

    def write(text):
        path = tmp_path / "chain.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_chain_of_natives(write, noise):
    path = write(
        """
        [[effect]]
        type = "NoiseGate"
        threshold_db = -40

        [[effect]]
        type = "LadderFilter"
        mode = "HPF24"
        cutoff_hz = 300

        [[effect]]
        type = "Resample"
        target_sample_rate = 8000
        quality = "Linear"

        [[effect]]
        type = "Mix"
        [[effect.effect]]
        type = "Chain"
        effect = [{ type = "Gain", gain_db = -6 }, { type = "Invert" }]
        [[effect.effect]]
        type = "Delay"
        delay_seconds = 0.01
        """
    )
    ladder = pedalboard.LadderFilter(pedalboard.LadderFilter.Mode.HPF24, 300)
    resample = pedalboard.Resample(8000, pedalboard.Resample.Quality.Linear)
    mix = pedalboard.Mix([pedalboard.Chain([pedalboard.Gain(-6), pedalboard.Invert()]), pedalboard.Delay(0.01)])
    expected = EffectChain([pedalboard.NoiseGate(-40), ladder, resample, mix])
    chain = load_chain(path)
    assert isinstance(chain, EffectChain)
    np.testing.assert_array_equal(chain(noise(9600), RATE), expected(noise(9600), RATE))


def test_a_voice_between_plugins(write, example_speech):
    path = write(
        """
        effect = [
            { type = "NoiseGate", threshold_db = -50 },
            { type = "VoiceConverter", preset = "alice", mix = 0.5, backend = "onnx" },
            { type = "Reverb", room_size = 0.2 },
        ]
        """
    )
    chain = load_chain(str(path))
    assert isinstance(chain[1], VoiceConverter)
    with AudioFile(str(example_speech)) as file:
        speech = file.read(16_000)
    expected = EffectChain(
        [pedalboard.NoiseGate(-50), VoiceConverter("alice", mix=0.5, backend="onnx"), pedalboard.Reverb(0.2)]
    )
    np.testing.assert_array_equal(chain(speech, 16_000), expected(speech, 16_000))
    assert chain.latency_samples(16_000) == 960


def test_paths_start_at_the_folder_of_the_file(write, tmp_path, noise):
    with AudioFile(str(tmp_path / "room.wav"), "w", RATE, 1) as file:
        file.write(noise(1000))
    chain = load_chain(write('effect = [{ type = "Convolution", impulse_response_filename = "room.wav", mix = 0.5 }]'))
    expected = pedalboard.Convolution(str(tmp_path / "room.wav"), 0.5)
    np.testing.assert_array_equal(chain(noise(9600), RATE), expected(noise(9600), RATE))
    with pytest.raises(PresetError, match=r"mine\.npz"):
        load_chain(write('effect = [{ type = "VoiceConverter", preset = "mine.npz" }]'))


def test_every_built_in_plugin_that_streams_can_be_named(write, tmp_path, noise):
    with AudioFile(str(tmp_path / "room.wav"), "w", RATE, 1) as file:
        file.write(noise(1000))
    needed = {"Convolution": ', impulse_response_filename = "room.wav"'}
    for name in native_types().keys() - CANNOT_STREAM.keys():
        text = f'effect = [{{ type = "{name}"{needed.get(name, "")} }}]'
        assert type(load_chain(write(text))[0]) is getattr(pedalboard, name)


def test_a_plugin_of_another_maker(write, build_vst3, noise):
    path = build_vst3(100)
    text = '[[effect]]\ntype = "VST3"\npath = "{}"\n{}'
    chain = load_chain(write(text.format(path, "parameters = { gain = 0.5 }")))
    assert chain.latency_samples(RATE) == 100
    np.testing.assert_allclose(chain(noise(4800, 2), RATE), 0.5 * noise(4800, 2), atol=1e-6)
    assert len(load_chain(write(text.format(path, 'name = "Late Gain"')))) == 1
    for more, message in (
        ("parameters = { gian = 0.5 }", r"there is no parameter 'gian' \(is gain meant\?\)"),
        ("parameters = { gain = 7.0 }", r"gain does not take 7\.0: "),
        ('name = "Other"', "holds the plugin 'Late Gain' and no 'Other'"),
        ("parameters = 3", "name must be a text, and parameters a table"),
    ):
        with pytest.raises(ConfigError, match=rf"chain\.toml, effect 1 \(VST3\): .*{message}"):
            load_chain(write(text.format(path, more)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"holds no \[\[effect\]\] tables: write at least one"),
        ("effect = []", r"holds no \[\[effect\]\] tables"),
        ("effect = [1]", r"holds no \[\[effect\]\] tables"),
        ("effects = []", r"has an unknown entry 'effects': a chain consists of \[\[effect\]\] tables"),
        ("[[effect", "is no valid TOML: "),
        ("effect = [{ gain_db = 3 }]", r'effect 1 has no type: write for instance type = "Reverb"'),
        ('effect = [{ type = "Reverbb" }]', r"effect 1 \(Reverbb\): there is no such type of effect \(is Reverb mean"),
        ('effect = [{ type = "Gain" }, { type = "IIRFilter" }]', r"effect 2 \(IIRFilter\): there is no such type"),
        ('effect = [{ type = "PitchShift" }]', r"effect 1 \(PitchShift\): PitchShift cannot stand in a chain: "),
        ('effect = [{ type = "Reverb", rom_size = 1 }]', r"no parameter 'rom_size' \(is room_size meant\?\); it takes"),
        ('effect = [{ type = "Invert", gain = 1 }]', "no parameter 'gain'; it takes none"),
        ('effect = [{ type = "Reverb", room_size = 7 }]', "Room Size value must be between 0.0 and 1.0"),
        ('effect = [{ type = "Reverb", room_size = nan }]', "room_size must be a finite number, not nan"),
        ('effect = [{ type = "Reverb", room_size = "big" }]', "room_size must be a number, not the text 'big'"),
        ('effect = [{ type = "Reverb", room_size = [1] }]', r"of the wrong type; it takes room_size: \w+ = 0.5, damp"),
        ('effect = [{ type = "LadderFilter", mode = "LP" }]', "mode cannot be 'LP'; it can be LPF12, HPF12, "),
        ('effect = [{ type = "Convolution" }]', "a parameter is missing or of the wrong type; it takes impulse_resp"),
        ('effect = [{ type = "Convolution", impulse_response_filename = "no.wav" }]', r"Unable to load .*no\.wav\."),
        ('effect = [{ type = "VST3" }]', r'the path of the plugin is missing: write path = "FILE\.vst3"'),
        ('effect = [{ type = "VST3", path = "no.vst3" }]', r"there is no plugin .*no\.vst3: check the path"),
        ('effect = [{ type = "VST3", path = "chain.toml" }]', r"chain\.toml cannot be loaded: "),
        ('effect = [{ type = "VST3", path = "a", gain = 1 }]', "no parameter 'gain'; it takes path, name, parameters"),
        ('effect = [{ type = "Mix" }]', r"effect 1 \(Mix\) holds no \[\[effect\]\] tables"),
        ('effect = [{ type = "Mix", mix = 1 }]', "no parameter 'mix'; it takes effect"),
        (
            'effect = [{ type = "Mix", effect = [{ type = "Gain" }, { type = "Rverb" }] }]',
            r"effect 1 \(Mix\), effect 2 \(Rverb\): there is no such type",
        ),
        ('effect = [{ type = "Mix", effect = [{ type = "Resample" }] }]', "Resample cannot stand inside a Mix"),
        ('effect = [{ type = "VoiceConverter" }]', r"the preset is missing: write preset = \"NAME\""),
        ('effect = [{ type = "VoiceConverter", preset = "alice", pich = 1 }]', "no parameter 'pich'"),
        ('effect = [{ type = "VoiceConverter", preset = "alice", runtime = 1 }]', "no parameter 'runtime'"),
        ('effect = [{ type = "VoiceConverter", preset = "alice", mix = 2.0 }]', r"\(VoiceConverter\): mix must"),
        ('effect = [{ type = "VoiceConverter", preset = "alice", mix = "x" }]', r"effect 1 \(VoiceConverter\): "),
        (
            'effect = [{ type = "Mix", effect = [{ type = "VoiceConverter", preset = "alice" }] }]',
            "a Mix takes plugins only: put the VoiceConverter before or after it",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(write, text, message):
    path = write(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_chain(path)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_a_voice_that_is_not_there_is_a_preset_error_with_its_place(write):
    path = write('effect = [{ type = "VoiceConverter", preset = "nobody" }]')
    with pytest.raises(PresetError, match=r"effect 1 \(VoiceConverter\): .*nobody"):
        load_chain(path)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match=r"There is no file .*missing\.toml: check the path"):
        load_chain(tmp_path / "missing.toml")
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory\)"):
        load_chain(tmp_path)
    (tmp_path / "noise.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"noise\.toml is no text in UTF-8"):
        load_chain(tmp_path / "noise.toml")
