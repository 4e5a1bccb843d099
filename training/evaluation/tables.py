"""Tables of documents that measurements fill in, so that nobody copies numbers by hand.

    python -m streamvc.training.evaluation.tables --zero-shot zero.json --presets presets.json --noise noise.json \
        --own-voice own.json --robustness robust.json --voices runs/voices/trial.json

The results come from `svc evaluate --json` (that of --voices from `python -m streamvc.training.voice_trial`), all of
the same weights, and of real people: at least 60 pairs with 40 people as sources. Rewritten is what stands between the
markers `<!-- NAME:begin -->` and `<!-- NAME:end -->` of README.md, docs/evaluation.md, docs/model-card.md and
docs/training-voice.md; a table whose result is not given stays as it is.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from streamvc.errors import EvaluationError, StreamVCError
from streamvc.presets.files import write_whole
from streamvc.training.evaluation.markdown import (
    Result,
    card_table,
    group_table,
    measures_table,
    quality_table,
    robustness_table,
)

LEAST_PAIRS: Final = 60
LEAST_PEOPLE: Final = 40
"""Below this, numbers in documents say too little about the world."""

_MODES: Final = {
    "zero_shot": "--corpus alone",
    "presets": "--presets",
    "noise": "--noise",
    "own_voice": "--own-voice",
}
"""Results of pairs, and the option of `svc evaluate` that makes each."""
_ENTRIES: Final = {**dict.fromkeys(_MODES, "summary"), "robustness": "conditions", "voices": "results"}
"""Every kind of result, and an entry that it must have."""


def tables_of(results: Mapping[str, Result]) -> dict[str, dict[str, str]]:
    """For each document, the tables by the names of their markers.

    Args:
        results: "zero_shot" and "presets", and perhaps "noise", "own_voice", "robustness" and "voices".
    """
    zero, presets = results["zero_shot"], results["presets"]
    noise, own = results.get("noise"), results.get("own_voice")
    evaluation = {"measures": measures_table(zero), "presets": measures_table(presets)}
    if noise is not None:
        evaluation["noise"] = measures_table(noise, "source with noise")
    if own is not None:
        evaluation["own-voice"] = measures_table(own, converted="in its own voice")
    if zero.get("synthetic"):
        synthetic = {**zero["synthetic"], "about": {"sources": "synthetic"}}
        evaluation["synthetic"] = measures_table(synthetic)
    if "robustness" in results:
        evaluation["robustness"] = robustness_table(results["robustness"])
    found = {
        "README.md": {"quality": quality_table(zero, presets, noise, own)},
        "docs/evaluation.md": evaluation,
        "docs/model-card.md": {"card": card_table(zero, presets, noise, own), "card-groups": group_table(zero)},
    }
    if "voices" in results:
        from streamvc.training.voice_trial import results_from, table

        found["docs/training-voice.md"] = {"voices": table(results_from(results["voices"])) + "\n"}
    return found


def replace_between(text: str, name: str, table: str, where: str) -> str:
    """`text` with `table` between the markers `<!-- NAME:begin -->` and `<!-- NAME:end -->`.

    Raises:
        EvaluationError: `text`, which is called `where`, does not have each marker once and in this order.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise EvaluationError(f"{where} needs the lines {begin} and {end} once and in this order: put them back.")
    before, after = text[: text.index(begin) + len(begin)], text[text.index(end) :]
    return f"{before}\n{table}{after}"


def read_result(path: Path, key: str) -> dict[str, Any]:
    """A result of `svc evaluate --json` that has the entry `key`.

    Raises:
        EvaluationError: it cannot be read, or is something else.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise EvaluationError(f"{path} cannot be read ({error}): give a result of svc evaluate --json.") from error
    if not isinstance(data, dict) or key not in data:
        raise EvaluationError(f"{path} has no entry {key!r}: give a result of svc evaluate --json.")
    return data


def check(kind: str, path: Path, result: Result) -> None:
    """Refuse what is not the result that it was given as, or is not of enough real people.

    Raises:
        EvaluationError: see above.
    """
    about = result.get("about", {})
    if kind != "voices" and about.get("sources") != "real":
        raise EvaluationError(f"{path} is not of real people: draw pairs from a corpus of them (docs/corpora.md).")
    if kind not in _MODES:
        return
    made = {"presets": bool(about.get("presets")), "own_voice": bool(about.get("own_voice")),
            "noise": about.get("noise_db") is not None}  # fmt: skip
    modes = [name for name, holds in made.items() if holds] or ["zero_shot"]
    if modes != [kind]:
        how = " and ".join(_MODES[name] for name in modes)
        raise EvaluationError(f"{path} was made with {how}, and is given where {_MODES[kind]} is wanted.")
    if result["pairs"] < LEAST_PAIRS or result["source_speakers"] < LEAST_PEOPLE:
        raise EvaluationError(
            f"{path} has {result['pairs']} pairs with {result['source_speakers']} people as sources: documents need "
            f"{LEAST_PAIRS} pairs with {LEAST_PEOPLE} people."
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrite the tables; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m streamvc.training.evaluation.tables", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    for kind in _ENTRIES:
        how = f"svc evaluate {_MODES.get(kind, '--robustness')}" if kind != "voices" else "voice_trial"
        parser.add_argument(f"--{kind.replace('_', '-')}", type=Path, metavar="FILE", help=f"result of {how}",
                            required=kind in ("zero_shot", "presets"))  # fmt: skip
    parser.add_argument("--root", type=Path, default=Path(), metavar="DIR", help="the checkout (default: here)")
    options = parser.parse_args(arguments)
    try:
        _rewrite(options)
    except StreamVCError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _rewrite(options: argparse.Namespace) -> None:
    results = {}
    for kind, entry in _ENTRIES.items():
        path = getattr(options, kind)
        if path is not None:
            results[kind] = read_result(path, entry)
            check(kind, path, results[kind])
    weights = sorted({str(result.get("about", {}).get("fingerprint")) for result in results.values()})
    if len(weights) > 1:
        raise EvaluationError(f"The results are of different weights ({' and '.join(weights)}): measure again.")
    # Every document is made before the first is written: they change together or not at all.
    texts = {}
    for name, own in tables_of(results).items():
        path = options.root / name
        try:
            texts[path] = path.read_text(encoding="utf-8")
        except OSError as error:
            raise EvaluationError(f"{path} cannot be read ({error}): give the checkout with --root.") from error
        for marker, table in own.items():
            texts[path] = replace_between(texts[path], marker, table, str(path))
    for path, text in texts.items():
        write_whole(path, text.encode(), overwrite=True)


if __name__ == "__main__":
    sys.exit(main())
