"""Data sets of the Hugging Face hub, streamed, and those that the library `datasets` saved or can read here.

Only the recordings that pass by are held, none is written but the packed ones, and audio is decoded by us: the library
would want torchcodec and FFmpeg for it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamvc.errors import CorpusError, RuntimeUnavailableError
from streamvc.training.corpora.base import Recording, Sex, Span, Split

SPEAKER_COLUMNS = ("speaker_id", "speaker", "client_id", "reader_id")
TEXT_COLUMNS = ("text_normalized", "normalized_text", "text", "sentence", "transcription")
SEX_COLUMNS = ("gender", "sex")
SAVED = ("dataset_dict.json", "state.json")
"""Files that `save_to_disk` writes."""


@dataclass(frozen=True)
class Columns:
    """Where a data set keeps what a corpus needs; None looks for the usual names.

    Attributes:
        audio, speaker, text, sex: names of columns.
        one_speaker: all recordings are of one person.
        language, licence: of all recordings.
    """

    audio: str = "audio"
    speaker: str | None = None
    text: str | None = None
    sex: str | None = None
    one_speaker: bool = False
    language: str = "en"
    licence: str = "unknown"


USUAL = Columns()


class HubCorpus:
    """`NAME`, `NAME:CONFIG`, `NAME:CONFIG:SPLIT` or `NAME::SPLIT`; without a split all of them, one after the other.

    NAME is that of a data set on the hub, or a folder: one that `save_to_disk` wrote, or one that the library can
    read, such as an audio folder. Splits named dev, test or validation are for validation only.

    Raises:
        RuntimeUnavailableError: the library is not installed.
        CorpusError: there is no such data set, configuration or split, or a column is missing.
    """

    def __init__(self, address: str, columns: Columns = USUAL) -> None:
        try:
            import datasets
        except ImportError as error:
            raise RuntimeUnavailableError(
                "To stream data sets, the package datasets is missing: run pip install 'streamvc[datasets]'."
            ) from error
        self.columns = columns
        self.source, config, split = parse_address(address)
        self.corpus = re.sub(r"[^\w.]+", "_", self.source.rstrip("/").rpartition("/")[2]) or "datasets"
        self.name = "-".join(re.sub(r"[^\w.]+", "_", part) for part in (self.corpus, config, split) if part)
        self.config = config or "default"
        self._skip = 0
        found = self._open(datasets, config, split)
        self.splits = {name: self._checked(datasets, name, one) for name, one in found.items()}

    def _open(self, datasets: Any, config: str | None, split: str | None) -> dict[str, Any]:
        folder = Path(self.source).expanduser()
        try:
            if any((folder / name).is_file() for name in SAVED):
                found = datasets.load_from_disk(str(folder))
                if isinstance(found, Mapping) and split is not None:
                    found = {split: found[split]}
                if not isinstance(found, Mapping):
                    found = {str(found.split or "train"): found}
                return {name: one.to_iterable_dataset() for name, one in found.items()}
            found = datasets.load_dataset(self.source, config, split=split, streaming=True)
        # KeyError: a split that was not saved; ConnectionError is an OSError
        except (OSError, ValueError, KeyError, datasets.exceptions.DatasetsError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise CorpusError(
                f"the data set {self.source} cannot be opened ({reason.rstrip('.')}); check its name, configuration "
                "and split, and the connection to the hub."
            ) from error
        return {split: found} if split is not None else dict(found)

    def _checked(self, datasets: Any, name: str, one: Any) -> Any:
        """The split with its audio left as it is stored, once its columns are known to be those asked for."""
        known = list(one.column_names or next(self._rows(one), {}))
        for column in (self.columns.audio, self.columns.speaker, self.columns.text, self.columns.sex):
            if column is not None and column not in known:
                raise CorpusError(
                    f"split {name} of {self.source} has no column {column}; it has {', '.join(known) or 'none'}: "
                    "see --audio-column, --speaker-column, --text-column and --sex-column."
                )
        if not self.columns.one_speaker and _column(self.columns.speaker, SPEAKER_COLUMNS, known) is None:
            raise CorpusError(
                f"split {name} of {self.source} does not say who speaks; name one of its columns with "
                f"--speaker-column ({', '.join(known)}), or say --one-speaker."
            )
        if isinstance((one.features or {}).get(self.columns.audio), datasets.Audio):
            return one.cast_column(self.columns.audio, _undecoded(datasets))
        return one

    def total(self) -> int | None:
        """How many recordings there are, where the data set says so."""
        counts: list[Any] = [
            (one.info.splits or {}).get(name) if isinstance(one.info.splits, Mapping) else None
            for name, one in self.splits.items()
        ]
        return None if any(count is None for count in counts) else sum(count.num_examples for count in counts)

    def skip(self, count: int) -> None:
        """Let `recordings` begin after the first `count`."""
        self._skip = count

    def recordings(self) -> Iterator[Recording]:
        left = self._skip
        for name, one in self.splits.items():
            number = left
            for row in self._rows(one.skip(left)):
                yield self._recording(row, f"{self.corpus}/{self.config}/{name}/{number:07d}", name, one)
                number += 1
            # a split that is done gives no row: how many it has tells where the next one begins
            left = 0 if number > left or not left else max(0, left - sum(1 for _ in self._rows(one)))

    def _rows(self, stream: Any) -> Iterator[dict[str, Any]]:
        rows = iter(stream)
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return
            # whatever a network, a cache and a dozen file formats may raise
            except Exception as error:
                raise CorpusError(
                    f"the data set {self.source} broke off ({type(error).__name__}: {error}); run the same command "
                    "again, which goes on from what is done."
                ) from error
            yield row

    def _recording(self, row: dict[str, Any], id: str, split: str, stream: Any) -> Recording:
        known = list(row)
        speaker = _column(self.columns.speaker, SPEAKER_COLUMNS, known)
        text = row.get(_column(self.columns.text, TEXT_COLUMNS, known) or "")
        sex = _column(self.columns.sex, SEX_COLUMNS, known)
        person = None if self.columns.one_speaker or speaker is None else _value(row, speaker, stream)
        held_out: Split = "valid" if re.match(r"(dev|eval|test|valid)", split) else "train"
        path, data = _audio(row[self.columns.audio], id)
        return Recording(
            path, self.corpus if person is None else f"{self.corpus}-{person}", self.corpus, self.columns.language,
            self.columns.licence, (Span(id, text=str(text).strip() or None if text is not None else None),),
            _sex(_value(row, sex, stream)) if sex else None, reader="any", data=data, split=held_out,
        )  # fmt: skip


def parse_address(address: str) -> tuple[str, str | None, str | None]:
    """Name, configuration and split."""
    if Path(address).expanduser().exists():
        return address, None, None
    name, _, rest = address.partition(":")
    config, _, split = rest.partition(":")
    return name, config or None, split or None


def _undecoded(datasets: Any) -> Any:
    class Undecoded(datasets.Audio):  # type: ignore[misc]
        """An audio column as it is stored: its `encode_example` needs torchcodec even where nothing is encoded."""

        def encode_example(self, value: Any) -> Any:
            if isinstance(value, dict):
                return value
            return {"bytes": value, "path": None} if isinstance(value, bytes) else {"bytes": None, "path": str(value)}

    return Undecoded(decode=False)


def _audio(cell: Any, id: str) -> tuple[Path, bytes | None]:
    """A path, or a name and bytes, of an audio cell; an unusable one becomes empty bytes, which no reader accepts."""
    if not isinstance(cell, Mapping):
        return Path(id), b""
    if "array" in cell:
        import soundfile

        file = io.BytesIO()
        soundfile.write(file, np.asarray(cell["array"], np.float32), int(cell["sampling_rate"]), "FLOAT", format="WAV")
        return Path(id), file.getvalue()
    if cell.get("bytes"):
        return Path(cell.get("path") or id), bytes(cell["bytes"])
    path = str(cell.get("path") or "")
    if "://" not in path:
        return (Path(path), None) if path else (Path(id), b"")
    import fsspec

    try:
        with fsspec.open(path, "rb") as remote:
            return Path(id), bytes(remote.read())
    except FileNotFoundError:
        return Path(path), b""


def _column(given: str | None, usual: tuple[str, ...], known: list[str]) -> str | None:
    return given if given is not None else next((name for name in usual if name in known), None)


def _value(row: dict[str, Any], column: str, stream: Any) -> str:
    """A cell as a word that can stand in a name; numbers of a class become its label."""
    value = row[column]
    feature: Any = (stream.features or {}).get(column)
    if isinstance(value, int) and hasattr(feature, "int2str"):
        value = feature.int2str(value)
    return re.sub(r"\s+", "_", str(value).strip()) or "unknown"


def _sex(value: str) -> Sex | None:
    letter = value[:1].lower()
    return "f" if letter == "f" else "m" if letter == "m" else None
