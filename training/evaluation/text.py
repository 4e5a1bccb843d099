"""Words and characters that an ASR got wrong."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from streamvc.training.evaluation.optional import require


@dataclass(frozen=True)
class TextErrors:
    """Edits (substitutions, deletions, insertions) against a reference, and the length of that reference."""

    word_errors: int
    words: int
    char_errors: int
    chars: int


@lru_cache(maxsize=1)
def _normaliser() -> Any:
    return require("whisper_normalizer.english", "the word error rate").EnglishTextNormalizer()


def normalise(text: str) -> str:
    """Whisper's English normalisation: lower case, no punctuation, numbers as digits, one spelling, no fillers.

    Radford et al. 2022 (Whisper), appendix C. It reads the o of "o'clock" as a zero and the 's of "Anne's" as "is",
    on both sides of a comparison alike.

    Raises:
        RuntimeUnavailableError: whisper-normalizer is not installed.
    """
    # It leaves a full stop behind of an ellipsis, which would count as a word.
    return " ".join(word for word in str(_normaliser()(text)).split() if any(map(str.isalnum, word)))


def count_errors(reference: str, hypothesis: str) -> TextErrors:
    """Count word and character edits of `hypothesis` against `reference`, both normalised first.

    Characters are counted with single spaces between words. A reference without words counts every word of the
    hypothesis as an insertion.

    Raises:
        RuntimeUnavailableError: whisper-normalizer or jiwer is not installed.
    """
    expected, heard = normalise(reference), normalise(hypothesis)
    if not expected:
        return TextErrors(len(heard.split()), 0, len(heard), 0)
    jiwer = require("jiwer", "the word error rate")
    words = jiwer.process_words(expected, heard)
    chars = jiwer.process_characters(expected, heard)
    return TextErrors(
        words.substitutions + words.deletions + words.insertions,
        words.substitutions + words.deletions + words.hits,
        chars.substitutions + chars.deletions + chars.insertions,
        chars.substitutions + chars.deletions + chars.hits,
    )
