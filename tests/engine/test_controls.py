"""What the controls say is what is heard, measured on the output."""

from __future__ import annotations

import numpy as np
import parselmouth
import pytest

from streamvc.config import FRAME, PaperConfig
from streamvc.controls import Controls, Voice
from streamvc.engine import Engine
from streamvc.errors import ConfigError

VOICE = Voice(np.zeros(64), 5.0, 0.15)
"""148 Hz."""


@pytest.fixture(scope="module")
def source(voice):
    """Five seconds of a voice at 150 Hz with vibrato."""
    return voice(250 * FRAME, 150.0).float().numpy()


@pytest.fixture(scope="module")
def say(buzz, source):
    def go(**controls):
        return Engine(buzz, VOICE, Controls(**controls)).process(source)

    return go


def log_f0(samples):
    """Natural log of f0 in Hz where Praat hears a voice, after the first second.

    A witness of its own: where the pitch moves fast, the votes of our YIN are missing, and what is left is one side of
    the vibrato.
    """
    sound = parselmouth.Sound(samples.astype(np.float64), 16_000)
    hz = sound.to_pitch_ac(time_step=0.01, pitch_floor=50.0, pitch_ceiling=500.0).selected_array["frequency"][100:]
    assert (hz > 0).mean() > 0.3, "too little voice to measure"
    return np.log(hz[hz > 0])


@pytest.mark.parametrize("semitones", [-12, -5, 7, 12])
def test_pitch_moves_by_semitones(say, semitones):
    plain, moved = log_f0(say()), log_f0(say(pitch_semitones=semitones))
    assert np.median(moved) - np.median(plain) == pytest.approx(semitones * np.log(2) / 12, abs=0.02)


def test_the_voice_is_spoken_at_its_own_pitch(say):
    assert np.median(log_f0(say())) == pytest.approx(VOICE.log_f0_mean, abs=0.08)


def test_intonation_scales_the_movement_around_the_mean(say):
    flat, plain, lively = (log_f0(say(intonation=factor)) for factor in (0, 1, 2))
    assert flat.std() < 0.01
    assert plain.std() > 0.05
    assert lively.std() == pytest.approx(2 * plain.std(), rel=0.15)
    assert np.median(flat) == pytest.approx(VOICE.log_f0_mean, abs=0.01)


def test_a_locked_source_pitch_is_what_comes_out_as_the_voice_s_mean(say):
    right, low = (np.median(log_f0(say(source_pitch_hz=hz))) for hz in (150, 120))
    assert right == pytest.approx(VOICE.log_f0_mean, abs=0.05)
    # A source above the locked pitch is spoken above the voice's mean.
    assert low > right + 0.1


@pytest.mark.parametrize("semitones", [-4, 4])
def test_formants_move_and_pitch_stays(say, semitones):
    plain, moved = say(), say(formant_semitones=semitones)
    assert np.median(log_f0(moved)) == pytest.approx(np.median(log_f0(plain)), abs=0.03)
    assert peak(plain) == pytest.approx(1000, rel=0.08)
    assert peak(moved) == pytest.approx(1000 * 2 ** (semitones / 12), rel=0.08)


def peak(samples):
    """Hz of the strongest place of the smoothed spectrum."""
    power = np.abs(np.fft.rfft(samples[16_000:] * np.hanning(len(samples) - 16_000))) ** 2
    hz = np.fft.rfftfreq(len(samples) - 16_000, 1 / 16_000)
    # Wider than the distance of harmonics.
    width = int(np.searchsorted(hz, 200))
    smooth = np.convolve(power, np.hanning(width), "same")
    return hz[np.argmax(smooth)]


def test_a_louder_source_is_a_louder_voice(buzz, source):
    levels = [float(np.sqrt(np.mean(Engine(buzz, VOICE).process(source * g)[16_000:] ** 2))) for g in (1.0, 0.5)]
    assert levels[0] / levels[1] == pytest.approx(2, rel=0.1)


def test_a_model_that_cannot_move_formants_says_so(tmp_path):
    from streamvc.checkpoint import save_model
    from streamvc.model import build_model
    from streamvc.runtimes.pytorch import TorchRuntime

    save_model(build_model(PaperConfig(content_channels=2, speech_channels=2, decoder_channels=2)), tmp_path / "p.st")
    runtime = TorchRuntime(tmp_path / "p.st")
    with pytest.raises(ConfigError, match="cannot shift formants"):
        Engine(runtime, VOICE, Controls(formant_semitones=1))
    engine = Engine(runtime, VOICE)
    with pytest.raises(ConfigError, match="cannot shift formants"):
        engine.set_controls(Controls(formant_semitones=-1))
    assert engine.controls == Controls()
