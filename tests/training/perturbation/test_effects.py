"""What each perturbation does, in numbers: where formants and pitch go, how loud noise is, how long rooms ring."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import torch

from streamvc.training.perturbation.equaliser import Band, draw_bands, equalise
from streamvc.training.perturbation.noise import add_noise, coloured_noise
from streamvc.training.perturbation.rooms import impulse_response, reverberate
from streamvc.training.perturbation.spectra import analyse, synthesise
from streamvc.training.perturbation.voice import shift_voice
from streamvc.training.registers import register_of

RATE = 16_000


def vowel(f0: float, formant: float, seconds: float = 2.0, vibrato: float = 0.15) -> np.ndarray:
    """Pulses through one resonance of 120 Hz, RMS 0.1; a vibrato of 15 % fills the spectrum."""
    time = np.arange(int(seconds * RATE)) / RATE
    phase = np.cumsum(f0 * np.exp(vibrato * np.sin(2 * np.pi * time))) / RATE
    pulses = np.diff(np.floor(phase), prepend=0)
    radius, turn = np.exp(-np.pi * 120 / RATE), 2 * np.pi * formant / RATE
    voice = scipy.signal.lfilter([1], [1, -2 * radius * np.cos(turn), radius**2], pulses)
    return (0.1 * voice / np.sqrt(np.mean(voice**2))).astype(np.float32)


def formant_of(samples: np.ndarray) -> float:
    """The middle of the strongest resonance, in Hz: the centre of the mean power around its peak."""
    hz, power = scipy.signal.welch(samples, RATE, nperseg=1_024)
    smooth = np.convolve(power, np.hanning(13), "same")
    peak = int(smooth.argmax())
    near = slice(max(0, peak - 8), peak + 9)
    return float((hz[near] * power[near]).sum() / power[near].sum())


def level(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64))))


def f0_of(samples: np.ndarray) -> float:
    mean, _, count = register_of(torch.from_numpy(samples))
    assert count > 60
    return float(np.exp(mean))


@pytest.mark.parametrize("f0", [110.0, 190.0])
@pytest.mark.parametrize(("pitch", "formants"), [(1, 0.84), (1, 1.19), (0.8, 1), (1.25, 1), (1.2, 1.1), (0.9, 1.15)])
def test_pitch_and_formants_move_by_their_factors(f0: float, pitch: float, formants: float) -> None:
    full = vowel(f0, 1_300)
    assert formant_of(full) == pytest.approx(1_300, rel=0.03)
    assert formant_of(shift_voice(full, pitch, formants)) == pytest.approx(formants * formant_of(full), rel=0.04)
    steady = vowel(f0, 1_300, vibrato=0.01)
    assert f0_of(shift_voice(steady, pitch, formants)) == pytest.approx(pitch * f0_of(steady), rel=0.015)


@pytest.mark.parametrize("factor", [0.84, 1.19])
def test_harmonics_stay_where_they_are_when_formants_move(factor: float) -> None:
    moved = shift_voice(vowel(160.0, 1_300, vibrato=0.0), 1.0, factor)
    spectrum = np.abs(np.fft.rfft(moved * np.hanning(len(moved)), 1 << 18))
    number = int(spectrum.argmax()) * RATE / (1 << 18) / 160
    assert abs(number - round(number)) < 0.01
    assert round(number) == round(1_300 * factor / 160)


@pytest.mark.parametrize(("pitch", "formants"), [(1.0, 1.2), (1.25, 1.0), (0.8, 0.9)])
def test_nothing_moves_in_time_and_energy_and_length_are_kept(pitch: float, formants: float) -> None:
    """Bursts of voice 0.35 s apart: where they are loud afterwards is where they were."""
    voice = vowel(140, 900)
    for start in range(0, len(voice), 5_600):
        voice[start + 2_600 : start + 5_600] = 0
    moved = shift_voice(voice, pitch, formants)
    assert moved.shape == voice.shape
    assert moved.dtype == np.float32
    assert level(moved) == pytest.approx(level(voice), abs=0.01)
    before, after = (np.convolve(np.abs(x), np.hanning(400), "same") for x in (voice, moved))
    lags = np.arange(-400, 401)
    fit = [float((before[400:-400] * np.roll(after, -lag)[400:-400]).sum()) for lag in lags]
    assert abs(int(lags[int(np.argmax(fit))])) <= 80  # 5 ms, a quarter of a frame


def test_spectra_come_back_as_they_went() -> None:
    noise = np.random.default_rng(0).standard_normal(10_001).astype(np.float32)
    assert np.abs(synthesise(analyse(noise), len(noise)) - noise).max() < 1e-5
    assert shift_voice(np.zeros(4_000, np.float32), 1.1, 0.9).tolist() == [0.0] * 4_000


@pytest.mark.parametrize("kind", ["peak", "low", "high"])
@pytest.mark.parametrize("decibels", [-9.0, 6.0])
def test_a_band_has_the_gain_asked(kind: str, decibels: float) -> None:
    band = Band(kind, 1_000, decibels, 0.9)  # type: ignore[arg-type]
    hz = np.array([20.0, 1_000.0, 7_900.0])
    _, response = scipy.signal.sosfreqz(band.section()[None], worN=hz, fs=RATE)
    wanted = {"peak": (0, decibels, 0), "low": (decibels, decibels / 2, 0), "high": (0, decibels / 2, decibels)}[kind]
    assert 20 * np.log10(np.abs(response)) == pytest.approx(wanted, abs=0.1)


def test_an_equaliser_colours_noise_as_its_bands_say_and_keeps_its_energy() -> None:
    random = np.random.default_rng(1)
    noise = random.standard_normal(64_000).astype(np.float32)
    bands = draw_bands(random, 8.0)
    assert len(bands) == 6
    assert all(abs(band.decibels) <= 8 for band in bands)
    heard = equalise(noise, bands)
    assert level(heard) == pytest.approx(level(noise), abs=0.01)
    hz, before = scipy.signal.welch(noise, RATE, nperseg=512)
    after = scipy.signal.welch(heard, RATE, nperseg=512)[1]
    _, response = scipy.signal.sosfreqz(np.stack([b.section() for b in bands]), worN=hz[4:-4], fs=RATE)
    colour = 10 * np.log10(after / before)[4:-4] - 20 * np.log10(np.abs(response))
    assert np.ptp(colour) < 1.0  # the same but for the change of level
    assert np.ptp(20 * np.log10(np.abs(response))) > 4


@pytest.mark.parametrize("decibels", [0.0, 10.0, 30.0])
@pytest.mark.parametrize("tilt", [-6.0, 0.0])
def test_noise_has_the_ratio_and_the_colour_asked(decibels: float, tilt: float) -> None:
    voice = vowel(120, 800)
    noise = coloured_noise(np.random.default_rng(2), len(voice), tilt)
    mixed = add_noise(voice, noise, decibels)
    assert level(voice) - level(mixed - voice) == pytest.approx(decibels, abs=0.1)
    hz, power = scipy.signal.welch(noise, RATE, nperseg=1_024)
    octave = [10 * np.log10(power[(hz > low) & (hz < 1.2 * low)].mean()) for low in (400, 3_200)]
    assert (octave[1] - octave[0]) / 3 == pytest.approx(tilt, abs=0.5)


@pytest.mark.parametrize("seconds", [0.15, 0.4, 0.9])
def test_a_room_decays_in_the_time_asked(seconds: float) -> None:
    """Schroeder's integral of the tail, fitted from -5 to -25 dB (T20 of ISO 3382), mean of some rooms."""
    found = []
    for seed in range(8):
        response = impulse_response(np.random.default_rng(seed), seconds, 3.0).astype(np.float64)
        assert response[0] == 1
        assert 10 * np.log10(1 / (response[1:] ** 2).sum()) == pytest.approx(3.0, abs=0.01)
        left = 10 * np.log10(np.cumsum(response[:0:-1] ** 2)[::-1])
        left -= left[0]
        begin, end = (int(np.argmax(left < x)) for x in (-5, -25))
        slope = np.polyfit(np.arange(begin, end) / RATE, left[begin:end], 1)[0]
        found.append(-60 / slope)
    assert float(np.mean(found)) == pytest.approx(seconds, rel=0.05)
    assert all(abs(x / seconds - 1) < 0.1 for x in found)


def test_a_room_rings_after_the_sound_and_delays_nothing() -> None:
    voice = np.zeros(16_000, np.float32)
    voice[4_000:8_000] = vowel(120, 800, 0.25)
    heard = reverberate(voice, impulse_response(np.random.default_rng(3), 0.5, 0.0))
    assert heard.shape == voice.shape
    assert level(heard) == pytest.approx(level(voice), abs=0.01)
    assert np.abs(heard[:4_000]).max() < 1e-6
    assert level(heard[8_000:9_600]) > level(voice) - 15
    # The direct sound is still the first to arrive: what is nearest to it has no delay.
    match = scipy.signal.correlate(heard, voice, "full")[len(voice) - 200 : len(voice) + 200]
    assert abs(int(match.argmax()) - 199) <= 1
