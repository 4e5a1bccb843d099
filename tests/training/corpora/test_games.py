"""Archives of adventure games, made here in miniature."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamvc.errors import CorpusError
from streamvc.training.corpora.audio import load
from streamvc.training.corpora.games import AmazonQueen, Drascula, SteelSky, queen_speaker, sky_table


@pytest.mark.parametrize(
    ("name", "speaker"),
    [
        ("020006J1.SB", "joe"), ("JOE00731.SB", "joe"), ("61XXXXJ1.SB", "joe"), ("7604FEP1.SB", "dialogue-76"),
        ("C14B_011.SB", "scene-14B"), ("C3C__081.SB", "scene-3C"), ("106SSSSS.SB", None), ("ZOMBIE2.DOG", None),
    ],
)  # fmt: skip
def test_queen_speakers(name: str, speaker: str | None) -> None:
    assert queen_speaker(name) == speaker


def queen_archive(folder: Path, members: dict[str, bytes], compression: int = 1) -> Path:
    path = folder / "flight-of-the-amazon-queen/usr/share/scummvm/flight-of-the-amazon-queen/queen.1c"
    path.parent.mkdir(parents=True)
    place = 15 + 21 * len(members)
    table = b""
    for name, data in members.items():
        table += struct.pack(">12sBII", name.encode(), 1, place, len(data))
        place += len(data)
    head = b"QTBLCEM10\0" + bytes([0, 0, compression]) + struct.pack(">H", len(members))
    path.write_bytes(head + table + b"".join(members.values()))
    return path


def test_queen_members_are_read_where_they_lie(tmp_path: Path) -> None:
    tone = 0.3 * np.sin(2 * np.pi * 300 * np.arange(11_025) / 11_025)
    file = io.BytesIO()
    soundfile.write(file, tone, 11_025, format="MP3")
    queen_archive(tmp_path, {"ROOM.DOG": b"text", "020006J1.SB": file.getvalue()})
    (recording,) = AmazonQueen(tmp_path).recordings()
    assert (recording.speaker, recording.band, recording.sex) == ("amazon-queen-joe", "narrow", "m")
    samples = load(recording)
    assert samples.size == pytest.approx(16_000, abs=1500)
    assert np.argmax(np.abs(np.fft.rfft(samples))) * 16_000 / samples.size == pytest.approx(300, abs=2)


def test_queen_refuses_another_edition(tmp_path: Path) -> None:
    queen_archive(tmp_path, {"020006J1.SB": b"x"}, compression=3)
    with pytest.raises(CorpusError, match="talking edition"):
        list(AmazonQueen(tmp_path).recordings())


def sky_files(folder: Path, members: list[tuple[int, int, int]], archive: bytes) -> Path:
    home = folder / "beneath-a-steel-sky/usr/share/scummvm/beneath-a-steel-sky"
    home.mkdir(parents=True)
    table = struct.pack("<I", len(members))
    for number, offset, size in members:
        table += struct.pack("<H", number) + offset.to_bytes(3, "little") + size.to_bytes(3, "little")
    (home / "sky.dnr").write_bytes(table)
    (home / "sky.dsk").write_bytes(archive)
    return home


def test_sky_offsets_in_units_of_sixteen(tmp_path: Path) -> None:
    home = sky_files(tmp_path, [(50001, 0x800002, 0x800000 | 522), (7, 3, 10)], b"")
    assert sky_table(home / "sky.dnr") == [(7, 3, 10), (50001, 32, 522)]


def test_sky_speech_is_unsigned_bytes_after_a_header(tmp_path: Path) -> None:
    wave = (128 + 100 * np.sin(2 * np.pi * 200 * np.arange(11_025) / 11_025)).astype(np.uint8)
    member = bytes(22) + wave.tobytes()
    sky_files(tmp_path, [(50001, 0x800002, len(member)), (60001, 0, 5)], bytes(32) + member)
    (recording,) = SteelSky(tmp_path).recordings()
    samples = load(recording)
    assert samples.size == 16_000
    assert np.argmax(np.abs(np.fft.rfft(samples))) == 200
    assert np.abs(samples).max() == pytest.approx(100 / 128, abs=0.02)


def test_a_cut_off_archive_is_named(tmp_path: Path) -> None:
    sky_files(tmp_path, [(50001, 0x800002, 522)], bytes(40))
    (recording,) = SteelSky(tmp_path).recordings()
    with pytest.raises(CorpusError, match="ends before its member"):
        load(recording)


def test_drascula_characters(tmp_path: Path) -> None:
    home = tmp_path / "drascula/usr/share/scummvm/drascula/en"
    home.mkdir(parents=True)
    for name in ("12.ALS", "VB3.ALS", "S1.ALS"):
        (home / name).write_bytes(bytes([128] * 100))
    recordings = {recording.path.name: recording for recording in Drascula(tmp_path).recordings()}
    assert {name: recording.speaker for name, recording in recordings.items()} == {
        "12.ALS": "drascula-hero",
        "VB3.ALS": "drascula-vb",
    }
    assert np.abs(load(recordings["12.ALS"])).max() < 1e-6
