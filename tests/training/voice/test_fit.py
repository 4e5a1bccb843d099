"""The fit moves what it may move, repeats, and does not touch the model."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streamvc.controls import Controls, pack
from streamvc.errors import CorpusError, TrainingError
from streamvc.presets.create import speaker_latent
from streamvc.presets.format import Preset
from streamvc.presets.pitch import f0_statistics
from streamvc.presets.recordings import prepare_speech
from streamvc.runtimes.speech import TorchSpeechEncoder
from streamvc.training.voice import likeness
from streamvc.training.voice.change import Change, normed
from streamvc.training.voice.fit import FitSettings, fit
from streamvc.training.voice.judge import SPECTRAL, HeldOut
from streamvc.training.voice.lesson import SAMPLES, Lessons
from streamvc.training.voice.make import Both
from streamvc.training.voice.material import SPEEDS, CorpusSpeech, OwnSpeech

FEW = FitSettings(steps=4, batch=2, minutes=60.0)


@pytest.fixture(scope="module")
def person(spoken):
    """Speech, and its register."""
    speech = prepare_speech(spoken)
    return speech, f0_statistics(speech)


@pytest.fixture(scope="module")
def zero_shot(shipped, person):
    speech, register = person
    return Preset("zero", speaker_latent(TorchSpeechEncoder(shipped), speech), *register, model="0" * 16)


@pytest.fixture(scope="module")
def change(shipped, person, zero_shot):
    return run(shipped, person, zero_shot)


def run(model, person, preset, settings=FEW, told=lambda pace, losses: None, likely=None):
    own = OwnSpeech(*person, settings.seed)
    likely = likely or likeness.recognised(model, preset.latent)
    return fit(model, preset, own, OwnSpeech(*person, settings.seed + 1), likely, settings, told)


def test_a_few_steps_bring_the_person_s_own_speech_nearer(shipped, person, zero_shot):
    """Measured on what it learnt from: that the fit descends at all. The held-out part is another matter."""
    speech, register = person
    settings = FitSettings(steps=10, batch=2, minutes=60.0, strength=0.2, own=1.0, likeness=0.0, words=0.0)
    change = run(shipped, person, zero_shot, settings)
    heard = HeldOut(shipped, speech, register, [], crops=3)
    before, after = (heard.measure(preset)[SPECTRAL] for preset in (zero_shot, change.applied(zero_shot, 1.0)))
    assert after < before - 0.005


def test_it_repeats_and_leaves_the_model_alone(shipped, person, zero_shot, change):
    before = {name: value.clone() for name, value in shipped.state_dict().items()}
    learning = [p.requires_grad for p in shipped.parameters()]
    told = []
    again = run(shipped, person, zero_shot, told=lambda pace, losses: told.append((pace.done, losses)))
    assert [step for step, _ in told] == [1, 2, 3, 4]
    assert all(set(losses) == {"own", "unlike", "words"} for _, losses in told)
    assert again.steps == 4
    assert again.seconds == pytest.approx(len(person[0]) / 16_000)
    assert np.array_equal(again.latent, change.latent)
    assert np.array_equal(again.adaptation, change.adaptation)
    assert np.abs(change.adaptation).max() > 0.01
    assert all(torch.equal(value, before[name]) for name, value in shipped.state_dict().items())
    assert [p.requires_grad for p in shipped.parameters()] == learning
    assert all(p.grad is None for p in shipped.parameters())


def test_another_seed_is_another_fit(shipped, person, zero_shot, change):
    other = run(shipped, person, zero_shot, FitSettings(steps=4, batch=2, minutes=60.0, seed=5))
    assert not np.array_equal(other.adaptation, change.adaptation)


def test_time_that_is_over_ends_it(shipped, person, zero_shot):
    short = run(shipped, person, zero_shot, FitSettings(steps=500, batch=2, minutes=1e-6))
    assert short.steps == 1
    assert np.isfinite(short.adaptation).all()


def test_a_loss_that_is_no_number_stops_it(shipped, person, zero_shot):
    learning = [p.requires_grad for p in shipped.parameters()]
    with pytest.raises(TrainingError, match="became nan at step 0: try another --seed"):
        run(shipped, person, zero_shot, likely=lambda speech: speech.mean() * float("nan"))
    assert [p.requires_grad for p in shipped.parameters()] == learning


def test_the_verifier_can_be_asked(shipped, person, zero_shot, verifier):
    losses = []
    likely = likeness.verified(verifier, person[0])
    run(shipped, person, zero_shot, FitSettings(steps=2, batch=2), lambda pace, loss: losses.append(loss), likely)
    assert all(0 < loss["unlike"] < 1 for loss in losses)


# What a change does to a preset


def test_part_of_the_way(zero_shot, change):
    assert change.applied(zero_shot, 0.0) is zero_shot
    half, whole = (change.applied(zero_shot, share) for share in (0.5, 1.0))
    assert whole.latent == pytest.approx(change.latent, abs=1e-4)
    assert half.adaptation == pytest.approx(0.5 * change.adaptation)
    for preset in (half, whole):
        assert preset.latent.mean() == pytest.approx(0, abs=1e-6)
        assert preset.latent.std() == pytest.approx(1, abs=1e-4)
        assert (preset.log_f0_mean, preset.model) == (zero_shot.log_f0_mean, zero_shot.model)


def test_a_latent_is_normed_as_the_encoder_s():
    latent = np.random.default_rng(0).standard_normal(64).astype(np.float32) * 3 + 1
    expected = torch.nn.functional.layer_norm(torch.from_numpy(latent), (64,)).numpy()
    assert normed(latent) == pytest.approx(expected, abs=1e-5)


def test_a_preset_with_a_change_is_small(zero_shot, change):
    assert isinstance(change, Change)
    assert len(change.applied(zero_shot, 1.0).to_bytes()) < 1_000_000


# What it hears


def test_a_lesson_lines_up_with_what_was_spoken(shipped, person):
    """Said with the model's own step: the same pitch, and the same loudness at the same time."""
    speech, register = person
    lessons = Lessons(shipped, register, 0.0, 0)
    samples = torch.from_numpy(speech[:SAMPLES].copy())[None]
    lesson = lessons(samples, torch.tensor([register]))
    latent = torch.zeros(64)
    with torch.no_grad():
        said = lessons.say(lesson, latent)
    assert said.shape == lesson.speech.shape
    controls = torch.from_numpy(pack(Preset("x", np.zeros(64), *register, model="m").voice(), Controls()))[None]
    with torch.no_grad():
        stepped, _ = shipped.step(samples, latent[None], controls)
    whole = stepped[:, -said.shape[1] :]
    loud = [x.unfold(1, 800, 800).square().mean(dim=-1).log() for x in (said, whole, lesson.speech)]
    for other in loud[1:]:
        assert np.corrcoef(loud[0].numpy().ravel(), other.numpy().ravel())[0, 1] > 0.9


