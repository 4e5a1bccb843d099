"""Data sets that the library `datasets` makes and streams, without a network."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from streamvc.errors import CorpusError
from streamvc.training.corpora.__main__ import main
from streamvc.training.corpora.audio import load
from streamvc.training.corpora.base import StreamedCorpus
from streamvc.training.corpora.condition import Conditioning
from streamvc.training.corpora.hub import Columns, HubCorpus, parse_address
from streamvc.training.corpora.index import read_index
from streamvc.training.corpora.pack import write_part

datasets = pytest.importorskip("datasets", reason="streaming needs datasets: pip install 'streamvc[datasets]'")


def encoded(samples: Any, rate: int = 16_000, form: str = "FLAC") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form)
    return file.getvalue()


def audio_set(cells: list[Any], **columns: Any) -> Any:
    made = datasets.Dataset.from_dict({"audio": cells, **columns})
    return made.cast_column("audio", datasets.Audio(decode=False))


@pytest.fixture
def saved(tmp_path: Path, make_speech: Any) -> Path:
    """Two splits, as `save_to_disk` writes them, with the columns of LibriTTS-R on the hub."""
    splits = {
        name: audio_set(
            [{"bytes": encoded(make_speech(4.5, n), 24_000), "path": f"{n}.flac"} for n in range(count)],
            speaker_id=["14", "19", "14"][:count],
            text_normalized=[f"Number {n}." for n in range(count)],
            gender=["F", "male", "F"][:count],
        )
        for name, count in (("train.clean", 3), ("dev.clean", 1))
    }
    datasets.DatasetDict(splits).save_to_disk(str(tmp_path / "libri_r"))
    return tmp_path / "libri_r"


@pytest.fixture
def audio_folder(tmp_path: Path, make_speech: Any) -> Path:
    """What the library calls an audio folder: files, and a table of the rest."""
    for split, speaker in (("train", "ann"), ("test", "bob")):
        folder = tmp_path / "af" / split
        folder.mkdir(parents=True)
        for number in range(2):
            (folder / f"{number}.wav").write_bytes(encoded(make_speech(2.5, number), form="WAV"))
        rows = "".join(f"{n}.wav,{speaker} b,Hello {n}\n" for n in range(2))
        (folder / "metadata.csv").write_text(f"file_name,who,said\n{rows}")
    return tmp_path / "af"


def test_a_saved_set_is_packed(saved: Path, tmp_path: Path) -> None:
    options = ["--licence", "CC-BY-4.0", f"datasets={saved}"]
    assert main(["build", "--out", str(tmp_path / "out"), *options]) == 0
    rows = read_index(tmp_path / "out")
    assert [(row.speaker, row.sex, row.text, row.split) for row in rows] == [
        ("libri_r-14", "f", "Number 0.", "train"), ("libri_r-19", "m", "Number 1.", "train"),
        ("libri_r-14", "f", "Number 2.", "train"), ("libri_r-14", "f", "Number 0.", "valid"),
    ]  # fmt: skip
    assert rows[1].id == "libri_r/default/train.clean/0000001"
    assert {row.licence for row in rows} == {"CC-BY-4.0"}


def test_a_folder_is_streamed_with_named_columns(audio_folder: Path, tmp_path: Path) -> None:
    columns = Columns(speaker="who", text="said", language="de")
    corpus = HubCorpus(str(audio_folder), columns)
    assert isinstance(corpus, StreamedCorpus)
    part = write_part(corpus, tmp_path / "parts", Conditioning())
    assert [(row.speaker, row.text, row.split, row.language) for row in read_index(part)] == [
        ("af-ann_b", "Hello 0", "train", "de"), ("af-ann_b", "Hello 1", "train", "de"),
        ("af-bob_b", "Hello 0", "valid", "de"), ("af-bob_b", "Hello 1", "valid", "de"),
    ]  # fmt: skip


@pytest.mark.parametrize("count", range(5))
def test_skipping_counts_over_the_splits(audio_folder: Path, count: int) -> None:
    columns = Columns(one_speaker=True)
    every = [one.spans[0].id for one in HubCorpus(str(audio_folder), columns).recordings()]
    assert len(every) == 4
    corpus = HubCorpus(str(audio_folder), columns)
    corpus.skip(count)
    assert [one.spans[0].id for one in corpus.recordings()] == every[count:]


def test_an_interrupted_stream_goes_on(saved: Path, tmp_path: Path) -> None:
    class Cut(HubCorpus):
        """The connection ends after two recordings."""

        def recordings(self) -> Any:
            for number, one in enumerate(super().recordings()):
                if number == 2:
                    raise CorpusError("the data set broke off; run the same command again.")
                yield one

    whole = write_part(HubCorpus(str(saved)), tmp_path / "whole", Conditioning())
    with pytest.raises(CorpusError, match="broke off"):
        write_part(Cut(str(saved)), tmp_path / "parts", Conditioning())
    lines: list[str] = []
    part = write_part(HubCorpus(str(saved)), tmp_path / "parts", Conditioning(), say=lines.append)
    assert lines[0] == "libri_r: goes on after 2 recordings"
    for name in ("audio.i16", "index.jsonl"):
        assert (part / name).read_bytes() == (whole / name).read_bytes()


def test_arrays_and_labels_of_classes(tmp_path: Path, make_speech: Any) -> None:
    features = datasets.Features(
        {
            "audio": {"array": datasets.Sequence(datasets.Value("float32")), "sampling_rate": datasets.Value("int64")},
            "speaker": datasets.ClassLabel(names=["ann", "bob"]),
        }
    )
    cells = {"audio": [{"array": make_speech(1.0), "sampling_rate": 16_000}], "speaker": [1]}
    datasets.Dataset.from_dict(cells, features=features).save_to_disk(str(tmp_path / "arrays"))
    (only,) = HubCorpus(str(tmp_path / "arrays")).recordings()
    assert only.speaker == "arrays-bob"
    assert load(only).size == make_speech(1.0).size
    assert np.abs(load(only) - make_speech(1.0)).max() < 1e-6


@pytest.mark.parametrize("cell", [{"bytes": b"no audio", "path": "x.flac"}, {"bytes": b"", "path": None}, None])
def test_damaged_cells_are_named(tmp_path: Path, cell: Any) -> None:
    audio_set([cell], speaker=["a"]).save_to_disk(str(tmp_path / "bad"))
    with pytest.raises(CorpusError, match=r"(x\.flac|bad/default/train/0000000) cannot be read as audio"):
        write_part(HubCorpus(str(tmp_path / "bad")), tmp_path / "parts", Conditioning())


def test_formats_that_only_ffmpeg_knows(tmp_path: Path, make_speech: Any) -> None:
    av = pytest.importorskip("av", reason="M4A needs PyAV: pip install 'streamvc[train]'")
    file = io.BytesIO()
    with av.open(file, "w", format="ipod") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(make_speech(2.0)[None], format="fltp", layout="mono")
        frame.sample_rate = 16_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    audio_set([{"bytes": file.getvalue(), "path": "a.m4a"}], speaker=["a"]).save_to_disk(str(tmp_path / "m4a"))
    (only,) = HubCorpus(str(tmp_path / "m4a")).recordings()
    found, asked = load(only), make_speech(2.0)
    assert found.size == pytest.approx(asked.size, abs=4096)
    assert np.sqrt(np.mean(found**2)) == pytest.approx(np.sqrt(np.mean(asked**2)), rel=0.05)


def test_what_is_missing_is_named(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no column transcript; it has audio, speaker_id"):
        HubCorpus(str(saved), Columns(text="transcript"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="cannot be opened"):
        HubCorpus(str(tmp_path / "empty"))
    audio_set([{"bytes": b"x", "path": None}], name=["a"]).save_to_disk(str(tmp_path / "anonymous"))
    with pytest.raises(CorpusError, match="does not say who speaks"):
        HubCorpus(str(tmp_path / "anonymous"))


def test_addresses(tmp_path: Path) -> None:
    assert parse_address("a/b") == ("a/b", None, None)
    assert parse_address("a/b:clean:train.100") == ("a/b", "clean", "train.100")
    assert parse_address("a/b::test") == ("a/b", None, "test")
    assert parse_address(str(tmp_path)) == (str(tmp_path), None, None)
