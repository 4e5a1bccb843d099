"""LibriTTS and VCTK, in miniature and laid out as their archives unpack."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from streamvc.errors import CorpusError
from streamvc.training.corpora.__main__ import main
from streamvc.training.corpora.index import read_index
from streamvc.training.corpora.libritts import LibriTTS
from streamvc.training.corpora.sources import open_source
from streamvc.training.corpora.vctk import VCTK

SPEAKERS_TXT = """\
; Some comment lines of LibriSpeech's table
;ID  |SEX| SUBSET           |MINUTES| NAME
14   | F | train-clean-100  | 25.03 | Kristin LeMoine
19   | M | train-clean-100  | 25.19 | Kara Shallenberg
61   | M | test-clean       | 8.08  | Paul-Gabriel Wiener
"""
SPEAKERS_TSV = """\
READER\tGENDER\tSUBSET\tNAME
14\tF\ttrain-clean-100\tKristin LeMoine
19\tM\ttrain-clean-100\tKara Shallenberg
61\tM\ttest-clean\tPaul-Gabriel Wiener
"""
INFO_092 = """\
ID  AGE  GENDER  ACCENTS  REGION COMMENTS
p225  23  F    English    Southern  England
p315  18  M    American    New  England
s5    24  F    English
"""
INFO_080 = "ID  AGE  GENDER  ACCENTS  REGION\n225  23  F    English    Southern  England\n"


@pytest.fixture
def libritts(tmp_path: Path, make_speech: Any) -> Path:
    root = tmp_path / "LibriTTS"
    chapters = (("train-clean-100", 14, 208), ("train-clean-100", 19, 198), ("test-clean", 61, 70))
    for subset, speaker, chapter in chapters:
        folder = root / subset / str(speaker) / str(chapter)
        folder.mkdir(parents=True)
        for number in range(2):
            stem = f"{speaker}_{chapter}_{number:06d}_000000"
            soundfile.write(folder / f"{stem}.wav", make_speech(4.5, number), 24_000)
            (folder / f"{stem}.normalized.txt").write_text(f"Mister Bennet, number {number}.\n")
            (folder / f"{stem}.original.txt").write_text(f"Mr. Bennet, No. {number}.\n")
        (folder / f"{speaker}_{chapter}.trans.tsv").write_text("not a recording\n")
    (root / "SPEAKERS.txt").write_text(SPEAKERS_TXT)
    return root


@pytest.fixture
def vctk(tmp_path: Path, make_speech: Any) -> Path:
    root = tmp_path / "VCTK-Corpus-0.92"
    recordings = {"p225": ["001_mic1", "001_mic2", "002_mic2"], "p315": ["001_mic1"], "s5": ["001_mic1"]}
    for speaker, stems in recordings.items():
        folder = root / "wav48_silence_trimmed" / speaker
        folder.mkdir(parents=True)
        for stem in stems:
            samples = make_speech(3.5, len(speaker)) * (0.5 if "mic2" in stem else 1.0)
            soundfile.write(folder / f"{speaker}_{stem}.flac", samples, 48_000)
        if speaker != "p315":
            (root / "txt" / speaker).mkdir(parents=True)
            (root / "txt" / speaker / f"{speaker}_001.txt").write_text("Please call Stella.\n")
    (root / "wav48_silence_trimmed" / "log.txt").write_text("a file beside the speakers\n")
    (root / "speaker-info.txt").write_text(INFO_092)
    return root


@pytest.mark.parametrize("table", ["SPEAKERS.txt", "speakers.tsv"])
def test_libritts_is_packed_with_sex_text_and_held_out_speakers(libritts: Path, tmp_path: Path, table: str) -> None:
    (libritts / "SPEAKERS.txt").unlink()
    (libritts / table).write_text(SPEAKERS_TXT if table == "SPEAKERS.txt" else SPEAKERS_TSV)
    assert main(["build", "--out", str(tmp_path / "out"), f"libritts={libritts}"]) == 0
    rows = read_index(tmp_path / "out")
    assert [(row.speaker, row.sex, row.split) for row in rows[::2]] == [
        ("libritts-61", "m", "valid"), ("libritts-14", "f", "train"), ("libritts-19", "m", "train"),
    ]  # fmt: skip
    assert rows[1].text == "Mister Bennet, number 1."
    assert rows[1].id == "libritts/61_70_000001_000000"
    assert {(row.corpus, row.licence, row.language, row.band) for row in rows} == {
        ("libritts", "CC-BY-4.0", "en", "wide")
    }


def test_one_subset_of_libritts(libritts: Path) -> None:
    corpus = LibriTTS(libritts / "train-clean-100")
    assert corpus.name == "libritts-train-clean-100"
    assert [one.speaker for one in corpus.recordings()] == ["libritts-14"] * 2 + ["libritts-19"] * 2
    assert len(list(LibriTTS(libritts.parent).recordings())) == 6


def test_libritts_refusals(libritts: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no subset of LibriTTS"):
        LibriTTS(tmp_path / "LibriTTS/train-clean-100/14")
    (libritts / "SPEAKERS.txt").write_text("; nobody\n")
    with pytest.raises(CorpusError, match="lists no speaker"):
        LibriTTS(libritts)
    (libritts / "SPEAKERS.txt").unlink()
    with pytest.raises(CorpusError, match=r"neither SPEAKERS\.txt nor speakers\.tsv"):
        open_source(f"libritts={libritts}")


def test_vctk_is_packed_with_one_microphone_and_without_the_lost_texts(vctk: Path, tmp_path: Path) -> None:
    assert main(["build", "--out", str(tmp_path / "out"), f"vctk={vctk.parent}"]) == 0
    rows = {row.id: row for row in read_index(tmp_path / "out")}
    # clips of 1.5 s at 16 kHz are joined with the next one of their speaker
    found = {row.speaker: (row.sex, row.text, row.licence) for row in rows.values()}
    assert found["vctk-p315"] == ("m", None, "CC-BY-4.0")
    assert found["vctk-s5"] == ("f", "Please call Stella.", "CC-BY-4.0")
    assert found["vctk-p225"][0] == "f"


def test_vctk_takes_the_first_microphone_or_the_only_one(vctk: Path) -> None:
    names = [one.path.name for one in VCTK(vctk).recordings()]
    assert names == ["p225_001_mic1.flac", "p225_002_mic2.flac", "p315_001_mic1.flac", "s5_001_mic1.flac"]
    assert next(VCTK(vctk).recordings()).spans[0].text == "Please call Stella."


def test_the_older_vctk(tmp_path: Path, make_speech: Any) -> None:
    (tmp_path / "wav48/p225").mkdir(parents=True)
    (tmp_path / "txt/p225").mkdir(parents=True)
    soundfile.write(tmp_path / "wav48/p225/p225_001.wav", make_speech(2.0), 48_000)
    (tmp_path / "txt/p225/p225_001.txt").write_text("Please call Stella.\n")
    (tmp_path / "speaker-info.txt").write_text(INFO_080)
    (only,) = VCTK(tmp_path).recordings()
    assert (only.speaker, only.sex, only.spans[0].text) == ("vctk-p225", "f", "Please call Stella.")


def test_vctk_refusals(vctk: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="neither wav48_silence_trimmed nor wav48"):
        VCTK(vctk / "txt")
    (vctk / "speaker-info.txt").unlink()
    with pytest.raises(CorpusError, match=r"speaker-info\.txt is missing"):
        VCTK(vctk)


def test_48_khz_becomes_16(vctk: Path) -> None:
    from streamvc.training.corpora.audio import load

    first = next(VCTK(vctk).recordings())
    read, rate = soundfile.read(first.path)
    assert rate == 48_000
    assert load(first).size == pytest.approx(read.size / 3, abs=1)
    assert np.isfinite(load(first)).all()
