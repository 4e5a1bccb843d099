"""Every property of a converter: range, effect, the sample on which it takes effect, and who may assign it."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from streamvc.controls import Voice
from streamvc.errors import ConfigError, PresetError
from streamvc.plugin import VoiceConverter
from streamvc.plugin.adjustable import Adjustable
from streamvc.presets.format import Preset

RATE = 16_000
FINGERPRINT = "00000000000000aa"


class TellTale:
    """A model that says as one level who speaks (`latent[0]`) and at which pitch (a hundredth per semitone)."""

    name = "telltale"
    frame = 320
    look_ahead = 640
    fingerprint = FINGERPRINT
    latent_dim = 64
    supports_formant = True
    lowest_hz = None  # what it is given is not speech

    def __init__(self):
        self.controls = []

    def initial_state(self):
        return ()

    def step(self, samples, latent, controls, state):
        self.controls.append(controls)
        return np.full(len(samples), latent[0] + 0.01 * controls[2], np.float32), state


def make_preset(name, level, **defaults):
    latent = np.zeros(64, np.float32)
    latent[0] = level
    return Preset(name, latent, 5.0, 0.2, model=FINGERPRINT, **defaults)


@pytest.fixture
def runtime():
    return TellTale()


@pytest.fixture
def low():
    return make_preset("low", 0.25)


@pytest.fixture
def high():
    return make_preset("high", 0.5, pitch=3.0, formant=-1.0, gain=-6.0)


@pytest.fixture
def converter(low, runtime):
    converter = VoiceConverter(low, runtime=runtime)
    play(converter, 0.1)
    return converter


def play(converter, seconds, block=100):
    signal = np.full(round(seconds * RATE), 0.125, np.float32)
    blocks = np.split(signal, range(block, len(signal), block))
    return np.concatenate([converter.process(part, RATE, reset=False) for part in blocks])


PROPERTIES = {
    "pitch_semitones": (-24, 24),
    "formant_semitones": (-4, 4),
    "intonation": (0, 2),
    "source_pitch_hz": (40, 1000),
    "mix": (0, 1),
    "input_gain_db": (-60, 24),
    "output_gain_db": (-60, 24),
    "gate_db": (-80, 0),
    "crossfade_ms": (20, 500),
}


@pytest.mark.parametrize("name", PROPERTIES)
def test_a_property_takes_its_range_and_nothing_else(converter, low, runtime, name):
    bottom, top = PROPERTIES[name]
    for value in (bottom, top, np.float32(bottom), np.int64(top)):
        setattr(converter, name, value)
        assert getattr(converter, name) == value
        assert getattr(VoiceConverter(low, runtime=runtime, **{name: value}), name) == value
    standing = getattr(converter, name)
    for value in (bottom - 0.5, top + 0.5, np.nan, np.inf):
        with pytest.raises(ConfigError, match=rf"^{name} must lie from {bottom} to {top}.*\.$"):
            setattr(converter, name, value)
        with pytest.raises(ConfigError, match=name):
            VoiceConverter(low, runtime=runtime, **{name: value})
    for value in ("3", True, [1.0], object()):
        with pytest.raises(ConfigError, match=rf"^{name} must be a number from {bottom} to {top}.*\.$"):
            setattr(converter, name, value)
    assert getattr(converter, name) == standing


@pytest.mark.parametrize("name", ["intonation", "mix", "input_gain_db", "crossfade_ms", "bypass"])
def test_only_what_has_another_source_takes_none(converter, name):
    with pytest.raises(ConfigError, match=f"^{name} must be"):
        setattr(converter, name, None)


def test_every_property_says_its_unit_or_range():
    properties = {name: value for name, value in vars(Adjustable).items() if isinstance(value, property)}
    assert set(properties) == {*PROPERTIES, "preset", "voice", "bypass"}
    for name, (bottom, top) in PROPERTIES.items():
        text = properties[name].fget.__doc__
        assert f"{bottom:g}" in text, name
        assert f"{top:g}" in text, name


def test_crossfade_is_rounded_to_frames(converter):
    for given, kept in ((29, 20), (31, 40), (40, 40), (499, 500)):
        converter.crossfade_ms = given
        assert converter.crossfade_ms == kept


def test_a_formant_shift_that_the_model_does_not_have_is_refused_and_nothing_changes(converter, runtime):
    runtime.supports_formant = False
    with pytest.raises(ConfigError, match="cannot shift formants"):
        converter.formant_semitones = 1
    assert converter.formant_semitones == 0
    with pytest.raises(ConfigError, match="cannot shift formants"):
        converter.preset = make_preset("shifted", 0.5, formant=1.0)
    assert converter.preset.name == "low"


def test_controls_reach_the_model_at_the_next_frame(converter, runtime):
    converter.pitch_semitones, converter.formant_semitones = 7, -2
    converter.intonation, converter.source_pitch_hz = 0.5, 200
    converter.process(np.full(320, 0.1, np.float32), RATE, reset=False)
    np.testing.assert_allclose(runtime.controls[-1], [5.0, 0.2, 7, -2, 0.5, np.log(200)], rtol=1e-6)
    converter.source_pitch_hz = None
    converter.process(np.full(320, 0.1, np.float32), RATE, reset=False)
    assert runtime.controls[-1][5] == 0


def test_a_preset_s_own_values_hold_until_the_user_sets_some(converter, low, high):
    def own():
        return converter.pitch_semitones, converter.formant_semitones, converter.output_gain_db

    converter.preset = high
    assert own() == (3.0, -1.0, -6.0)
    converter.pitch_semitones = 5.0
    assert own() == (5.0, -1.0, -6.0)
    converter.preset = low
    assert own() == (5.0, 0.0, 0.0)
    converter.preset = high
    assert own() == (5.0, -1.0, -6.0)
    converter.pitch_semitones = None
    assert own() == (3.0, -1.0, -6.0)
    converter.formant_semitones = converter.output_gain_db = 0.0
    converter.preset = make_preset("other", 0.1, pitch=1.0, formant=1.0, gain=1.0)
    assert own() == (1.0, 0.0, 0.0)
    converter.formant_semitones = converter.output_gain_db = None
    assert own() == (1.0, 1.0, 1.0)


def test_a_value_given_at_the_start_is_the_user_s(low, high, runtime):
    converter = VoiceConverter(high, pitch_semitones=1.0, runtime=runtime)
    assert (converter.pitch_semitones, converter.formant_semitones) == (1.0, -1.0)
    converter.preset = low
    assert (converter.pitch_semitones, converter.formant_semitones) == (1.0, 0.0)


@pytest.mark.parametrize("block", [1, 37, 320, 1000])
def test_a_new_voice_and_its_gain_begin_on_the_promised_sample(low, high, block):
    converter = VoiceConverter(low, runtime=TellTale(), crossfade_ms=60)
    play(converter, 0.1234, block)
    promised = converter.samples_until_change
    converter.preset = high
    output = play(converter, 0.2, block)
    np.testing.assert_allclose(output[:promised], 0.25, rtol=1e-6)
    fade = output[promised : promised + 960]
    level, gain = 0.5 + 0.03, 10 ** (-6 / 20)
    steps = (np.arange(960) + 0.5) / 960
    ramp = np.minimum(np.arange(1, 961) / 160, 1.0)
    expected = (0.25 + (level - 0.25) * (0.5 - 0.5 * np.cos(np.pi * steps))) * (1 + (gain - 1) * ramp)
    np.testing.assert_allclose(fade, expected, rtol=1e-5)
    np.testing.assert_allclose(output[promised + 960 :], level * gain, rtol=1e-5)


def test_the_crossfade_given_at_the_start_counts(low, high, runtime):
    converter = VoiceConverter(low, runtime=runtime, crossfade_ms=100)
    play(converter, 0.1)
    before = len(runtime.controls)
    converter.set_voice(high.voice())
    play(converter, 0.2)
    assert len(runtime.controls) - before == 10 + 5


def test_pitch_has_no_fade(converter):
    promised = converter.samples_until_change
    converter.pitch_semitones = 10
    output = play(converter, 0.1)
    np.testing.assert_allclose(output[:promised], 0.25, rtol=1e-6)
    np.testing.assert_allclose(output[promised:], 0.35, rtol=1e-6)


def test_a_sweep_of_pitch_costs_nothing_and_a_switch_one_step_a_faded_frame(converter, runtime, high):
    before = len(runtime.controls)
    for bend in np.linspace(-2, 2, 50):
        converter.pitch_semitones = bend
        converter.process(np.full(320, 0.1, np.float32), RATE, reset=False)
    assert len(runtime.controls) - before == 50
    converter.preset = high
    play(converter, 0.2)
    assert len(runtime.controls) - before == 50 + 10 + 2


def test_set_voice_keeps_the_rest(converter, low, high):
    converter.set_voice(high.voice())
    assert converter.voice == high.voice()
    assert converter.preset is low
    assert (converter.pitch_semitones, converter.output_gain_db) == (0, 0)
    np.testing.assert_allclose(play(converter, 0.2)[-100:], 0.5)
    converter.mix = 0.5
    assert converter.voice == high.voice(), "assigning something else must not bring the preset's voice back"
    converter.preset = low
    assert converter.voice == low.voice()


def test_set_voice_refuses_a_voice_of_another_size(converter):
    voice = Voice(np.zeros(64), 5.0, 0.2)
    object.__setattr__(voice, "latent", np.zeros(32, np.float32))
    with pytest.raises(ConfigError, match="32 values"):
        converter.set_voice(voice)


@pytest.mark.parametrize("wrong", ["low", None, 3])
def test_set_voice_takes_voices_only(converter, wrong):
    with pytest.raises(ConfigError, match="assign presets and names to `preset`"):
        converter.set_voice(wrong)


def test_what_is_assigned_between_recordings_holds_from_their_first_sample(converter, high):
    signal = np.full(4000, 0.1, np.float32)
    converter.preset = high
    converter.bypass, converter.mix = True, 0.5
    np.testing.assert_array_equal(converter.process(signal, RATE), signal)
    converter.bypass, converter.mix = False, 1.0
    output = converter.process(signal, RATE)
    np.testing.assert_allclose(output, 0.53 * 10 ** (-6 / 20), rtol=1e-5)


def test_what_is_assigned_before_a_stream_begins_holds_from_its_first_sample(low, high, runtime):
    converter = VoiceConverter(low, runtime=runtime)
    converter.preset, converter.pitch_semitones = high, 0.0
    play(converter, 0.1)
    assert len(runtime.controls) == 5, "no fade from a voice that was never heard"
    assert all(controls[2] == 0.0 for controls in runtime.controls)


def test_a_change_of_rate_keeps_the_settings(converter):
    converter.mix, converter.gate_db = 0.25, -50
    converter.process(np.zeros((2, 100), np.float32), 48_000, reset=False)
    assert (converter.mix, converter.gate_db) == (0.25, -50)


def test_the_gate_silences_what_the_model_hears(low):
    class Echo(TellTale):
        def step(self, samples, latent, controls, state):
            return samples.copy(), state

    converter = VoiceConverter(low, runtime=Echo(), gate_db=-40)
    quiet, loud = np.full(3200, 0.005, np.float32), np.full(3200, 0.05, np.float32)
    assert not converter.process(quiet, RATE).any()
    np.testing.assert_allclose(converter.process(loud, RATE)[800:2000], 0.05, rtol=1e-6)
    converter.gate_db = None
    np.testing.assert_allclose(converter.process(quiet, RATE)[800:2000], 0.005, rtol=1e-6)


def test_a_preset_is_assigned_by_name_path_or_value(converter, high, tmp_path, monkeypatch):
    monkeypatch.setenv("SVC_PRESETS", str(tmp_path))
    path = high.save(tmp_path / "mine.npz")
    converter.preset = "mine"
    assert converter.preset.name == "mine"
    for way in (path, str(path), high):
        converter.preset = way
        assert converter.preset == high


@pytest.mark.parametrize(
    ("wrong", "message"),
    [("nobody", "nobody"), ("no/such.npz", "such.npz"), (5, "not as 5"), (None, "not as None"), ("", "no preset")],
)
def test_a_preset_that_is_not_there_changes_nothing(converter, runtime, wrong, message):
    standing = converter.preset
    with pytest.raises(PresetError, match=message):
        converter.preset = wrong
    with pytest.raises(PresetError, match=message):
        VoiceConverter(wrong, runtime=runtime)
    with pytest.raises(PresetError, match=message):
        converter.preload(["nobody" if wrong == "nobody" else wrong])
    assert converter.preset is standing


def test_a_preset_of_another_model_changes_nothing(converter):
    other = Preset("other", np.zeros(64, np.float32), 5.0, 0.2, model="00000000000000bb")
    with pytest.raises(PresetError, match="another model"):
        converter.preset = other
    with pytest.raises(PresetError, match="another model"):
        converter.preload([other])
    assert converter.preset.name == "low"


def test_assignments_of_several_threads_are_all_kept(converter, low, high):
    """Threads that assign different properties while another plays: nothing is lost, nothing breaks."""
    errors = []

    def flood(name, values):
        try:
            for _ in range(60):
                for value in values:
                    setattr(converter, name, value)
        except Exception as error:
            errors.append(error)

    floods = {
        "preset": [high, low, high],
        "pitch_semitones": [-3.0, 0.0, 3.5],
        "mix": [0.2, 1.0, 0.75],
        "bypass": [True, False],
        "crossfade_ms": [20, 200, 60],
    }
    threads = [threading.Thread(target=flood, args=item) for item in floods.items()]
    for thread in threads:
        thread.start()
    output = play(converter, 1.0)
    for thread in threads:
        thread.join()
    assert not errors
    assert np.isfinite(output).all()
    assert np.abs(output).max() <= 0.5 + 0.035
    for name, values in floods.items():
        assert getattr(converter, name) == values[-1]
    np.testing.assert_allclose(
        play(converter, 1.0)[-100:], (0.75 * 0.535 + 0.25 * 0.125) * 10 ** (-6 / 20), rtol=1e-5
    )
