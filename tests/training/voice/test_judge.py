"""A fit is kept only if it is better on speech that it has not heard."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from streamvc.presets.create import speaker_latent
from streamvc.presets.format import Preset
from streamvc.presets.pitch import f0_statistics
from streamvc.presets.recordings import prepare_speech
from streamvc.presets.store import resolve
from streamvc.runtimes.speech import TorchSpeechEncoder
from streamvc.training.voice import likeness
from streamvc.training.voice.change import Change
from streamvc.training.voice.judge import CONTENT, SHARES, SPECTRAL, HeldOut, decide

BEFORE = {SPECTRAL: 0.9, CONTENT: 0.13, "one": 0.70, "two": 0.80}
JUDGES = ("one", "two")


def after(**changes: float) -> dict[str, float]:
    named = {"spectral": SPECTRAL, "content": CONTENT}
    return BEFORE | {named.get(name, name): value for name, value in changes.items()}


def test_what_is_better_in_everything_is_kept_whole():
    verdict = decide(BEFORE, {1.0: after(one=0.75, two=0.85, spectral=0.85), 0.5: after(one=0.72, two=0.82)}, JUDGES)
    assert verdict.share == 1.0
    assert verdict.after["one"] == 0.75
    assert verdict.before == BEFORE


def test_half_is_kept_where_the_whole_loses_something():
    tried = {1.0: after(one=0.80, two=0.85, content=0.2), 0.5: after(one=0.74, two=0.82)}
    assert decide(BEFORE, tried, JUDGES).share == 0.5


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"one": 0.69, "two": 0.9}, r"less like the person by one \(0.700 to 0.690\)"),
        ({"one": 0.704, "two": 0.804}, r"hardly more like the person \(\+0.004, and 0.005 is asked for\)"),
        ({"one": 0.75, "two": 0.85, "content": 0.14}, r"the content suffers \(0.130 to 0.140\)"),
        ({"one": 0.75, "two": 0.85, "spectral": 0.95}, "own speech comes out worse"),
        ({"one": 0.75, "two": float("nan")}, "not a number"),
    ],
    ids=["judge", "little", "content", "spectral", "nan"],
)
def test_what_loses_something_is_not_kept(changes, why):
    verdict = decide(BEFORE, dict.fromkeys(SHARES, after(**changes)), JUDGES)
    assert verdict.share == 0.0
    assert re.search(why, verdict.why)


def test_more_can_be_asked_for():
    tried = {1.0: after(one=0.715, two=0.815)}
    assert decide(BEFORE, tried, JUDGES).share == 1.0
    assert decide(BEFORE, tried, JUDGES, 0.02).share == 0.0


@pytest.fixture(scope="module")
def person(shipped, spoken):
    speech = prepare_speech(spoken)
    register = f0_statistics(speech)
    preset = Preset("zero", speaker_latent(TorchSpeechEncoder(shipped), speech), *register, model="0" * 16)
    return speech, register, preset


@pytest.fixture(scope="module")
def held_out(shipped, person):
    return HeldOut(shipped, person[0], person[1], [likeness.own_encoder(shipped)], crops=2)


def test_measures_repeat_and_know_the_person_from_another(held_out, person):
    mine = held_out.measure(person[2])
    assert held_out.measure(person[2]) == mine
    assert set(mine) == {SPECTRAL, CONTENT, "speech encoder"}
    assert 0 < mine["speech encoder"] <= 1
    someone = replace(person[2], latent=resolve("victor").latent)
    other = held_out.measure(someone)
    assert other["speech encoder"] < mine["speech encoder"]


def test_a_fit_that_spoils_the_voice_is_not_kept(shipped, held_out, person):
    """A real model, and an adaptation that turns its modulation upside down."""
    preset = person[2]
    noise = np.random.default_rng(0).standard_normal(shipped.decoder.adaptation_dim).astype(np.float32) * np.float32(4)
    wrecked = Change(preset.latent, noise, 30.0, 10)
    tried = {share: held_out.measure(wrecked.applied(preset, share)) for share in SHARES}
    before = held_out.measure(preset)
    assert tried[SHARES[0]][CONTENT] > 1.2 * before[CONTENT]
    verdict = decide(before, tried, ["speech encoder"])
    assert verdict.share == 0.0
    assert verdict.why


def test_judges_are_those_that_are_installed(shipped, spoken, verifier):
    found = likeness.judges(verifier)
    assert found[-1].name == "Resemblyzer"
    speech = prepare_speech(spoken)
    half = len(speech) // 2
    for judge in found:
        reference = judge.embed(speech[half:])
        assert judge.likeness(speech[:half], reference) > judge.likeness(speech[:half] * 0 + 0.01, reference)
        assert judge.likeness(speech[half:], reference) == pytest.approx(1, abs=1e-5)
    assert [judge.name for judge in likeness.judges(None)] in (["d-vector"], [])
