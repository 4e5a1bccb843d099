"""Converters as values: copies, pickles, what they say of themselves, and names that are none of theirs."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

from streamvc.controls import Voice
from streamvc.errors import ConfigError
from streamvc.plugin import VoiceConverter
from streamvc.plugin.adjustable import Adjustable

RATE = 16_000
NOISE = (0.1 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)


@pytest.fixture(scope="module")
def converter():
    made = VoiceConverter("alice", pitch_semitones=3.0, mix=0.5)
    made.gate_db = -50.0
    return made


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_a_copy_has_settings_voice_and_a_stream_of_its_own(converter, again):
    made = again(converter)
    assert repr(made) == repr(converter)
    assert made.engine is not converter.engine
    for name, kind in vars(Adjustable).items():
        if isinstance(kind, property) and name not in ("preset", "voice"):
            assert getattr(made, name) == getattr(converter, name)
    assert made.voice == converter.voice
    np.testing.assert_array_equal(made.process(NOISE, RATE), converter.process(NOISE, RATE))
    # Neither hears the other.
    first = converter.process(NOISE[:1000], RATE, reset=False)
    made.process(NOISE[::-1][:3000].copy(), RATE, reset=False)
    made.mix = 0.25
    second = converter.process(NOISE[1000:2000], RATE, reset=False)
    converter.reset()
    np.testing.assert_array_equal(
        np.concatenate([first, second]), converter.process(NOISE[:2000], RATE, reset=False)
    )
    converter.reset()
    assert converter.mix == 0.5


def test_a_voice_that_was_set_goes_along(converter):
    made = copy.copy(converter)
    own = made.voice
    made.set_voice(Voice(own.latent[::-1].copy(), 5.0, 0.2))
    for again in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert again.voice == made.voice
        assert again.voice != own
    assert "set_voice" in repr(made)


def test_another_process_can_use_it(converter):
    code = (
        "import pickle, sys, numpy as np\n"
        "made = pickle.load(sys.stdin.buffer)\n"
        "noise = (0.1 * np.random.default_rng(0).standard_normal(16000)).astype(np.float32)\n"
        "print(repr(made), float(np.abs(made.process(noise, 16000)).sum()), sep='|')"
    )
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(converter), capture_output=True, check=True)
    said, total = done.stdout.decode().strip().split("|")
    assert said == repr(converter)
    assert float(total) == pytest.approx(float(np.abs(converter.process(NOISE, RATE)).sum()), rel=1e-4)


def test_weights_of_its_own_are_no_pickle_and_a_sentence(converter):
    made = copy.copy(converter)

    class Other:
        def __getattr__(self, name):
            return "0" * 16 if name == "fingerprint" else getattr(converter.engine.runtime, name)

    made.engine.runtime = Other()
    with pytest.raises(ConfigError, match=r"cannot be pickled: make it where it is needed"):
        pickle.dumps(made)


def test_it_tells_voice_and_settings():
    made = VoiceConverter("alice")
    assert repr(made) == "VoiceConverter('alice')"
    made.pitch_semitones, made.bypass = -2.0, True
    assert repr(made) == "VoiceConverter('alice', pitch_semitones=-2.0, bypass=True)"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("pitch", "pitch_semitones"),
        ("mixx", "mix"),
        ("gate", "gate_db"),
        ("formants_semitones", "formant_semitones"),
        ("zzz", "settings are"),
    ],
)
def test_a_property_that_does_not_exist_is_refused(converter, name, hint):
    with pytest.raises(ConfigError, match=hint) as caught:
        setattr(converter, name, 3)
    assert isinstance(caught.value, AttributeError)
    assert not hasattr(converter, name)


def test_classes_of_ones_own_may_have_more():
    class Mine(VoiceConverter):
        note = ""

        def __init__(self):
            super().__init__("alice")
            self.note, self._count = "mine", 3

    made = Mine()
    assert (made.note, made._count) == ("mine", 3)
