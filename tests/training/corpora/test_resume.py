"""What an interrupted build leaves, and how it goes on."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from streamvc.errors import CorpusError, OutputError
from streamvc.training.corpora.condition import Conditioning
from streamvc.training.corpora.index import read_index
from streamvc.training.corpora.pack import SKIPPED, join, write_part
from streamvc.training.corpora.spool import LINES, SAMPLES, open_spool
from streamvc.training.corpora.workers import ordered_map

RATE = 16_000
LENGTHS = {"a": [2.5, 0.8, 0.9, 2.2], "b": [0.7, 3.0]}


def files(part: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in part.iterdir()}


@pytest.fixture
def whole(tmp_path: Path, made: Any) -> dict[str, bytes]:
    """The files of a build of `LENGTHS` that nothing interrupted."""
    (tmp_path / "whole").mkdir()
    return files(write_part(made(tmp_path / "whole", LENGTHS), tmp_path / "whole/parts", Conditioning()))


def test_a_build_goes_on_after_a_damaged_recording_was_mended(
    tmp_path: Path, made: Any, whole: dict[str, bytes]
) -> None:
    corpus = made(tmp_path, LENGTHS)
    damaged = corpus.items[3][0]
    intact = damaged.read_bytes()
    damaged.write_bytes(b"no audio")
    with pytest.raises(CorpusError, match="--skip-unreadable, which goes on from the 3 recordings of made"):
        write_part(corpus, tmp_path / "parts", Conditioning())
    assert [path.name for path in (tmp_path / "parts").iterdir()] == [".made.spool"]
    damaged.write_bytes(intact)
    for path, _ in corpus.items[:3]:
        path.write_bytes(b"will not be read again")
    lines: list[str] = []
    part = write_part(corpus, tmp_path / "parts", Conditioning(), say=lines.append)
    assert lines[0] == "made: goes on after 3 recordings"
    assert files(part) == whole
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["made"]


def test_unreadable_recordings_can_be_left_out(tmp_path: Path, made: Any) -> None:
    corpus = made(tmp_path, {"a": [3.0, 3.0], "b": [3.0]})
    corpus.items[1][0].write_bytes(b"no audio")
    corpus.items[2][0].write_bytes(corpus.items[2][0].read_bytes()[:20])
    lines: list[str] = []
    part = write_part(corpus, tmp_path / "parts", Conditioning(), say=lines.append, skip_unreadable=True)
    assert [row.id for row in read_index(part)] == ["a-0"]
    listed = (part / SKIPPED).read_text().splitlines()
    assert [line.split(" ")[0] for line in listed] == [str(corpus.items[1][0]), str(corpus.items[2][0])]
    assert "2 recordings could not be read" in lines[0]


def test_a_torn_spool_is_cut_back(tmp_path: Path, made: Any, whole: dict[str, bytes]) -> None:
    corpus = made(tmp_path, LENGTHS)
    corpus.items[4][0].rename(tmp_path / "kept")
    with pytest.raises(CorpusError, match="is missing"):
        write_part(corpus, tmp_path / "parts", Conditioning())
    (tmp_path / "kept").rename(corpus.items[4][0])
    spool = tmp_path / "parts/.made.spool"
    with (spool / SAMPLES).open("ab") as samples, (spool / LINES).open("ab") as lines:
        samples.write(b"\1\2\3")
        lines.write(b'{"key": "b-0", "problem": nu')
    assert files(write_part(corpus, tmp_path / "parts", Conditioning())) == whole


def test_lost_samples_are_made_again(tmp_path: Path, made: Any, whole: dict[str, bytes]) -> None:
    corpus = made(tmp_path, LENGTHS)
    corpus.items[4][0].rename(tmp_path / "kept")
    with pytest.raises(CorpusError, match="is missing"):
        write_part(corpus, tmp_path / "parts", Conditioning())
    (tmp_path / "kept").rename(corpus.items[4][0])
    spool = tmp_path / "parts/.made.spool"
    os.truncate(spool / SAMPLES, (spool / SAMPLES).stat().st_size - 1)
    assert files(write_part(corpus, tmp_path / "parts", Conditioning())) == whole


def test_another_conditioning_begins_anew(tmp_path: Path, made: Any) -> None:
    corpus = made(tmp_path, {"a": [3.0, 3.0]})
    corpus.items[1][0].rename(tmp_path / "kept")
    with pytest.raises(CorpusError, match="is missing"):
        write_part(corpus, tmp_path / "parts", Conditioning(level=-40.0))
    (tmp_path / "kept").rename(corpus.items[1][0])
    audio = np.fromfile(write_part(corpus, tmp_path / "parts", Conditioning()) / "audio.i16", "<i2")
    half = audio.size // 2
    assert np.abs(audio[:half]).max() == pytest.approx(np.abs(audio[half:]).max(), rel=0.05)


def test_two_builds_of_one_part_do_not_mix(tmp_path: Path, made: Any) -> None:
    corpus = made(tmp_path, {"a": [3.0]})
    how = Conditioning()
    with open_spool(tmp_path / "parts/.made.spool", how), pytest.raises(CorpusError, match="another process"):
        write_part(corpus, tmp_path / "parts", Conditioning())


def test_a_killed_build_goes_on(tmp_path: Path, made: Any, repository: Path) -> None:
    speakers = tmp_path / "mine"
    for speaker, lengths in {"x": [2.5] * 5, "y": [0.8] * 5}.items():
        (speakers / speaker).mkdir(parents=True)
        made(speakers / speaker, {"n": lengths})
    spool = tmp_path / "out/parts/.mine.spool"
    command = [sys.executable, "-m", "streamvc.training.corpora", "build", f"folder={speakers}", "--out"]
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    process = subprocess.Popen([*command, str(tmp_path / "out")], env=environment, stdout=subprocess.DEVNULL)
    while process.poll() is None and not ((spool / LINES).is_file() and (spool / LINES).read_bytes().count(b"\n") >= 2):
        time.sleep(0.001)
    process.kill()
    assert process.wait() == -signal.SIGKILL, "the build ended before it could be killed; give it more recordings"
    done = (spool / LINES).read_bytes().count(b"\n")
    again = subprocess.run([*command, str(tmp_path / "out")], env=environment, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert f"mine: goes on after {done} recordings" in again.stdout
    subprocess.run([*command, str(tmp_path / "other")], env=environment, check=True, capture_output=True)
    for name in ("audio.i16", "index.jsonl"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


class SmallDisk:
    """No file grows beyond `size` bytes, as on a disk that fills up."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __enter__(self) -> None:
        self.limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        self.handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.limits[1]))

    def __exit__(self, *_: object) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self.limits)
        signal.signal(signal.SIGXFSZ, self.handler)


