"""Judges are optional packages: a test says by name which one it lacks. And a small corpus, written by the tests."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streamvc.training.evaluation.pairs import Pair, Wave

RATE = 16_000


@pytest.fixture
def needs() -> Callable[..., None]:
    """`needs("jiwer", ...)` skips the test, saying why, where one of these packages of the eval extra is missing."""

    def check(*modules: str) -> None:
        for module in modules:
            if importlib.util.find_spec(module) is None:
                pytest.skip(f"needs {module}, a package of the eval extra (docs/evaluation.md)")

    return check


def buzz(f0: np.ndarray) -> Wave:
    """A tone with 20 harmonics that follows f0 [samples] in Hz, silent where f0 is 0; peak about 0.3."""
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    tone = sum(np.cos(k * phase) / k for k in range(1, 21)) * (f0 > 0)
    return (0.3 * tone / np.abs(tone).max()).astype(np.float32)


@pytest.fixture
def make_buzz() -> Callable[[np.ndarray], Wave]:
    return buzz


@pytest.fixture
def glide() -> np.ndarray:
    """2 s of f0 in Hz, between 120 and 180 Hz, with a pause of 0.4 s."""
    time = np.arange(2 * RATE) / RATE
    f0 = 150 + 30 * np.sin(2 * np.pi * 1.5 * time)
    f0[int(0.8 * RATE) : int(1.2 * RATE)] = 0
    return f0


@pytest.fixture
def pair(glide: np.ndarray) -> Pair:
    return Pair(
        source_id="source/1",
        source_speaker="low",
        source=buzz(glide),
        target_speaker="high",
        references=(buzz(2 * glide), buzz(1.8 * glide)),
        ceiling=buzz(2 * glide[::-1]),
        text="Twenty-one steps.",
        ceiling_text="Something else.",
        source_sex="m",
        target_sex="f",
        source_corpus="a",
        target_corpus="b",
    )


SPEAKERS = (
    # speaker, corpus, language, sex, split, text; 12 utterances of 1.2 to 8.9 s each
    ("kokoro-af_one", "kokoro", "en", "f", "valid", True),
    ("kokoro-af_one+af_two", "kokoro", "en", "f", "valid", True),
    ("kokoro-am_three", "kokoro", "en", "m", "valid", True),
    ("kokoro-am_four+bm_five", "kokoro", "en", "m", "valid", True),
    ("prompts-en", "prompts", "en", "f", "valid", False),
    ("prompts-it", "prompts", "it", "m", "valid", False),
    ("stamps-ro", "stamps", "ro", None, "valid", False),
    ("kokoro-af_six", "kokoro", "en", "f", "valid", True),
    ("kokoro-af_trained", "kokoro", "en", "f", "train", True),
    *((f"learners-{sex}{n}", "learners", "en", sex, "valid", True) for sex in "fm" for n in range(2)),
    ("learners-trained", "learners", "en", "m", "train", True),
)
READERS = tuple((f"readers-{sex}{n}", sex, 13.0 + 0.5 * n) for sex in "fm" for n in range(4))
"""Real people with one long recording each, and no text: speaker, sex, seconds."""
VOLUNTEERS = tuple((f"volunteers-{sex}{n}", sex, 2.0 + 0.6 * n) for sex in ("f", "m", None) for n in range(5))
"""Real people with one short recording each, and its text."""


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed corpus (docs/architecture.md): synthetic speakers and real people, with many recordings and with one."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(3)
    people = [(*one, [float(0.02 * rng.integers(60, 445)) for _ in range(12)]) for one in SPEAKERS]
    people += [(name, "readers", "en", sex, "valid", False, [seconds]) for name, sex, seconds in READERS]
    people += [(name, "volunteers", "en", sex, "valid", True, [seconds]) for name, sex, seconds in VOLUNTEERS]
    start, lines, audio = 0, [], []
    for number, (speaker, corpus, language, sex, split, text, lengths) in enumerate(people):
        for index, seconds in enumerate(lengths):
            length = 320 * round(seconds * 50)
            f0 = np.full(length, 100.0 + 5 * number) + 20 * np.sin(2 * np.pi * np.arange(length) / RATE)
            f0[4 * RATE : 4 * RATE + RATE // 5] = 0.0  # a pause, where a long recording is cut
            audio.append((32_767 * buzz(f0)).astype(np.int16))
            line = {
                "id": f"{speaker}/{index:02d}", "speaker": speaker, "corpus": corpus, "language": language, "sex": sex,
                "band": "narrow" if corpus == "readers" and speaker.endswith("3") else "wide", "split": split,
                "start": start, "length": length, "licence": "CC0-1.0",
            }  # fmt: skip
            lines.append(json.dumps(line | ({"text": f"Sentence number {index}."} if text else {})))
            start += length
    np.concatenate(audio).tofile(folder / "audio.i16")
    (folder / "index.jsonl").write_text("\n".join(lines) + "\n")
    return folder
