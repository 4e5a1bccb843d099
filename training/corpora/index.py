"""The index of a packed corpus: one line of JSON for each utterance."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from streamvc.config import FRAME
from streamvc.errors import CorpusError
from streamvc.presets.files import reason
from streamvc.training.corpora.base import Utterance

AUDIO, INDEX, ALIGNMENT = "audio.i16", "index.jsonl", "alignment.jsonl"


def format_row(utterance: Utterance) -> str:
    """A line of the index; the text is left out where it is not known."""
    fields = asdict(utterance)
    if utterance.text is None:
        del fields["text"]
    return json.dumps(fields, ensure_ascii=False) + "\n"


def read_index(folder: Path) -> list[Utterance]:
    """The utterances of a packed corpus, in order.

    Raises:
        CorpusError: the index is missing or malformed.
    """
    path = folder / INDEX
    if not path.is_file():
        raise CorpusError(f"{folder} has no {INDEX}; build a packed corpus there first.")
    rows = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path} cannot be read ({reason(error)}); build the corpus again.") from error
    for number, line in enumerate(lines, 1):
        try:
            rows.append(Utterance(**json.loads(line)))
        except (json.JSONDecodeError, TypeError) as error:
            raise CorpusError(f"line {number} of {path} is no utterance ({error}); build the corpus again.") from error
    return rows


def check(rows: Sequence[Utterance], samples: int) -> None:
    """The invariants of a packed corpus: whole frames, no gap, no overlap, nothing left over.

    Raises:
        CorpusError: one of them does not hold.
    """
    position = 0
    for row in rows:
        if row.start != position or row.length <= 0 or row.length % FRAME:
            raise CorpusError(
                f"utterance {row.id} does not follow the one before in whole frames; build the corpus again."
            )
        position += row.length
    if position != samples:
        raise CorpusError(f"the index ends at sample {position} and the audio at {samples}; build the corpus again.")