def test_a_disk_that_fills_up_while_decoding(tmp_path: Path, made: Any, whole: dict[str, bytes]) -> None:
    corpus = made(tmp_path, LENGTHS)
    with SmallDisk(200_000), pytest.raises(OutputError, match="make room"):
        write_part(corpus, tmp_path / "parts", Conditioning())
    lines: list[str] = []
    assert files(write_part(corpus, tmp_path / "parts", Conditioning(), say=lines.append)) == whole
    assert "goes on after" in lines[0]


def test_a_disk_that_fills_up_while_joining(tmp_path: Path, made: Any) -> None:
    part = write_part(made(tmp_path, {"a": [5.0]}), tmp_path / "parts", Conditioning())
    join([part], tmp_path / "out")
    before = files(tmp_path / "out")
    with SmallDisk(50_000), pytest.raises(OutputError, match="make room"):
        join([part], tmp_path / "out")
    assert files(tmp_path / "out") == before


def test_a_part_without_audio_is_named(tmp_path: Path, made: Any) -> None:
    part = write_part(made(tmp_path, {"a": [3.0]}), tmp_path / "parts", Conditioning())
    (part / "audio.i16").unlink()
    with pytest.raises(CorpusError, match="delete the folder and build it again"):
        join([part], tmp_path / "out")


def test_a_truncated_flac_is_not_taken_for_a_short_one(tmp_path: Path, make_speech: Any) -> None:
    from streamvc.training.corpora.audio import load
    from streamvc.training.corpora.base import Recording

    path = tmp_path / "a.flac"
    soundfile.write(path, make_speech(3.0), RATE)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(CorpusError, match=r"a\.flac (ends after|cannot be read)"):
        load(Recording(path, "a", "made", "en", "CC0-1.0", ()))


def test_a_map_reads_no_more_than_it_needs() -> None:
    read: list[int] = []

    def numbers() -> Any:
        for number in range(1000):
            read.append(number)
            yield number

    found = ordered_map(abs, numbers(), 2)
    assert [next(found) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert len(read) < 50
    found.close()


def test_a_killed_worker_is_named() -> None:
    with pytest.raises(CorpusError, match="was killed"):
        list(ordered_map(os._exit, [1, 1], 2))


def test_alignments_survive_the_spool(tmp_path: Path, make_speech: Any) -> None:
    from streamvc.training.corpora.base import Recording, Span

    soundfile.write(tmp_path / "a.wav", make_speech(3.0), RATE)
    span = Span("a", alignment=(("", 8000), ("ʃ", 32000), ("", 64000)))

    class Aligned:
        name = "aligned"

        def recordings(self) -> Any:
            yield Recording(tmp_path / "a.wav", "a", "aligned", "en", "CC0-1.0", (span,), split="valid")

    part = write_part(Aligned(), tmp_path / "parts", Conditioning())
    (line,) = (part / "alignment.jsonl").read_text(encoding="utf-8").splitlines()
    assert [symbol for symbol, _ in json.loads(line)["phones"]] == ["", "ʃ", ""]
    assert [row.split for row in read_index(part)] == ["valid"]
    assert [row.split for row in join([part], tmp_path / "out")] == ["valid"]
