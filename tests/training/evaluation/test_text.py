"""Normalising and counting errors of words and characters."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from streamvc.training.evaluation.text import TextErrors, count_errors, normalise


@pytest.fixture(autouse=True)
def _packages(needs: Callable[..., None]) -> None:
    needs("whisper_normalizer", "jiwer")


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("Hello, World!", "hello world"),
        ("It's twenty-one minutes --- indeed.", "it is 21 minutes indeed"),
        ("Mr. Smith paid $20.", "mister smith paid $20"),
        ("the colour of his grey coat", "the color of his gray coat"),
        ("Yes!--Miss Smith--is... very", "yes miss smith is very"),
        ("  Um, well...   yes\n", "well yes"),
        ("One hundred and five voices", "105 voices"),
        ("...", ""),
    ],
)
def test_text_is_normalised_as_whisper_does(written: str, plain: str) -> None:
    assert normalise(written) == plain


def test_equal_but_for_spelling_is_no_error() -> None:
    assert count_errors("I can't find 12 Colours!", "i can not find twelve colors").word_errors == 0
    assert count_errors("Twelve colours.", "12 colors") == TextErrors(0, 2, 0, 9)


def test_substitution_deletion_and_insertion_count_one_each() -> None:
    errors = count_errors("the cat sat on the mat", "the bat sat on mat today")
    assert (errors.word_errors, errors.words) == (3, 6)


def test_characters_count_spaces_between_words() -> None:
    assert count_errors("abc def", "abd def") == TextErrors(1, 2, 1, 7)
    assert count_errors("abc def", "abcdef") == TextErrors(2, 2, 1, 7)


def test_nothing_heard_is_all_wrong() -> None:
    assert count_errors("the cat sat", "") == TextErrors(3, 3, 11, 11)


def test_words_heard_in_silence_are_insertions() -> None:
    assert count_errors("", "thank you") == TextErrors(2, 0, 9, 0)
    assert count_errors("", "") == TextErrors(0, 0, 0, 0)


def test_more_errors_than_words_are_possible() -> None:
    errors = count_errors("cat", "dog dog dog dog")
    assert (errors.word_errors, errors.words) == (4, 1)