def test_others_are_the_person_at_other_speeds(person):
    own = OwnSpeech(*person, 3)
    speech, registers = own.others(12, SAMPLES)
    assert speech.shape == (12, SAMPLES)
    assert speech.dtype == torch.float32
    moved = torch.exp(registers[:, 0] - person[1][0])
    assert SPEEDS[0] <= float(moved.min()) < 0.9
    assert 1.1 < float(moved.max()) <= SPEEDS[1]
    for row, (mean, _) in zip(speech[:4], registers[:4], strict=True):
        assert f0_statistics(row.numpy())[0] == pytest.approx(float(mean), abs=0.2)
    again, _ = OwnSpeech(*person, 3).others(12, SAMPLES)
    assert torch.equal(again, speech)


def test_a_corpus_gives_others_as_well(corpus_folder, person, tmp_path):
    corpus = CorpusSpeech(corpus_folder, 1)
    speech, registers = corpus.others(6, SAMPLES)
    assert speech.shape == (6, SAMPLES)
    hz = torch.exp(registers[:, 0])
    assert {round(float(x) / 110) for x in hz} == {1, 2}  # the two speakers of the training split
    both, of_both = Both(OwnSpeech(*person, 3), corpus).others(5, SAMPLES)
    assert (both.shape, of_both.shape) == ((5, SAMPLES), (5, 2))
    with pytest.raises(CorpusError):
        CorpusSpeech(tmp_path, 1)
