"""Synthetic speech in its two forms."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamvc.errors import CorpusError
from streamvc.training.corpora.kokoro import KokoroArchive, KokoroShards, alignment_of, sex_of


def test_alignment_ends_are_sums_of_durations() -> None:
    assert alignment_of("ab", [2, 1, 3, 4], "x") == (("", 800), ("a", 1200), ("b", 2400), ("", 4000))


def test_alignment_refuses_a_missing_duration() -> None:
    with pytest.raises(CorpusError, match="2 phones and 3 durations"):
        alignment_of("ab", [1, 1, 1], "x")


@pytest.mark.parametrize(
    ("voice", "sex"), [("af_nova", "f"), ("zm_yunxi", "m"), ("af_nova+bf_emma", "f"), ("af_nova+am_liam", None)]
)
def test_sex(voice: str, sex: str | None) -> None:
    assert sex_of(voice) == sex


def row(start: int, text: str) -> dict[str, object]:
    return {
        "speaker": "kokoro-af_test", "file": "af_test.flac", "start": start, "length": 4000,
        "text": text, "phonemes": "ab", "durations": [2, 1, 3, 4],
    }  # fmt: skip


def test_archive_gives_one_recording_per_voice(tmp_path: Path) -> None:
    lines = [json.dumps(row(0, "one")), json.dumps(row(7200, "two"))]
    (tmp_path / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    (recording,) = KokoroArchive(tmp_path).recordings()
    assert recording.speaker == "kokoro-af_test"
    assert recording.sex == "f"
    assert [(span.start, span.length, span.text) for span in recording.spans] == [(0, 4000, "one"), (7200, 4000, "two")]
    assert len({span.id for span in recording.spans}) == 2


def test_archive_names_a_damaged_line(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text(json.dumps(row(0, "one")) + "\n{\n")
    with pytest.raises(CorpusError, match="line 2 of"):
        list(KokoroArchive(tmp_path).recordings())


def test_archive_needs_its_manifest(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no manifest"):
        list(KokoroArchive(tmp_path).recordings())


def test_shards_give_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "af_test").mkdir()
    soundfile.write(tmp_path / "af_test/0001.flac", np.zeros(4000), 16_000)
    line = {"voice": "af_test", "text": "one", "phonemes": ["a", "b"], "durations": [2, 1, 3, 4]}
    there, missing = {**line, "file": "af_test/0001.flac"}, {**line, "file": "af_test/0002.flac"}
    (tmp_path / "shard0.jsonl").write_text(f"{json.dumps(there)}\n{json.dumps(missing)}\n")
    (recording,) = KokoroShards(tmp_path).recordings()
    assert recording.path.name == "0001.flac"
    assert recording.spans[0].alignment is not None
    assert recording.spans[0].alignment[-1] == ("", 4000)
