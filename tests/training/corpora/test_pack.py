"""The packer: what a packed corpus promises, on recordings made here."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from streamvc.errors import CorpusError
from streamvc.training.corpora.__main__ import main
from streamvc.training.corpora.base import Recording, Span
from streamvc.training.corpora.condition import Conditioning
from streamvc.training.corpora.index import check, read_index
from streamvc.training.corpora.pack import carry_labels, join, write_part
from streamvc.training.corpora.pieces import prepare, slice_alignment

RATE = 16_000


def test_part_keeps_its_promises(tmp_path: Path, made: Any) -> None:
    part = write_part(made(tmp_path, {"a": [3.0, 4.0], "b": [20.0]}), tmp_path / "parts", Conditioning())
    rows = read_index(part)
    audio = np.fromfile(part / "audio.i16", "<i2")
    check(rows, audio.size)
    assert {row.speaker for row in rows} == {"a", "b"}
    assert max(row.length for row in rows) <= 15 * RATE
    assert all(row.split == "train" and row.sex == "f" and row.licence == "CC0-1.0" for row in rows)
    assert next(row for row in rows if row.id == "a-0").text == "text of a-0"
    for row in rows:
        samples = audio[row.start : row.start + row.length] / 32768
        loud = np.abs(samples) > 0.01
        level = 20 * np.log10(np.sqrt(np.mean(np.square(samples))))
        assert -33 < level < -24
        assert abs(samples.mean()) < 1e-3
        if not row.id.endswith("#1"):  # which begins in a pause shorter than the margin
            assert 0.05 * RATE < np.flatnonzero(loud)[0] < 0.2 * RATE


def test_pieces_of_a_long_recording_have_no_text(tmp_path: Path, made: Any) -> None:
    pieces = prepare(next(made(tmp_path, {"a": [20.0]}).recordings()), Conditioning())
    assert [piece.id for piece in pieces] == ["a-0#0", "a-0#1"]
    assert [piece.text for piece in pieces] == [None, None]


def test_tiny_clips_are_joined_by_speaker(tmp_path: Path, made: Any) -> None:
    corpus = made(tmp_path, {"a": [0.8] * 7, "b": [0.9] * 2})
    rows = read_index(write_part(corpus, tmp_path / "parts", Conditioning()))
    assert all(row.length <= 6 * RATE for row in rows)
    joined = {row.id: row for row in rows}
    assert joined["b-0+1"].text == "text of b-0 text of b-1"
    assert sum(row.length for row in rows if row.speaker == "a") > 7 * 0.8 * RATE
    assert len(rows) < 5


def test_too_little_speech_is_dropped(tmp_path: Path, made: Any) -> None:
    rows = read_index(write_part(made(tmp_path, {"a": [0.2], "b": [3.0]}), tmp_path / "parts", Conditioning()))
    assert [row.speaker for row in rows] == ["b"]


def test_same_result_from_one_process_and_two(tmp_path: Path, made: Any) -> None:
    corpus = made(tmp_path, {"a": [3.0, 0.8, 0.9], "b": [2.0]})
    one = write_part(corpus, tmp_path / "one", Conditioning(), jobs=1)
    two = write_part(corpus, tmp_path / "two", Conditioning(), jobs=2)
    for name in ("audio.i16", "index.jsonl"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_a_part_that_is_there_is_kept(tmp_path: Path, made: Any) -> None:
    corpus = made(tmp_path, {"a": [3.0]})
    part = write_part(corpus, tmp_path / "parts", Conditioning())
    before = (part / "audio.i16").stat().st_mtime_ns
    for path, _ in corpus.items:
        path.unlink()
    assert write_part(corpus, tmp_path / "parts", Conditioning()) == part
    assert (part / "audio.i16").stat().st_mtime_ns == before


def test_silence_is_no_corpus(tmp_path: Path, made: Any) -> None:
    corpus = made(tmp_path, {"a": [1.0]})
    soundfile.write(corpus.items[0][0], np.zeros(RATE), RATE)
    with pytest.raises(CorpusError, match="gave no utterance"):
        write_part(corpus, tmp_path / "parts", Conditioning())


def test_joining_keeps_the_base_in_place(tmp_path: Path, made: Any) -> None:
    (tmp_path / "x").mkdir()
    base = write_part(made(tmp_path, {"a": [3.0]}), tmp_path / "parts", Conditioning())
    np.save(base / "units-whisper4.npy", np.zeros(10, np.uint16))
    (base / "phones.json").write_text('["sil"]\n')
    other = made(tmp_path / "x", {"c": [2.5, 3.5]})
    other.name = "other"
    more = write_part(other, tmp_path / "parts", Conditioning())
    rows = join([base, more], tmp_path / "whole")
    carry_labels(base, tmp_path / "whole")
    audio = np.fromfile(tmp_path / "whole/audio.i16", "<i2")
    old = np.fromfile(base / "audio.i16", "<i2")
    assert (audio[: old.size] == old).all()
    assert rows == read_index(tmp_path / "whole")
    assert rows[0] == read_index(base)[0]
    assert rows[1].start == old.size
    assert np.load(tmp_path / "whole/units-whisper4.npy").size == 10
    assert json.loads((tmp_path / "whole/phones.json").read_text()) == ["sil"]


def test_joining_refuses_a_second_utterance_of_one_id(tmp_path: Path, made: Any) -> None:
    part = write_part(made(tmp_path, {"a": [3.0]}), tmp_path / "parts", Conditioning())
    with pytest.raises(CorpusError, match="there twice"):
        join([part, part], tmp_path / "whole")
    assert list((tmp_path / "whole").iterdir()) == []


def test_alignment_moves_with_the_cut() -> None:
    alignment = (("", 100), ("a", 200), ("b", 300), ("", 400))
    assert slice_alignment(alignment, 150, 350) == (("a", 50), ("b", 150), ("", 200))
    assert slice_alignment(alignment, 100, 300) == (("a", 100), ("b", 200))


def test_alignment_survives_trimming(tmp_path: Path, make_speech: Any) -> None:
    soundfile.write(tmp_path / "a.wav", make_speech(3.0), RATE)
    span = Span("a", alignment=(("", 8000), ("a", 32000), ("b", 56000), ("", 64000)))
    recording = Recording(tmp_path / "a.wav", "a", "made", "en", "CC0-1.0", (span,))
    (piece,) = prepare(recording, Conditioning())
    assert piece.alignment is not None
    assert piece.alignment[-1][1] == piece.samples.size
    ends = dict(piece.alignment[1:])
    assert ends["b"] - ends["a"] == 24000
    # the speech began at sample 8000 and 100 ms before it were kept
    assert abs(piece.alignment[0][1] - 1600) < 640


@pytest.mark.parametrize(("line", "message"), [("{", "no utterance"), ('{"id": "a"}', "no utterance")])
def test_a_damaged_index_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "index.jsonl").write_text(line + "\n")
    with pytest.raises(CorpusError, match=message):
        read_index(tmp_path)


def test_command_builds_from_a_folder_of_speakers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make_speech: Any
) -> None:
    folder = tmp_path / "mine"
    for speaker in ("x", "y"):
        (folder / speaker).mkdir(parents=True)
        soundfile.write(folder / speaker / "1.flac", np.repeat(make_speech(3.0), 3), 48_000)
        (folder / speaker / "1.txt").write_text("hello\n")
    (folder / "corpus.toml").write_text('licence = "CC0-1.0"\nlanguage = "de"\nsex = { x = "m" }\n')
    assert main(["build", "--out", str(tmp_path / "out"), f"folder={folder}"]) == 0
    x, y = read_index(tmp_path / "out")
    assert (x.speaker, x.sex, x.language, x.licence, x.text) == ("mine-x", "m", "de", "CC0-1.0", "hello")
    assert y.sex is None
    assert main(["table", str(tmp_path / "out")]) == 0
    assert "| mine | de | wide | 2 | 0.00 | 2 | 0 |  | CC0-1.0 |" in capsys.readouterr().out


@pytest.mark.parametrize("source", ["folder", "nothing=/tmp", "folder=/does/not/exist"])
def test_command_says_what_is_wrong(tmp_path: Path, source: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "--out", str(tmp_path), source]) == CorpusError.exit_code
    assert capsys.readouterr().err.startswith("Error: ")


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("a = ", "not TOML"),
        ("colour = 1", "unknown setting colour"),
        ('band = "huge"', "wide or narrow"),
        ('sex = "f"', "f or m"),
    ],
)
def test_settings_of_a_folder_are_checked(
    tmp_path: Path, toml: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "corpus.toml").write_text(toml)
    assert main(["build", "--out", str(tmp_path / "out"), f"folder={tmp_path}"]) == CorpusError.exit_code
    assert message in capsys.readouterr().err
