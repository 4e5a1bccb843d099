"""The tool that makes the built-in voices, and the table that it works from."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streamvc.checkpoint import fingerprint, load_model
from streamvc.errors import CorpusError, PresetError
from streamvc.presets.create import speaker_latent
from streamvc.presets.format import Preset
from streamvc.presets.names import is_safe_name
from streamvc.presets.pitch import f0_statistics
from streamvc.runtimes.speech import TorchSpeechEncoder
from streamvc.training.builtin_voices import BuiltinVoice, main, read_table, speech_of
from streamvc.training.corpora.splits import VALIDATION_VOICES, split_of
from streamvc.training.data import PackedCorpus

Say = Callable[..., np.ndarray]

ROW = """[[voice]]
name = "{name}"
speaker = "{speaker}"
sex = "{sex}"
description = "A voice"
origin = "A synthesiser"
"""
HEAD = 'licence = "Apache-2.0"\nconsent = "Synthetic"\n'


def table(*rows: tuple[str, str, str], head: str = HEAD) -> str:
    return head + "".join(ROW.format(name=name, speaker=speaker, sex=sex) for name, speaker, sex in rows)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, say: Say) -> Path:
    """Three speakers: 24 s of kokoro-low, 24 s of kokoro-high (4 s each of them narrow-band), 8 s of kokoro-brief."""
    folder = tmp_path_factory.mktemp("corpus")
    rows, audio, start = [], [], 0
    for speaker, hz, count in (("kokoro-low", 100.0, 6), ("kokoro-high", 220.0, 6), ("kokoro-brief", 150.0, 2)):
        for number in range(count):
            samples = (32767 * 0.2 * say(4.0, hz * (1 + 0.02 * number), seed=number)).astype("<i2")
            row = {"id": f"{speaker}/{9 - number}", "speaker": speaker, "corpus": "kokoro", "language": "en"}
            row |= {"sex": None, "band": "narrow" if number == 5 else "wide", "split": "train", "licence": "Apache-2.0"}
            rows.append(row | {"start": start, "length": samples.size})
            audio.append(samples)
            start += samples.size
    (folder / "audio.i16").write_bytes(np.concatenate(audio).tobytes())
    (folder / "index.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_the_table_holds_what_the_project_promises() -> None:
    voices = read_table()
    assert len(voices) >= 14
    assert "alice" in {voice.name for voice in voices}
    for sex in ("f", "m"):
        assert sum(voice.sex == sex for voice in voices) >= 6
    for voice in voices:
        assert is_safe_name(voice.name)
        assert voice.name == voice.name.lower()
        assert split_of(voice.speaker) == "train"
        assert not VALIDATION_VOICES & set(voice.speaker.removeprefix("kokoro-").split("+"))
        assert voice.licence
        assert voice.consent
        assert voice.origin
        assert voice.description


def test_all_voices_of_a_table_are_made(
    corpus: Path, small_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "table.toml").write_text(table(("tina", "kokoro-high", "f"), ("tom", "kokoro-low", "m")))
    arguments = ["--corpus", str(corpus), "--weights", str(small_weights), "--table", str(tmp_path / "table.toml")]
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old.npz").write_bytes(b"")
    for out in ("a", "b", "b"):  # the last run replaces what is there
        main([*arguments, "--out", str(tmp_path / out)])
    printed = capsys.readouterr().out
    assert printed.index("tom") < printed.index("tina")
    assert "old.npz is not in the table" in printed
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["tina.npz", "tom.npz"]
    for name in ("tina.npz", "tom.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    tom = Preset.load(tmp_path / "a" / "tom.npz")
    speech = speech_of(voice("tom", "kokoro-low"), PackedCorpus(corpus))
    assert tom.model == fingerprint(small_weights)
    assert np.array_equal(tom.latent, speaker_latent(TorchSpeechEncoder(load_model(small_weights)), speech))
    assert (tom.log_f0_mean, tom.log_f0_std) == f0_statistics(speech)
    assert tom.f0_hz == pytest.approx(104, rel=0.02)
    assert (tom.sex, tom.licence, tom.consent, tom.source) == ("m", "Apache-2.0", "Synthetic", "A synthesiser")
    assert tom.created == ""


def voice(name: str, speaker: str) -> BuiltinVoice:
    return BuiltinVoice(name, speaker, "m", "A voice", "A synthesiser", "Apache-2.0", "Synthetic")


def test_the_speech_is_the_speakers_wide_band_utterances_by_name(corpus: Path) -> None:
    packed = PackedCorpus(corpus)
    speech = speech_of(voice("tom", "kokoro-low"), packed)
    wide = [u for u in packed.utterances if u.speaker == "kokoro-low" and u.band == "wide"]
    expected = [packed.samples(u) for u in sorted(wide, key=lambda u: u.id)]
    assert np.array_equal(speech, np.concatenate(expected))
    assert speech.size == 20 * 16_000


def test_nothing_is_written_when_a_voice_cannot_be_made(corpus: Path, small_weights: Path, tmp_path: Path) -> None:
    (tmp_path / "table.toml").write_text(table(("tom", "kokoro-low", "m"), ("bo", "kokoro-brief", "m")))
    arguments = ["--corpus", str(corpus), "--weights", str(small_weights), "--table", str(tmp_path / "table.toml")]
    with pytest.raises(CorpusError, match="has 8 s of kokoro-brief, and bo needs 20 s"):
        main([*arguments, "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_validation_speakers_are_refused(corpus: Path) -> None:
    packed = PackedCorpus(corpus)
    # even where an index says by mistake that they may be trained on
    packed.utterances = [dataclasses.replace(u, speaker="kokoro-am_michael+am_eric") for u in packed.utterances]
    with pytest.raises(CorpusError, match="held back for validation"):
        speech_of(voice("tom", "kokoro-am_michael+am_eric"), packed)
    with pytest.raises(CorpusError, match="0 s of kokoro-nobody"):
        speech_of(voice("tom", "kokoro-nobody"), packed)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[voice]", "malformed"),
        (HEAD, "malformed"),
        (table(("tom", "kokoro-low", "m"), head=""), "malformed"),
        (HEAD + '[[voice]]\nname = "tom"\n', "malformed"),
        (table(("tom", "kokoro-low", "m"), ("tom", "kokoro-high", "f")), "name 'tom' twice"),
        (table(("tom", "kokoro-low", "m"), ("tina", "kokoro-low", "f")), "speaker 'kokoro-low' twice"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "table.toml").write_text(text)
    with pytest.raises(CorpusError, match=words):
        read_table(tmp_path / "table.toml")


def test_a_missing_table_or_a_wrong_sex_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no table of built-in voices"):
        read_table(tmp_path / "gone.toml")
    (tmp_path / "table.toml").write_text(table(("tom", "kokoro-low", "male")))
    with pytest.raises(PresetError, match="sex of a voice"):
        read_table(tmp_path / "table.toml")
