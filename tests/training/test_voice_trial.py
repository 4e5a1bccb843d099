"""The trial of fitted voices: whom it takes, what it counts, and that it goes on where it was."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from streamvc.errors import CorpusError
from streamvc.training import voice_trial
from streamvc.training.data import PackedCorpus
from streamvc.training.voice_trial import Result, choose_sources, table

RESULTS = [
    Result("ann", 150.0, 1.0, (0.70, 0.80), (0.60, 0.65), (10, 9), 100),
    Result("bob", 90.0, 0.0, (0.70, 0.70), (0.60, 0.60), (5, 9), 100),
]


@pytest.fixture
def corpus(tmp_path):
    """Three held-out speakers, one of them a blend with another, with texts and without."""
    rows, pieces, position = [], [], 0
    for speaker, text in (("kokoro-a", "hello"), ("kokoro-b", "hello"), ("kokoro-a+b", "hello"), ("c", None)):
        for number in range(30):
            length = 4 * 16_000
            pieces.append(np.full(length, number, "<i2"))
            rows.append({
                "id": f"{speaker}/{number}", "speaker": speaker, "corpus": "x", "language": "en", "sex": "f",
                "band": "wide", "split": "valid", "start": position, "length": length, "text": text,
            })
            position += length
    np.concatenate(pieces).tofile(tmp_path / "audio.i16")
    (tmp_path / "index.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return PackedCorpus(tmp_path)


def test_a_table_says_who_is_better(tmp_path):
    text = table(RESULTS)
    assert "| ann | 150 s | 100 % | 0.700 | 0.800 | 0.600 | 0.650 | 10.0 | 9.0 |" in text
    assert "SECS on 1 of 2, d-vector on 1 of 2. WER of all 200 words: 7.5 and 9.0 (+1.5 points)." in text


def test_others_speak_the_sentences_and_no_blend_with_the_speaker(corpus):
    chosen = choose_sources(corpus, "kokoro-a", 5, 0)
    assert {u.speaker for u in chosen} == {"kokoro-b"}
    assert [u.id for u in choose_sources(corpus, "kokoro-a", 5, 0)] == [u.id for u in chosen]
    everybody = choose_sources(corpus, "c", 9, 0)
    assert sorted(u.speaker for u in everybody) == ["kokoro-a"] * 3 + ["kokoro-a+b"] * 3 + ["kokoro-b"] * 3
    with pytest.raises(CorpusError, match="30 sentences of others to convert, not 31"):
        choose_sources(corpus, "kokoro-a", 31, 0)


def test_the_reference_is_none_of_the_recordings(corpus, tmp_path):
    paths, reference = voice_trial._recordings(corpus, "c", tmp_path / "out", 48.0)
    assert len(paths) == 12
    given = {round(soundfile.read(path)[0][0] * 32_768) for path in paths}
    kept_back = set(np.unique(np.rint(reference * 32_768)).astype(int).tolist())
    assert len(given) == 12
    assert len(kept_back) == 10
    assert not given & kept_back
    with pytest.raises(CorpusError, match="too little of nobody"):
        voice_trial._recordings(corpus, "nobody", tmp_path, 48.0)


def test_a_result_that_was_written_is_read_again(tmp_path):
    from dataclasses import asdict

    (tmp_path / "ann.json").write_text(json.dumps(asdict(RESULTS[0])))
    assert voice_trial._read(tmp_path / "ann.json") == RESULTS[0]
