"""Pairs from anybody's files: a list in CSV, TOML or JSON, or a folder with a fixed layout.

A list has one entry per pair. Paths are relative to the list; several files, or a folder of files, may stand for the
target and the ceiling (in CSV separated by `;`).

    source,target,converted,text                    first line of a CSV file: the names of the columns
    [[pair]]  source = "a.wav"  target = ["b.wav"]  TOML
    {"pair": [{"source": "a.wav", ...}]}            JSON (or the list alone)

Columns: source; target or preset (or both: the recordings then are what the preset is compared with); converted, when
the conversion exists already; ceiling, another recording of the target; text, ceiling_text; source_speaker,
target_speaker, source_sex, target_sex (f or m), source_corpus, target_corpus.

A folder has no list. Files and sub-folders of one name, whatever their ending, belong to one pair:

    FOLDER/source/NAME.wav      and perhaps NAME.txt, what is said in it
    FOLDER/target/NAME.wav      or NAME/*.wav; or a single voice, of any name, for all sources
    FOLDER/converted/NAME.wav   optional: a conversion that exists already (for all pairs or for none)
    FOLDER/ceiling/NAME.wav     optional
"""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from streamvc.errors import EvaluationError
from streamvc.presets.recordings import read_recording
from streamvc.training.evaluation.pairs import Pair, Wave

AUDIO: Final = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif"})
COLUMNS: Final = (
    "source", "target", "preset", "converted", "ceiling", "text", "ceiling_text", "source_speaker", "target_speaker",
    "source_sex", "target_sex", "source_corpus", "target_corpus",
)  # fmt: skip
_FILES: Final = ("target", "ceiling")


@dataclass(frozen=True)
class Listed:
    """What a list holds: the pairs, and their conversions [samples] where they exist already, else None."""

    pairs: tuple[Pair, ...]
    converted: tuple[Wave, ...] | None


def read_pairs(path: Path) -> Listed:
    """Read a list (.csv, .toml, .json) or a folder; audio of any format and rate is brought to mono at 16 kHz.

    Raises:
        EvaluationError: the list is malformed, names an unknown column, or converts some pairs but not others.
        AudioError: a recording is missing or cannot be read.
    """
    base = path if path.is_dir() else path.parent
    entries = _folder_entries(path) if path.is_dir() else _file_entries(path)
    if not entries:
        raise EvaluationError(f"{path} lists no pair: give at least one.")
    known = [bool(entry.get("converted")) for entry in entries]
    if any(known) and not all(known):
        raise EvaluationError(
            f"{path} has a conversion of the pair {known.index(True) + 1} but none of the pair "
            f"{known.index(False) + 1}: give all of them, or none."
        )
    pairs = tuple(_pair(base, entry, f"{path.name}, pair {number}") for number, entry in enumerate(entries, start=1))
    converted = tuple(read_recording(base / str(entry["converted"])) for entry in entries) if any(known) else None
    return Listed(pairs, converted)


def _file_entries(path: Path) -> list[dict[str, Any]]:
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".toml", ".json"):
        raise EvaluationError(f"{path} is neither a folder nor a list: give a .csv, .toml or .json file.")
    try:
        text = path.read_text(encoding="utf-8-sig")
        if suffix == ".csv":
            return _csv_entries(path, text)
        data: Any = tomllib.loads(text) if suffix == ".toml" else json.loads(text)
    except FileNotFoundError as error:
        raise EvaluationError(f"There is no list {path}: check the path.") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        raise EvaluationError(f"{path} cannot be read as {suffix[1:].upper()} ({error}): correct it.") from error
    entries = data.get("pair") if isinstance(data, dict) else data
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise EvaluationError(f"{path} has no list of pairs: write [[pair]] tables (TOML) or a list of objects (JSON).")
    return [_checked(path, one) for one in entries]


def _csv_entries(path: Path, text: str) -> list[dict[str, Any]]:
    entries = []
    for number, row in enumerate(csv.DictReader(text.splitlines()), start=2):
        if None in row:
            raise EvaluationError(f"Line {number} of {path} has more cells than the first line names: correct it.")
        entry: dict[str, Any] = {key: value.strip() for key, value in row.items() if value and value.strip()}
        for key in _FILES:
            if key in entry:
                entry[key] = [one.strip() for one in str(entry[key]).split(";") if one.strip()]
        entries.append(_checked(path, entry))
    return entries


