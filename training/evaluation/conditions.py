"""Damaged sources: what a microphone, a room, a throat or a neighbour do to speech before it is converted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from streamvc.config import SAMPLE_RATE
from streamvc.presets.recordings import activity, levels
from streamvc.training.evaluation.pairs import Wave

Damage = Callable[[Wave, np.random.Generator, Wave], Wave]
"""`(source, random numbers, another source) -> damaged source`, all [samples] at 16 kHz, of the source's length."""

NOISE_DB: Final = 10.0
NEIGHBOUR_DB: Final = -5.0
QUIET_DB: Final = -24.0
LOUD_DB: Final = 24.0
REVERBERATION_SECONDS: Final = 0.5
_LPC_ORDER: Final = 18
_LPC_WINDOW, _LPC_HOP = 400, 200


@dataclass(frozen=True)
class Condition:
    """A kind of damage, and the families of measures that mean nothing under it."""

    name: str
    what: str
    damage: Damage
    without: frozenset[str] = frozenset()


def speech_level(wave: Wave) -> float:
    """Root mean square of the active frames of `wave` [samples]; of all where none is active."""
    active = activity(wave)
    if not active.any():
        return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64))))
    return float(np.sqrt(np.mean(10.0 ** (levels(wave)[active] / 10.0))))


def pink_noise(wave: Wave, random: np.random.Generator, ratio_db: float) -> Wave:
    """`wave` [samples] with pink noise, `ratio_db` below its speech."""
    frequencies = np.fft.rfftfreq(wave.size, 1 / SAMPLE_RATE)
    spectrum = np.fft.rfft(random.standard_normal(wave.size)) / np.sqrt(np.maximum(frequencies, 50.0))
    noise = np.fft.irfft(spectrum, wave.size)
    gain = speech_level(wave) / (float(noise.std()) + 1e-12) * 10.0 ** (-ratio_db / 20.0)
    return np.asarray(wave + gain * noise, dtype=np.float32)


def add_noise(wave: Wave, random: np.random.Generator, other: Wave) -> Wave:
    """Add pink noise, 10 dB below the speech."""
    return pink_noise(wave, random, NOISE_DB)


def laptop_microphone(wave: Wave, random: np.random.Generator, other: Wave) -> Wave:
    """Little below 250 Hz and above 5.5 kHz, a resonance at 3 kHz, and a hiss 35 dB below the speech."""
    frequencies = np.fft.rfftfreq(wave.size, 1 / SAMPLE_RATE)
    gain = (
        1.0 / np.sqrt(1.0 + (250.0 / np.maximum(frequencies, 1.0)) ** 6) / np.sqrt(1.0 + (frequencies / 5500.0) ** 12)
    )
    gain *= 1.0 + np.exp(-(((frequencies - 3000.0) / 500.0) ** 2))
    hiss = random.standard_normal(wave.size) * speech_level(wave) * 10.0 ** (-35.0 / 20.0)
    return np.asarray(np.fft.irfft(np.fft.rfft(wave) * gain, wave.size) + hiss, dtype=np.float32)


