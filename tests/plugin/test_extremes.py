"""Finite input of any size gives finite, bounded output, and the stream recovers."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvc.plugin import VoiceConverter
from streamvc.plugin.adapter import LOUDEST
from streamvc.plugin.render import RenderOptions, render_file

RATE = 16_000
BOUND = LOUDEST * 10 ** (24 / 20) * 1.01


@pytest.fixture(scope="module")
def converter():
    return VoiceConverter("alice")


@pytest.fixture(scope="module")
def speech(example_speech):
    return soundfile.read(example_speech, dtype="float32")[0]


@pytest.mark.parametrize(("huge", "rate"), [(3e38, 16_000), (-6.5e31, 48_000), (1e20, 8_000), (2e3, 16_000)])
def test_one_huge_sample_is_survived(converter, speech, huge, rate):
    """What comes two seconds later is as loud as what comes without it."""
    clean = np.tile(speech[RATE : 2 * RATE], 4)
    if rate != RATE:
        import soxr

        clean = soxr.resample(clean, RATE, rate)
    hit = clean.copy()
    hit[rate // 2] = huge
    expected, heard = converter.process(clean, rate), converter.process(hit, rate)
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() < BOUND
    late = slice(5 * rate // 2, 4 * rate)
    power = [10 * np.log10(np.mean(np.square(samples[late], dtype=np.float64))) for samples in (expected, heard)]
    assert power[1] == pytest.approx(power[0], abs=1.5)


@pytest.mark.parametrize("mix", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("bypass", [False, True])
def test_the_highest_gain_over_the_highest_numbers(converter, mix, bypass):
    import copy

    loud = copy.copy(converter)
    loud.mix, loud.bypass, loud.input_gain_db, loud.output_gain_db = mix, bypass, 24.0, 24.0
    block = np.full((2, RATE // 4), np.finfo(np.float32).max, np.float32)
    block[:, ::3] *= -1
    heard = loud.process(block, RATE)
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() <= BOUND


@given(seed=st.integers(0, 2**32 - 1), exponent=st.floats(-45, 38), count=st.integers(1, 4000))
@settings(max_examples=10)
def test_noise_of_any_size(converter, seed, exponent, count):
    noise = np.random.default_rng(seed).uniform(-1, 1, count) * 10.0**exponent
    heard = converter.process(noise.astype(np.float32), RATE)
    assert heard.shape == (count,)
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() < BOUND


def test_the_engine_alone_is_safe_too(converter):
    engine = converter.engine
    engine.reset()
    try:
        for value in (3e38, -1e30, np.nan, np.inf, 0.1):
            assert np.isfinite(engine.process(np.full(320, value, np.float32))).all()
    finally:
        engine.reset()


def test_a_file_with_absurd_samples_is_rendered_to_finite_ones(converter, speech, tmp_path):
    samples = speech[:RATE].copy()
    samples[5_000:5_010] = 6.5e31
    soundfile.write(tmp_path / "in.wav", samples, RATE, subtype="FLOAT")
    render_file(tmp_path / "in.wav", tmp_path / "out.wav", converter.engine, RenderOptions(bit_depth=32))
    heard = soundfile.read(tmp_path / "out.wav")[0]
    assert len(heard) == RATE
    assert np.isfinite(heard).all()


@pytest.mark.parametrize("kind", ["noise", "square", "impulses", "sine", "direct current"])
def test_within_full_scale_nothing_comes_out_above_12_db(converter, kind):
    time = np.arange(RATE)
    made = {
        "noise": np.random.default_rng(0).uniform(-1, 1, len(time)),
        "square": np.sign(np.sin(time * 0.06)),
        "impulses": (time % 133 == 0) * 1.0,
        "sine": np.sin(time * 0.05),
        "direct current": np.ones(len(time)),
    }[kind]
    heard = converter.process(made.astype(np.float32), RATE)
    assert np.abs(heard).max() < 10 ** (12 / 20)
