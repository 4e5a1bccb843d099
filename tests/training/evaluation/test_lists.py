"""Pairs from anybody's files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamvc.errors import AudioError, EvaluationError
from streamvc.training.evaluation.lists import read_pairs
from streamvc.training.evaluation.pairs import Wave

RATE = 16_000
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, make_buzz: Callable[[np.ndarray], Wave]) -> Write:
    """`write("a/b.wav", hertz, rate=16000)`: a second of a tone."""

    def make(name: str, hertz: float = 120.0, rate: int = RATE) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.repeat(make_buzz(np.full(RATE, hertz)), rate // RATE), rate)
        return path

    return make


def read(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32")[0]


CSV = """\
source,target,converted,text,source_sex,target_sex
in/a.wav,voices/x.wav;voices/y.wav,,Good morning.,m,f
in/b.wav,voices,,,f,
"""
TOML = """\
[[pair]]
source = "in/a.wav"
target = ["voices/x.wav", "voices/y.wav"]
text = "Good morning."
source_sex = "m"
target_sex = "f"

[[pair]]
source = "in/b.wav"
target = "voices"
source_sex = "f"
"""
JSON = json.dumps(
    [
        {"source": "in/a.wav", "target": ["voices/x.wav", "voices/y.wav"], "text": "Good morning.",
         "source_sex": "m", "target_sex": "f"},
        {"source": "in/b.wav", "target": "voices", "source_sex": "f"},
    ]
)  # fmt: skip


@pytest.mark.parametrize(("name", "text"), [("p.csv", CSV), ("p.toml", TOML), ("p.json", JSON)])
def test_three_formats_say_the_same(tmp_path: Path, write: Write, name: str, text: str) -> None:
    for file in ("in/a.wav", "in/b.wav", "voices/x.wav", "voices/y.wav"):
        write(file, 100.0 + 10 * len(file) + ord(file[-5]))
    (tmp_path / name).write_text(text)
    listed = read_pairs(tmp_path / name)
    assert listed.converted is None
    first, second = listed.pairs
    assert (first.text, first.source_sex, first.target_sex) == ("Good morning.", "m", "f")
    assert (second.text, second.source_sex, second.target_sex) == (None, "f", None)
    assert np.array_equal(first.source, read(tmp_path / "in/a.wav"))
    expected = np.concatenate([read(tmp_path / "voices/x.wav"), read(tmp_path / "voices/y.wav")])
    assert np.array_equal(first.reference, expected)
    assert np.array_equal(second.reference, expected), "a folder stands for its recordings"
    assert first.source_id == "in/a.wav"
    assert first.reference_ids == ("voices/x.wav", "voices/y.wav")


def test_audio_of_another_rate_is_brought_to_16_khz(tmp_path: Path, write: Write) -> None:
    write("a.wav", rate=48_000)
    write("b.flac", rate=32_000)
    (tmp_path / "p.csv").write_text("source,target\na.wav,b.flac\n")
    pair = read_pairs(tmp_path / "p.csv").pairs[0]
    assert pair.source.size == pytest.approx(RATE, abs=2)
    assert pair.reference.size == pytest.approx(RATE, abs=2)


class TestFolder:
    """The layout without a list."""

    def test_names_belong_together(self, tmp_path: Path, write: Write) -> None:
        for name in ("one", "two"):
            write(f"source/{name}.wav", 110)
            write(f"converted/{name}.flac", 190)
        (tmp_path / "source" / "two.txt").write_text("Two words.\n")
        write("target/one.ogg", 200)
        write("target/two/a.wav", 210)
        write("target/two/b.wav", 220)
        write("ceiling/two.wav", 230)
        listed = read_pairs(tmp_path)
        one, two = listed.pairs
        assert (one.target_speaker, two.target_speaker) == ("one", "two")
        assert (one.text, two.text) == (None, "Two words.")
        assert len(two.references) == 2
        assert one.ceiling is None
        assert two.ceiling is not None
        assert np.array_equal(two.ceiling, read(tmp_path / "ceiling/two.wav"))
        assert listed.converted is not None
        assert np.array_equal(listed.converted[1], read(tmp_path / "converted/two.flac"))

    def test_a_single_target_serves_every_source(self, tmp_path: Path, write: Write) -> None:
        for name in ("one", "two", "three"):
            write(f"source/{name}.wav")
        write("target/somebody.wav", 210)
        assert {pair.target_speaker for pair in read_pairs(tmp_path).pairs} == {"somebody"}

    def test_what_is_missing_is_said(self, tmp_path: Path, write: Write) -> None:
        write("source/one.wav")
        with pytest.raises(EvaluationError, match="needs the folders source and target"):
            read_pairs(tmp_path)
        for name in ("x", "y"):
            write(f"target/{name}.wav")
        with pytest.raises(EvaluationError, match="nothing named one"):
            read_pairs(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("p.txt", "", "neither a folder nor a list"),
        ("p.csv", "source,target\n", "lists no pair"),
        ("p.csv", "source,goal\na.wav,b.wav\n", "unknown entry 'goal'"),
        ("p.csv", "source,target\na.wav,b.wav,c.wav\n", "Line 2 .* more cells"),
        ("p.csv", "source,text\na.wav,Hello.\n", "neither target nor preset"),
        ("p.csv", "source,preset\na.wav,alice\n", "has no target"),
        ("p.csv", "source,target,source_sex\na.wav,a.wav,x\n", "must be f or m"),
        ("p.csv", "source,target,converted\na.wav,a.wav,a.wav\na.wav,a.wav,\n", "pair 1 but none of the pair 2"),
        ("p.toml", "pair = 3\n", "no list of pairs"),
        ("p.toml", "[[pair\n", "cannot be read as TOML"),
        ("p.json", '{"pair": [{"source": 3}]}', "must be text, not 3"),
        ("p.json", "[", "cannot be read as JSON"),
    ],
)
def test_a_bad_list_is_one_sentence(tmp_path: Path, write: Write, name: str, text: str, said: str) -> None:
    write("a.wav")
    (tmp_path / name).write_text(text)
    with pytest.raises(EvaluationError, match=said):
        read_pairs(tmp_path / name)


def test_a_recording_that_is_not_there_is_named(tmp_path: Path, write: Write) -> None:
    write("a.wav")
    (tmp_path / "p.csv").write_text("source,target\na.wav,gone.wav\n")
    with pytest.raises(AudioError, match=r"gone\.wav"):
        read_pairs(tmp_path / "p.csv")
