"""The trial of fitted voices: whom it takes, what it counts, and that it goes on where it was."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from streamvc.errors import CorpusError
from streamvc.training import voice_trial
from streamvc.training.data import PackedCorpus
from streamvc.training.voice_trial import Result, choose_sources, choose_speakers, results_from, table

RESULTS = [
    Result("ann", 150.0, 1.0, (0.70, 0.80), (0.60, 0.65), (10, 9), 100),
    Result("bob", 90.0, 0.0, (0.70, 0.70), (0.60, 0.60), (5, 9), 100),
]
PEOPLE = (
    # speaker, text, sex, recordings of 4 s
    ("x-a", "hello", "f", 30), ("x-b", "hello", "m", 30), ("c-1", None, "f", 31), ("y-d", "hello", "m", 10),
    ("kokoro-a", "hello", "f", 30),
)  # fmt: skip


@pytest.fixture
def corpus(tmp_path):
    """Held-out people, with texts and without, one with little speech, and a synthetic speaker."""
    rows, pieces, position = [], [], 0
    for speaker, text, sex, count in PEOPLE:
        for number in range(count):
            length = 4 * 16_000
            pieces.append(np.full(length, number, "<i2"))
            rows.append({
                "id": f"{speaker}/{number}", "speaker": speaker, "corpus": speaker.partition("-")[0],
                "language": "en", "sex": sex, "band": "wide", "split": "valid", "start": position,
                "length": length, "text": text,
            })
            position += length
    np.concatenate(pieces).tofile(tmp_path / "audio.i16")
    (tmp_path / "index.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return PackedCorpus(tmp_path)


def test_a_table_says_who_is_better(tmp_path):
    text = table(RESULTS)
    assert "| ann | 150 s | 100 % | 0.700 | 0.800 | 0.600 | 0.650 | 10.0 | 9.0 |" in text
    assert "SECS on 1 of 2, d-vector on 1 of 2. WER of all 200 words: 7.5 and 9.0 (+1.5 points)." in text


def test_other_real_people_speak_the_sentences(corpus):
    chosen = choose_sources(corpus, "x-a", 5, 0)
    assert {u.speaker for u in chosen} == {"x-b", "y-d"}
    assert [u.id for u in choose_sources(corpus, "x-a", 5, 0)] == [u.id for u in chosen]
    everybody = choose_sources(corpus, "c-1", 6, 0)
    assert sorted(u.speaker for u in everybody) == ["x-a"] * 2 + ["x-b"] * 2 + ["y-d"] * 2
    with pytest.raises(CorpusError, match="40 sentences of others to convert, not 41"):
        choose_sources(corpus, "x-a", 41, 0)


def test_people_with_much_speech_are_tried_both_sexes_and_all_corpora_in_turns(corpus):
    assert choose_speakers(corpus) == ["c-1", "x-b", "x-a"]
    assert choose_speakers(corpus, 2) == ["c-1", "x-b"]
    corpus.utterances = [u for u in corpus.utterances if u.speaker.startswith("kokoro")]
    with pytest.raises(CorpusError, match="no held-out person with 100 s"):
        choose_speakers(corpus)


def test_the_reference_is_none_of_the_recordings(corpus, tmp_path):
    paths, reference = voice_trial._recordings(corpus, "c-1", tmp_path / "out", 48.0)
    assert len(paths) == 12
    given = {round(soundfile.read(path)[0][0] * 32_768) for path in paths}
    kept_back = set(np.unique(np.rint(reference * 32_768)).astype(int).tolist())
    assert len(given) == 12
    assert len(kept_back) == 10
    assert not given & kept_back
    with pytest.raises(CorpusError, match="too little of nobody"):
        voice_trial._recordings(corpus, "nobody", tmp_path, 48.0)


def test_results_that_were_written_are_read_again():
    from dataclasses import asdict

    written = json.dumps({"results": [asdict(one) for one in RESULTS]})
    assert results_from(json.loads(written)) == RESULTS
