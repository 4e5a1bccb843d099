"""Forced alignment of a real person."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from streamvc.errors import CorpusError
from streamvc.training.corpora.base import Utterance
from streamvc.training.units.__main__ import main
from streamvc.training.units.align import FORCED, LETTERS, Aligner, force_alignments, normal_words, read_forced

pytest.importorskip("pocketsphinx", reason="forced alignment needs pocketsphinx: pip install 'streamvc[align]'")
TEXT = "You are about to enter an echo test. In this mode, everything you say will be repeated back to you"


@pytest.fixture(scope="module")
def speech(example_speech: Path) -> npt.NDArray[np.int16]:
    samples = np.asarray(soundfile.read(example_speech, dtype="int16")[0])
    return samples[: samples.size // 320 * 320]


def corpus(
    folder: Path, speech: npt.NDArray[np.int16], texts: list[str | None], language: str = "en"
) -> list[Utterance]:
    """A packed corpus of the same speech with several texts."""
    size = speech.size
    rows = [
        Utterance(f"u{n}", "allison", "made", language, "f", "wide", "train", n * size, size, "CC0-1.0", text)
        for n, text in enumerate(texts)
    ]
    np.tile(speech, len(texts)).astype("<i2").tofile(folder / "audio.i16")
    (folder / "index.jsonl").write_text("".join(json.dumps(vars(row)) + "\n" for row in rows))
    return rows


def test_words_lie_where_they_are_heard(speech: npt.NDArray[np.int16]) -> None:
    alignment = Aligner().align(speech, TEXT)
    ends = [end for _, end in alignment]
    assert ends == sorted(ends)
    assert 0 < ends[-1] <= speech.size + 320
    letters = {letter for letters in LETTERS.values() for letter in letters}
    assert {symbol for symbol, _ in alignment} <= letters | {""}
    # fricatives have more energy above 3.5 kHz than vowels have, and only where they are heard
    power = np.abs(np.fft.rfft(speech[: speech.size // 160 * 160].reshape(-1, 160), axis=1)) ** 2
    bright = 10 * np.log10(power[:, 35:].sum(axis=1) / (power.sum(axis=1) + 1) + 1e-9)
    at = np.searchsorted(ends, 160 * np.arange(bright.size) + 80)
    symbols = np.array([alignment[min(n, len(alignment) - 1)][0] for n in at])
    sharp, open_ = bright[np.isin(symbols, ["s"])], bright[np.isin(symbols, ["A", "O", "ə", "ɛ", "u"])]
    assert sharp.size > 10
    assert np.median(sharp) > np.median(open_) + 20


def test_words_are_normalised() -> None:
    found = normal_words("\u201cIt\u2019s well-known,\u201d she said: 'No. 9!'")
    assert found == ["it's", "well", "known", "she", "said", "no", "9"]
    assert normal_words(" -- ") == []


@pytest.mark.parametrize(
    ("text", "message"), [("hello zzyzx", "'zzyzx' is not"), ("number 9", "'9' is not"), ("!", "no word")]
)
def test_texts_that_cannot_be_aligned(speech: npt.NDArray[np.int16], text: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        Aligner().align(speech, text)


def test_sound_that_is_too_short(speech: npt.NDArray[np.int16]) -> None:
    with pytest.raises(CorpusError, match="do not fit the sound"):
        Aligner().align(speech[:3200], TEXT)


def test_an_aligner_goes_on_after_a_failure(speech: npt.NDArray[np.int16]) -> None:
    aligner = Aligner()
    expected = aligner.align(speech, TEXT)
    with pytest.raises(CorpusError):
        aligner.align(speech[:3200], TEXT)
    assert len(aligner.align(speech, TEXT)) == len(expected)


def test_results_are_kept_and_only_what_is_missing_is_aligned(tmp_path: Path, speech: npt.NDArray[np.int16]) -> None:
    rows = corpus(tmp_path, speech, [TEXT, "zzyzx", None, "known"])
    audio = np.tile(speech, 4)
    said: list[str] = []
    found = force_alignments(tmp_path, rows, audio, {"u3"}, said.append)
    assert list(found) == ["u0"]
    assert said[-1].startswith("1 of 2 utterances could not be aligned")
    path = tmp_path / FORCED
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"id": "torn", "pho')
    # sound that could never be aligned shows that nothing is aligned again
    assert force_alignments(tmp_path, rows, np.zeros_like(audio), {"u3"}) == found
    assert path.read_bytes() == whole
    path.write_bytes(b"no JSON\n" + whole)
    with pytest.raises(CorpusError, match="line 1 of"):
        read_forced(path)


def test_foreign_texts_are_left_alone(tmp_path: Path, speech: npt.NDArray[np.int16]) -> None:
    assert force_alignments(tmp_path, corpus(tmp_path, speech, [TEXT], "de"), speech, set()) == {}
    assert not (tmp_path / FORCED).exists()


def test_command_labels_phones(tmp_path: Path, speech: npt.NDArray[np.int16], capsys: Any) -> None:
    corpus(tmp_path, speech, [TEXT, None])
    assert main(["label", str(tmp_path), "--teacher", "phones"]) == 0
    assert "0 of 2 utterances" in capsys.readouterr().out
    assert main(["label", str(tmp_path), "--teacher", "phones", "--align"]) == 0
    assert "1 of 2 utterances" in capsys.readouterr().out
    labels = np.load(tmp_path / "phones.npy")
    frames = speech.size // 320
    assert labels.size == 2 * frames
    assert (labels[:frames] != 255).all()
    assert (labels[frames:] == 255).all()
    symbols = json.loads((tmp_path / "phones.json").read_text())
    assert symbols[0] == "sil"
    assert 20 < len(symbols) < 45
    # what was aligned stays in the corpus, also for a run that does not align
    (tmp_path / "phones.npy").unlink()
    assert main(["label", str(tmp_path), "--teacher", "phones"]) == 0
    assert (np.load(tmp_path / "phones.npy") == labels).all()
