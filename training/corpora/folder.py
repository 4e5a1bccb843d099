"""Anybody's recordings: a folder of speakers.

    FOLDER/SPEAKER/**/*.wav     (or flac, ogg, opus, mp3)
    FOLDER/corpus.toml          optional: name, language, licence, band, sex of speakers, and speakers to hold out

A text beside a recording is taken from `NAME.normalized.txt` (LibriTTS) or `NAME.txt`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from streamvc.errors import CorpusError
from streamvc.training.corpora.base import Band, Recording, Sex, Span
from streamvc.training.corpora.text import read_text

AUDIO = {".wav", ".flac", ".ogg", ".opus", ".mp3"}
SETTINGS = {"name", "language", "licence", "band", "sex", "valid"}


class SpeakerFolder:
    """A folder with one sub-folder per speaker; speakers are named NAME-SUBFOLDER."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        settings = read_settings(folder / "corpus.toml")
        self.name = str(settings.get("name", folder.name))
        self.language = str(settings.get("language", "en"))
        self.licence = str(settings.get("licence", "unknown"))
        self.band: Band = settings.get("band", "wide")
        self.sex: dict[str, Sex] = settings.get("sex", {})
        self.valid: list[str] = settings.get("valid", [])

    def recordings(self) -> Iterator[Recording]:
        speakers = sorted(path for path in self.folder.iterdir() if path.is_dir())
        missing = sorted({*self.valid, *self.sex} - {path.name for path in speakers})
        if missing:
            raise CorpusError(f"{self.folder}/corpus.toml names {missing[0]}, which is no folder there; correct it.")
        for speaker in speakers:
            for path in sorted(p for p in speaker.rglob("*") if p.suffix.lower() in AUDIO):
                span = Span(f"{self.name}/{path.relative_to(self.folder)}", text=text_beside(path))
                yield Recording(
                    path, f"{self.name}-{speaker.name}", self.name, self.language, self.licence, (span,),
                    self.sex.get(speaker.name), self.band, split="valid" if speaker.name in self.valid else "train",
                )  # fmt: skip


def read_settings(path: Path) -> dict[str, Any]:
    """The settings of a folder, empty where there is no file.

    Raises:
        CorpusError: the file is no TOML, or a setting is unknown or out of range.
    """
    if not path.is_file():
        return {}
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path} is not TOML ({error}); correct it or remove it.") from error
    unknown = sorted(settings.keys() - SETTINGS)
    if unknown:
        raise CorpusError(f"{path} has the unknown setting {unknown[0]}; it may have {', '.join(sorted(SETTINGS))}.")
    if settings.get("band", "wide") not in {"wide", "narrow"}:
        raise CorpusError(f"{path} sets band to {settings['band']!r}; it is wide or narrow.")
    sexes = settings.get("sex", {})
    if not isinstance(sexes, dict) or not set(sexes.values()) <= {"f", "m"}:
        raise CorpusError(f"{path} must give sex as a table from speaker to f or m.")
    valid = settings.get("valid", [])
    if not isinstance(valid, list) or not all(isinstance(name, str) for name in valid):
        raise CorpusError(f"{path} must give valid as a list of speakers that are held out.")
    return settings


def text_beside(path: Path) -> str | None:
    """What a recording says, where a text lies beside it."""
    return read_text(path.with_suffix(".normalized.txt")) or read_text(path.with_suffix(".txt"))
