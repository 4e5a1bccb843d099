"""Answers are given once, and outlive the process in a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamvc.errors import OutputError
from streamvc.training.evaluation.memory import Memory

WAVE = np.arange(10, dtype=np.float32)


class Judge:
    def __init__(self, answer: object) -> None:
        self.answer, self.asked = answer, 0

    def __call__(self) -> object:
        self.asked += 1
        return self.answer


@pytest.mark.parametrize("folder", [False, True])
@pytest.mark.parametrize("answer", [3.25, "Grüße, it said", "", np.array([1.5, -2.0], np.float32), np.zeros(0)])
def test_a_question_is_asked_once(tmp_path: Path, folder: bool, answer: object) -> None:
    memory, judge = Memory(tmp_path if folder else None), Judge(answer)
    first = memory.ask("q", WAVE, judge)
    again = memory.ask("q", WAVE.copy(), judge)
    assert judge.asked == 1
    assert np.array_equal(first, again)
    if folder:
        later = Memory(tmp_path).ask("q", WAVE, judge)
        assert judge.asked == 1
        assert type(later) is type(answer)
        assert np.array_equal(np.asarray(later), np.asarray(answer))


def test_another_wave_or_question_is_another_answer(tmp_path: Path) -> None:
    memory, judge = Memory(tmp_path), Judge(1.0)
    memory.ask("q", WAVE, judge)
    memory.ask("r", WAVE, judge)
    memory.ask("q", WAVE[1:], judge)
    assert judge.asked == 3


def test_a_damaged_answer_is_asked_for_again(tmp_path: Path) -> None:
    Memory(tmp_path).ask("q", WAVE, Judge(1.0))
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[:-3])
    judge = Judge(2.0)
    assert Memory(tmp_path).ask("q", WAVE, judge) == 2.0
    assert Memory(tmp_path).ask("q", WAVE, judge) == 2.0
    assert judge.asked == 1


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        Memory(tmp_path / "file" / "folder")
