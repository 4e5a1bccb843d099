"""Phones of English utterances whose text is known, by forced alignment with PocketSphinx.

Its acoustic model and its dictionary come inside the package. The result is kept in a file that grows line by line, so
that an interrupted run goes on where it stopped.
"""

# ruff: noqa: RUF001  (phonetic signs look like others)

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streamvc.config import SAMPLE_RATE
from streamvc.errors import CorpusError, RuntimeUnavailableError
from streamvc.training.corpora.base import Alignment, Utterance
from streamvc.training.corpora.progress import Say, progress, silent
from streamvc.training.corpora.spool import writing

FORCED = "alignment-pocketsphinx.jsonl"
HOP = SAMPLE_RATE // 100
"""Samples of one frame of the aligner."""
LEAD = -240
"""Samples by which sound comes before the boundaries of the aligner: it is 15 ms early (measured: docs/corpora.md)."""

#: Phones of the CMU dictionary in the letters that the synthetic corpora use; ER is a vowel and an r.
LETTERS = {
    "AA": "ɑ", "AE": "æ", "AH": "ə", "AO": "ɔ", "AW": "W", "AY": "I", "EH": "ɛ", "ER": "ɜɹ", "EY": "A", "IH": "ɪ",
    "IY": "i", "OW": "O", "OY": "Y", "UH": "ʊ", "UW": "u", "B": "b", "CH": "ʧ", "D": "d", "DH": "ð", "F": "f",
    "G": "ɡ", "HH": "h", "JH": "ʤ", "K": "k", "L": "l", "M": "m", "N": "n", "NG": "ŋ", "P": "p", "R": "ɹ", "S": "s",
    "SH": "ʃ", "T": "t", "TH": "θ", "V": "v", "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ",
}  # fmt: skip

HISSING = frozenset({"S", "Z", "SH", "ZH", "CH", "JH"})
VOICELESS = frozenset({"P", "T", "K", "F", "TH"})


def normal_words(text: str) -> list[str]:
    """Lower-case words of letters and apostrophes, hyphens parted; digits stay, and no dictionary has them."""
    text = text.lower().replace("\u2019", "'").replace("-", " ")
    words = (re.sub(r"[^a-z0-9']", "", word).strip("'") for word in text.split())
    return [word for word in words if word]


class Aligner:
    """PocketSphinx with its English model.

    Raises:
        RuntimeUnavailableError: the package is not installed.
    """

    def __init__(self) -> None:
        try:
            from pocketsphinx import Decoder
        except ImportError as error:
            raise RuntimeUnavailableError(
                "Forced alignment needs the package pocketsphinx: run pip install 'streamvc[align]'."
            ) from error
        # the beams of recognition: wider ones lost more sentences, not fewer (measured: see docs/corpora.md)
        self.decoder: Any = Decoder(lm=None, loglevel="FATAL")

    def align(self, samples: npt.NDArray[np.int16], text: str) -> Alignment:
        """Phones and the samples at which they end; silence is "".

        Args:
            samples: [samples] at 16 kHz.
            text: what is said, in English.

        Raises:
            CorpusError: a word is in no dictionary, or the words do not fit the sound.
        """
        words = normal_words(text)
        if not words:
            raise CorpusError("there is no word to align.")
        for word in words:
            self._know(word)
        try:
            self.decoder.set_align_text(" ".join(words))
            self._hear(samples)
            self.decoder.set_alignment()
            self._hear(samples)
            found = self.decoder.get_alignment()
        except RuntimeError as error:
            raise CorpusError(f"the words do not fit the sound ({error}).") from error
        phones: list[tuple[str, int]] = []
        for word in found or ():
            for phone in word:
                start, end = HOP * phone.start, HOP * (phone.start + phone.duration)
                letters = LETTERS.get(phone.name, "")
                for number, letter in enumerate(letters or ("",), 1):
                    phones.append((letter, start + (end - start) * number // max(1, len(letters))))
        if not any(letter for letter, _ in phones):
            raise CorpusError("the words do not fit the sound.")
        return tuple(phones)

    def _know(self, word: str) -> None:
        """Make sure that the dictionary has a word; a possessive is made of its noun."""
        if self.decoder.lookup_word(word) is not None:
            return
        noun = self.decoder.lookup_word(word.removesuffix("'s")) if word.endswith("'s") else None
        if noun is None:
            raise CorpusError(f"the word {word!r} is not in the dictionary.")
        last = noun.split()[-1]
        ending = "IH Z" if last in HISSING else "S" if last in VOICELESS else "Z"
        self.decoder.add_word(word, f"{noun} {ending}", True)

    def _hear(self, samples: npt.NDArray[np.int16]) -> None:
        self.decoder.start_utt()
        self.decoder.process_raw(np.ascontiguousarray(samples).tobytes(), full_utt=True)
        self.decoder.end_utt()


def force_alignments(
    folder: Path, rows: Sequence[Utterance], audio: npt.NDArray[np.int16], known: set[str], say: Say = silent
) -> dict[str, tuple[Alignment, int]]:
    """Align the English utterances that have a text and are not `known`, and keep the results in the folder.

    Returns:
        Alignments by utterance id, with the lead of the sound.

    Raises:
        RuntimeUnavailableError: PocketSphinx is needed and not installed.
        CorpusError: what is kept is damaged.
        OutputError: the disk is full; what was aligned is kept.
    """
    path = folder / FORCED
    kept = read_forced(path)
    wanted = [row for row in rows if row.language.startswith("en") and row.text and row.id not in known]
    missing = [row for row in wanted if row.id not in kept]
    if missing:
        aligner = Aligner()
        with (
            writing(path),
            path.open("ab", buffering=0) as file,
            progress("aligning", " utterances", len(wanted), len(wanted) - len(missing), say) as step,
        ):
            for row in missing:
                line: dict[str, Any] = {"id": row.id}
                try:
                    samples = np.asarray(audio[row.start : row.start + row.length])
                    kept[row.id] = aligner.align(samples, row.text or "")
                    line["phones"] = kept[row.id]
                except CorpusError as error:
                    kept[row.id] = None
                    line["problem"] = str(error)
                file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
                step()
    aligned = {row.id: kept[row.id] for row in wanted}
    failed = sum(alignment is None for alignment in aligned.values())
    if failed:
        say(f"{failed} of {len(wanted)} utterances could not be aligned; {path} says why")
    return {name: (alignment, LEAD) for name, alignment in aligned.items() if alignment is not None}


def read_forced(path: Path) -> dict[str, Alignment | None]:
    """What was aligned before, None for what could not be; a torn last line is cut off.

    Raises:
        CorpusError: another line is damaged.
    """
    found: dict[str, Alignment | None] = {}
    if not path.is_file():
        return found
    whole, _, torn = path.read_bytes().rpartition(b"\n")
    if torn:
        with writing(path), path.open("r+b") as file:
            file.truncate(len(whole) + 1 if whole else 0)
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            row = json.loads(line)
            phones = row.get("phones")
            found[row["id"]] = None if phones is None else tuple((str(name), int(end)) for name, end in phones)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorpusError(f"line {number} of {path} is no alignment ({error}); delete the file.") from error
    return found