def _checked(path: Path, entry: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(entry) - set(COLUMNS))
    if unknown:
        raise EvaluationError(f"{path} has the unknown entry {unknown[0]!r}: choose from {', '.join(COLUMNS)}.")
    for key, value in entry.items():
        several = key in _FILES and isinstance(value, list) and all(isinstance(one, str) for one in value)
        if not isinstance(value, str) and not several:
            raise EvaluationError(f"The entry {key} of {path} must be text, not {value!r}: correct it.")
        if key.endswith("_sex") and value not in ("f", "m"):
            raise EvaluationError(f"The entry {key} of {path} must be f or m, not {value!r}: correct it.")
    return dict(entry)


def _folder_entries(folder: Path) -> list[dict[str, Any]]:
    names = {part: _named(folder / part) for part in ("source", "target", "converted", "ceiling")}
    if not names["source"] or not names["target"]:
        raise EvaluationError(
            f"{folder} needs the folders source and target with recordings in them: "
            "lay it out as docs/evaluation.md describes, or give a list."
        )
    single = next(iter(names["target"].items())) if len(names["target"]) == 1 else None
    entries = []
    for name, source in names["source"].items():
        speaker, target = single or (name, names["target"].get(name))
        if target is None:
            raise EvaluationError(f"{folder}/target has nothing named {name}: give the source {name} its target.")
        entry = {"source": str(source), "target": [str(target)], "target_speaker": speaker}
        entry |= {part: str(names[part][name]) for part in ("converted", "ceiling") if name in names[part]}
        text = folder / source.with_suffix(".txt")
        if text.is_file():
            entry["text"] = text.read_text(encoding="utf-8", errors="replace").strip()
        entries.append(entry)
    return entries


def _named(part: Path) -> dict[str, Path]:
    """Recordings and folders of them in a part of the layout, by name, relative to the part's parent."""
    if not part.is_dir():
        return {}
    found: dict[str, Path] = {}
    for path in sorted(part.iterdir()):
        if path.is_dir() or path.suffix.lower() in AUDIO:
            name = path.name if path.is_dir() else path.stem
            if name in found:
                raise EvaluationError(f"{part} has two recordings named {name}: remove one.")
            found[name] = path.relative_to(part.parent)
    return found


def _pair(base: Path, entry: Mapping[str, Any], where: str) -> Pair:
    if "source" not in entry or not ("target" in entry or "preset" in entry):
        raise EvaluationError(f"An entry has no source, or neither target nor preset ({where}): complete it.")
    if "target" not in entry:
        raise EvaluationError(
            f"The preset {entry['preset']} has no target ({where}): give recordings of its speaker to compare with."
        )
    source = Path(str(entry["source"]))
    targets = _recordings(base, entry["target"])
    ceilings = _recordings(base, entry["ceiling"]) if "ceiling" in entry else []
    return Pair(
        source_id=str(source),
        source_speaker=entry.get("source_speaker", source.stem),
        source=read_recording(base / source),
        target_speaker=entry.get("target_speaker", targets[0].stem),
        references=tuple(read_recording(one) for one in targets),
        reference_ids=tuple(str(one.relative_to(base)) if one.is_relative_to(base) else str(one) for one in targets),
        ceiling=np.concatenate([read_recording(one) for one in ceilings]) if ceilings else None,
        ceiling_ids=tuple(one.name for one in ceilings),
        text=entry.get("text") or None,
        ceiling_text=entry.get("ceiling_text") or None,
        preset=entry.get("preset") or None,
        source_sex=entry.get("source_sex"),
        target_sex=entry.get("target_sex"),
        source_corpus=entry.get("source_corpus", ""),
        target_corpus=entry.get("target_corpus", ""),
    )


def _recordings(base: Path, given: str | Sequence[str]) -> list[Path]:
    files: list[Path] = []
    for one in [given] if isinstance(given, str) else given:
        path = base / one
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        files += [file for file in inside if not path.is_dir() or file.suffix.lower() in AUDIO]
    if not files:
        raise EvaluationError(f"There is no recording in {given}: give at least one file.")
    return files
