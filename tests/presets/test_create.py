"""A voice from recordings: the right pitch, the right latent, and a sentence where it cannot be."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from streamvc.checkpoint import fingerprint, load_model
from streamvc.config import LiveConfig, YinConfig
from streamvc.dsp.yin import Yin
from streamvc.errors import AudioError, CheckpointError, PresetError
from streamvc.model.live import ProsodyAnalysis
from streamvc.presets.create import CHUNK_SECONDS, MAX_CHUNKS, create_preset, speaker_latent
from streamvc.presets.format import check_model
from streamvc.presets.pitch import f0_statistics, voiced_log_f0, yin
from streamvc.presets.recordings import prepare_speech, read_recording
from streamvc.runtimes.speech import TorchSpeechEncoder, load_speech_encoder
from streamvc.training.registers import register_of

Say = Callable[..., np.ndarray]
EXAMPLE = Path(__file__).parents[2] / "examples" / "speech.wav"


@pytest.mark.parametrize(("hz", "spread"), [(80.0, 0.1), (120.0, 0.25), (200.0, 0.15), (300.0, 0.3)])
def test_pitch_statistics_are_those_of_the_voice(say: Say, hz: float, spread: float) -> None:
    mean, std = f0_statistics(say(8.0, hz, spread).astype(np.float32))
    assert math.exp(mean) == pytest.approx(hz, rel=0.02)
    assert std == pytest.approx(spread, rel=0.1)


def test_pitch_statistics_do_not_depend_on_the_blocks_they_are_found_in(
    say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    speech = np.concatenate((say(3.0, 110.0), np.zeros(3000), say(2.017, 180.0))).astype(np.float32)
    whole = f0_statistics(speech)
    for block in (4_800, 16_160):
        monkeypatch.setattr("streamvc.presets.pitch._BLOCK", block)
        assert f0_statistics(speech) == pytest.approx(whole, abs=1e-5)


def test_pitch_is_found_as_the_model_finds_it() -> None:
    """On real speech, estimate by estimate; the model has it in torch."""
    speech, _ = soundfile.read(EXAMPLE, dtype="float64")
    config = YinConfig()
    model = Yin(config).double()
    with torch.inference_mode():
        estimates, _ = model(torch.from_numpy(speech[None, None, : len(speech) // 160 * 160]))
    padded = np.pad(speech[: len(speech) // 160 * 160], (config.span - config.hop, 0))
    windows = np.lib.stride_tricks.sliding_window_view(padded, config.span)[:: config.hop]
    # In two parts: the second knows how loud the first was.
    log_f0, depth, loudness = yin(windows[:101], config)
    rest = yin(windows[101:], config, loudness)
    log_f0, depth = np.concatenate((log_f0, rest[0])), np.concatenate((depth, rest[1]))
    voiced = depth < config.voiced
    assert np.array_equal(voiced, estimates[0, -1].numpy() < config.voiced)
    assert 0.2 < voiced.mean() < 0.9
    assert log_f0[voiced] == pytest.approx(estimates[0, -3].numpy()[voiced], abs=1e-9)
    assert depth[voiced] == pytest.approx(estimates[0, -1].numpy()[voiced], abs=1e-9)


def test_registers_of_training_presets_and_whitening_rest_on_the_same_frames() -> None:
    speech, _ = soundfile.read(EXAMPLE, dtype="float32")
    speech = speech[: len(speech) // 320 * 320]
    heard: list[torch.Tensor] = []
    analysis = ProsodyAnalysis(LiveConfig()).double()
    analysis.whiten.register_forward_hook(lambda _module, given, _result: heard.extend(given[:2]))
    with torch.inference_mode():
        analysis(torch.from_numpy(speech).double()[None], torch.zeros(1, 6, dtype=torch.float64))
    log_f0, voiced = (x[0].numpy() for x in heard)
    found = voiced_log_f0(speech)
    assert found == pytest.approx(log_f0[voiced > 0], abs=1e-9)
    mean, std = f0_statistics(speech)
    assert register_of(torch.from_numpy(speech))[:2] == pytest.approx((mean, std))


def test_a_few_octave_errors_do_not_count(say: Say) -> None:
    mostly = say(9.0, 120.0, 0.1)
    squeak = say(0.5, 500.0, 0.02)
    mean, std = f0_statistics(np.concatenate((mostly, squeak)).astype(np.float32))
    assert math.exp(mean) == pytest.approx(120.0, rel=0.02)
    assert std == pytest.approx(0.1, rel=0.15)


@pytest.mark.parametrize("kind", ["noise", "silence", "nothing", "a moment"])
def test_speech_without_a_voice_has_no_pitch(say: Say, kind: str) -> None:
    samples = {
        "noise": 0.1 * np.random.default_rng(0).standard_normal(64_000),
        "silence": np.zeros(64_000),
        "nothing": np.zeros(0),
        "a moment": say(0.3),
    }[kind]
    with pytest.raises(AudioError, match="hardly any voiced speech"):
        f0_statistics(samples.astype(np.float32))


def test_the_latent_of_one_chunk_is_the_models(small_weights: Path, say: Say) -> None:
    model = load_model(small_weights)
    encoder = TorchSpeechEncoder(model)
    speech = say(CHUNK_SECONDS).astype(np.float32)
    with torch.inference_mode():
        expected = model.embed(torch.from_numpy(speech)[None])[0].numpy()
    assert speaker_latent(encoder, speech) == pytest.approx(expected, abs=1e-5)


def test_the_latent_of_many_chunks_is_their_mean_direction_at_their_length(small_weights: Path, say: Say) -> None:
    encoder = TorchSpeechEncoder(load_model(small_weights))
    parts = [say(CHUNK_SECONDS, hz, seed=seed).astype(np.float32) for seed, hz in enumerate((90.0, 150.0, 260.0))]
    latents = np.stack([speaker_latent(encoder, part) for part in parts])
    latent = speaker_latent(encoder, np.concatenate(parts))
    mean = latents.mean(axis=0)
    assert latent / np.linalg.norm(latent) == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)
    assert np.linalg.norm(latent) == pytest.approx(np.linalg.norm(latents, axis=1).mean(), rel=1e-5)
    assert np.abs(latents[0] - latents[2]).max() > 1e-3, "voices that are one and the same prove nothing"


def test_long_speech_is_heard_at_even_distances() -> None:
    heard: list[float] = []

    class Listener:
        fingerprint = ""

        def embed(self, speech: np.ndarray) -> np.ndarray:
            heard.append(float(speech[0]))
            assert speech.shape[-1] % 320 == 0
            return np.ones(64, np.float32)

    chunk = round(CHUNK_SECONDS * 16_000)
    count = 3 * MAX_CHUNKS
    speaker_latent(Listener(), np.repeat(np.arange(count), chunk).astype(np.float32))
    assert len(heard) == MAX_CHUNKS
    assert (heard[0], heard[-1]) == (0, count - 1)
    assert set(np.diff(heard)) <= {3, 4}


def test_a_real_recording_becomes_a_voice(small_weights: Path) -> None:
    made = create_preset("reader", [EXAMPLE], small_weights, description="A reader", sex="f", licence="CC0-1.0")
    preset = made.preset
    speech = prepare_speech(read_recording(EXAMPLE))
    assert preset.name == "reader"
    assert 60 < preset.f0_hz < 320
    assert 0.05 < preset.log_f0_std < 0.5
    assert np.array_equal(preset.latent, speaker_latent(load_speech_encoder(small_weights), speech))
    assert (preset.description, preset.sex, preset.licence) == ("A reader", "f", "CC0-1.0")
    check_model(preset, fingerprint(small_weights))
    assert 3.0 < made.seconds <= soundfile.info(EXAMPLE).duration


def test_the_same_recordings_give_the_same_bytes(small_weights: Path) -> None:
    first, again = (create_preset("reader", [EXAMPLE], small_weights).preset for _ in range(2))
    assert first.to_bytes() == again.to_bytes()


def test_loudness_rate_and_channels_change_nothing_much(small_weights: Path, say: Say, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "plain.wav", say(12.0), 16_000, subtype="FLOAT")
    other = 0.05 * say(12.0, rate=48_000)
    soundfile.write(tmp_path / "other.wav", np.stack((other, other), 1), 48_000, subtype="FLOAT")
    plain, loud = (create_preset("v", [tmp_path / name], small_weights).preset for name in ("plain.wav", "other.wav"))
    assert plain.log_f0_mean == pytest.approx(loud.log_f0_mean, abs=0.005)
    cosine = plain.latent @ loud.latent / np.linalg.norm(plain.latent) / np.linalg.norm(loud.latent)
    assert cosine > 0.99


def test_several_recordings_are_one_voice(small_weights: Path, say: Say, tmp_path: Path) -> None:
    for number, hz in enumerate((100.0, 144.0)):
        soundfile.write(tmp_path / f"{number}.wav", say(6.0, hz, 0.05), 16_000)
    made = create_preset("v", [tmp_path / "0.wav", str(tmp_path / "1.wav")], small_weights)
    assert made.preset.f0_hz == pytest.approx(120.0, rel=0.02)
    assert made.seconds == pytest.approx(12.0, abs=0.3)
    assert made.warnings == ()


def test_little_speech_is_refused_and_not_much_is_warned_about(small_weights: Path, say: Say, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", np.concatenate((np.zeros(80_000), say(2.5))), 16_000)
    with pytest.raises(AudioError, match=r"hold 2\.\d s of speech, and a voice needs at least 3 s"):
        create_preset("v", [tmp_path / "short.wav"], small_weights)
    soundfile.write(tmp_path / "rough.wav", say(5.0), 16_000)
    (warning,) = create_preset("v", [tmp_path / "rough.wav"], small_weights).warnings
    assert "rough one" in warning


def test_more_than_is_useful_is_left_unread(
    small_weights: Path, say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamvc.presets.create.LONGEST_SECONDS", 12.0)
    for number in range(3):
        soundfile.write(tmp_path / f"{number}.wav", say(8.0), 16_000)
    made = create_preset("v", [tmp_path / f"{number}.wav" for number in range(3)], small_weights)
    assert made.seconds == pytest.approx(12.0, abs=0.2)
    assert made.warnings == ("Only the first 0.2 minutes of the recordings were used.",)
    soundfile.write(tmp_path / "long.wav", say(20.0, rate=44_100), 44_100)
    assert create_preset("v", [tmp_path / "long.wav"], small_weights).warnings == made.warnings


def test_what_cannot_be_used_is_refused(small_weights: Path, say: Say, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "good.wav", say(5.0), 16_000)
    with pytest.raises(AudioError, match="no recording to make a voice from"):
        create_preset("v", [], small_weights)
    with pytest.raises(AudioError, match="There is no file"):
        create_preset("v", [tmp_path / "good.wav", tmp_path / "gone.wav"], small_weights)
    with pytest.raises(CheckpointError, match="no weights file"):
        create_preset("v", [tmp_path / "good.wav"], tmp_path / "gone.safetensors")
    with pytest.raises(PresetError, match="name 'a/b'"):
        create_preset("a/b", [tmp_path / "good.wav"], small_weights)