def room(wave: Wave, random: np.random.Generator, other: Wave) -> Wave:
    """Speak from some way off in a room: noise that decays by 60 dB in 0.5 s, as loud as the direct sound."""
    time = np.arange(round(REVERBERATION_SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    echo = random.standard_normal(time.size) * 10.0 ** (-3.0 * time / REVERBERATION_SECONDS)
    echo[: SAMPLE_RATE // 200] = 0.0
    echo /= np.linalg.norm(echo)
    echo[0] = 1.0
    size = wave.size + time.size
    wet = np.fft.irfft(np.fft.rfft(wave, size) * np.fft.rfft(echo, size), size)[: wave.size]
    return np.asarray(wet / np.sqrt(2.0), dtype=np.float32)


def quiet(wave: Wave, random: np.random.Generator, other: Wave) -> Wave:
    """24 dB less, as with a microphone that is turned down."""
    return np.asarray(wave * 10.0 ** (QUIET_DB / 20.0), dtype=np.float32)


def loud(wave: Wave, random: np.random.Generator, other: Wave) -> Wave:
    """24 dB more, cut off at full scale, as with a microphone that is turned up too far."""
    return np.asarray(np.clip(wave * 10.0 ** (LOUD_DB / 20.0), -1.0, 1.0), dtype=np.float32)


def second_speaker(wave: Wave, random: np.random.Generator, other: Wave) -> Wave:
    """Somebody else speaks at the same time, 5 dB weaker."""
    gain = speech_level(wave) / (speech_level(other) + 1e-12) * 10.0 ** (NEIGHBOUR_DB / 20.0)
    return np.asarray(wave + gain * np.resize(other, wave.size), dtype=np.float32)


def whisper(wave: Wave, random: np.random.Generator, other: Wave) -> Wave:
    """Speak without a voice: noise through the source's all-pole envelopes (linear prediction of order 18).

    The glottis of a whisper gives little below 300 Hz, so that this is cut off.
    """
    window = np.hanning(_LPC_WINDOW + 1)[:-1]
    padded = np.pad(wave.astype(np.float64), (_LPC_HOP, 2 * _LPC_WINDOW))
    out = np.zeros(padded.size)
    for start in range(0, padded.size - _LPC_WINDOW + 1, _LPC_HOP):
        frame = padded[start : start + _LPC_WINDOW] * window
        envelope = _all_pole_envelope(frame)
        noise = np.fft.irfft(np.fft.rfft(random.standard_normal(_LPC_WINDOW)) * envelope, _LPC_WINDOW) * window
        power = float(np.sum(noise * noise))
        out[start : start + _LPC_WINDOW] += noise * np.sqrt(float(np.sum(frame * frame)) / power) if power > 0 else 0.0
    frequencies = np.fft.rfftfreq(out.size, 1 / SAMPLE_RATE)
    gain = 1.0 / np.sqrt(1.0 + (300.0 / np.maximum(frequencies, 1.0)) ** 8)
    out = np.fft.irfft(np.fft.rfft(out) * gain, out.size)[_LPC_HOP : _LPC_HOP + wave.size]
    # As loud as the speech was; a whisper that is merely quiet is another condition.
    return np.asarray(out * speech_level(wave) / (speech_level(out.astype(np.float32)) + 1e-12), dtype=np.float32)


def _all_pole_envelope(frame: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Magnitude [samples / 2 + 1] of 1 / A by the autocorrelation method; zero for a frame of silence."""
    power = np.abs(np.fft.rfft(frame, 2 * frame.size)) ** 2
    correlation = np.fft.irfft(power)[: _LPC_ORDER + 1]
    if correlation[0] <= 1e-12:
        return np.zeros(frame.size // 2 + 1)
    # A little white noise keeps the equations solvable.
    correlation[0] *= 1.0 + 1e-4
    lags = np.abs(np.arange(_LPC_ORDER)[:, None] - np.arange(_LPC_ORDER)[None, :])
    # Poles moved inwards: a single harmonic must not survive as a resonance.
    taps = np.linalg.solve(correlation[lags], correlation[1:]) * 0.94 ** np.arange(1, _LPC_ORDER + 1)
    return np.asarray(1.0 / np.abs(np.fft.rfft(np.concatenate(([1.0], -taps)), frame.size)))


def undamaged(wave: Wave, random: np.random.Generator, other: Wave) -> Wave:
    """The source as it is."""
    return wave


CONDITIONS: Final = (
    Condition("clean", "the source as it is", undamaged),
    Condition("noise", "pink noise, 10 dB below the speech", add_noise),
    Condition("laptop", "250 Hz to 5.5 kHz, a resonance, a hiss", laptop_microphone),
    Condition("room", "reverberation of 0.5 s, as loud as the speech", room),
    Condition("quiet", "24 dB less", quiet),
    Condition("loud", "24 dB more, clipped", loud),
    Condition("two speakers", "another one, 5 dB weaker", second_speaker),
    Condition("whisper", "noise instead of a voice", whisper, frozenset({"pitch"})),
)
"""Damage to English speech. The words and the pitch of the undamaged source are what a conversion is held against."""


def silence(seconds: float) -> Wave:
    """Nothing at all, [samples]."""
    return np.zeros(round(seconds * SAMPLE_RATE), dtype=np.float32)


def faint_noise(seconds: float) -> Wave:
    """White noise at -75 dB of full scale, an open microphone in a quiet room: [samples]."""
    noise = np.random.default_rng(0).standard_normal(round(seconds * SAMPLE_RATE))
    return np.asarray(noise * 10.0 ** (-75.0 / 20.0), dtype=np.float32)


def music(seconds: float) -> Wave:
    """Chords of decaying tones with overtones, two in a second, at -20 dB of full scale: [samples]."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    within = time % 0.5
    chords = np.array([[261.6, 329.6, 392.0], [220.0, 261.6, 329.6], [174.6, 220.0, 261.6], [196.0, 246.9, 293.7]])
    tones = chords[(time / 0.5).astype(int) % 4]
    sound = np.zeros(time.size)
    for overtone in range(1, 6):
        sound += np.sin(2 * np.pi * overtone * tones * within[:, None]).sum(axis=1) / overtone
    sound *= np.exp(-3.0 * within)
    return np.asarray(sound / np.sqrt(np.mean(sound**2)) * 0.1, dtype=np.float32)


def white_noise(seconds: float) -> Wave:
    """White noise at -12 dB of full scale, [samples]."""
    noise = np.random.default_rng(1).standard_normal(round(seconds * SAMPLE_RATE))
    return np.asarray(np.clip(noise * 0.25, -1.0, 1.0), dtype=np.float32)


def clicks(seconds: float) -> Wave:
    """Single samples of full scale, four in a second, [samples]."""
    wave = np.zeros(round(seconds * SAMPLE_RATE), dtype=np.float32)
    wave[:: SAMPLE_RATE // 4] = 1.0
    return wave


NOT_SPEECH: Final = (
    ("silence", silence),
    ("faint noise", faint_noise),
    ("music", music),
    ("white noise", white_noise),
    ("clicks", clicks),
)
"""Sounds without words: only the level of what comes out is judged."""
