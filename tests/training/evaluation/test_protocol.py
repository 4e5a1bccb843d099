"""The paper's protocol on small folders that are laid out as LibriTTS and VCTK unpack."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamvc.errors import EvaluationError
from streamvc.training.evaluation.__main__ import main
from streamvc.training.evaluation.pairs import Wave
from streamvc.training.evaluation.protocol import draw_speakers, read_libritts, read_vctk, select_protocol_pairs

READERS = {"61": "M", "121": "F", "237": "F", "1089": "M"}
PEOPLE = {"p225": "F", "p226": "M", "p227": "M", "p228": "F", "p229": "F", "p232": "M", "p233": "F", "p234": "M"}


def tone(make_buzz: Callable[[np.ndarray], Wave], hertz: float, seconds: float, rate: int) -> np.ndarray:
    """A tone of the given rate; only its length and loudness matter here."""
    return np.resize(make_buzz(np.full(16_000, hertz)), round(seconds * rate))


@pytest.fixture(scope="module")
def buzz() -> Callable[[np.ndarray], Wave]:
    def make(f0: np.ndarray) -> Wave:
        phase = 2 * np.pi * np.cumsum(f0) / 16_000
        return (0.1 * np.cos(phase)).astype(np.float32)

    return make


@pytest.fixture(scope="module")
def libritts(tmp_path_factory: pytest.TempPathFactory, buzz: Callable[[np.ndarray], Wave]) -> Path:
    """LibriTTS/test-clean with 4 readers, 24 kHz, and a part that must not be read."""
    root = tmp_path_factory.mktemp("libri") / "LibriTTS"
    for part in ("test-clean", "train-clean-100"):
        for reader in READERS:
            folder = root / part / reader / "1234"
            folder.mkdir(parents=True)
            for number, seconds in enumerate((1.0, 4.0, 6.0)):
                stem = folder / f"{reader}_1234_000001_{number:06d}"
                soundfile.write(stem.with_suffix(".wav"), tone(buzz, 120, seconds, 24_000), 24_000)
                Path(f"{stem}.normalized.txt").write_text(f"Reader {reader} says {number}.\n")
                Path(f"{stem}.original.txt").write_text("(not this)\n")
    rows = "".join(f"{reader:<5}| {sex} | test-clean | 8.1   | Nobody\n" for reader, sex in READERS.items())
    (root / "SPEAKERS.txt").write_text(";ID  |SEX| SUBSET     |MINUTES| NAME\n" + rows)
    return root


@pytest.fixture(scope="module", params=["0.92", "0.80"])
def vctk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, buzz: Callable) -> Path:
    """VCTK in the layouts of its two versions, 48 kHz, 8 people with 14 recordings each."""
    root = tmp_path_factory.mktemp("vctk") / "VCTK-Corpus"
    newer = request.param == "0.92"
    for person in PEOPLE:
        audio = root / ("wav48_silence_trimmed" if newer else "wav48") / person
        text = root / "txt" / person
        audio.mkdir(parents=True)
        text.mkdir(parents=True)
        for number in range(1, 15):
            stem = f"{person}_{number:03d}"
            for name in (f"{stem}_mic1.flac", f"{stem}_mic2.flac") if newer else (f"{stem}.wav",):
                soundfile.write(audio / name, tone(buzz, 200, 2.0 + 0.1 * number, 48_000), 48_000)
            (text / f"{stem}.txt").write_text(f"Sentence {number}.\n")
    rows = [f"{name if newer else name[1:]}  23  {sex}    English    Region" for name, sex in PEOPLE.items()]
    (root / "speaker-info.txt").write_text("ID  AGE  GENDER  ACCENTS  REGION\n" + "\n".join(rows) + "\n")
    return root


def test_libritts_is_read_with_normalised_texts_and_sexes(libritts: Path) -> None:
    found = read_libritts(libritts)
    assert len(found) == 12, "of test-clean alone"
    one = next(one for one in found if one.id == "libritts-121/121_1234_000001_000001")
    assert (one.text, one.sex, one.speaker, one.length) == ("Reader 121 says 1.", "f", "libritts-121", 64_000)
    assert found.keys() == read_libritts(libritts.parent).keys() == read_libritts(libritts / "test-clean").keys()


def test_a_tab_separated_table_of_speakers_will_do(libritts: Path, tmp_path: Path) -> None:
    part = tmp_path / "test-clean"
    part.symlink_to(libritts / "test-clean")
    rows = "".join(f"{name}\t{sex}\ttest-clean\tNobody\n" for name, sex in READERS.items())
    (tmp_path / "speakers.tsv").write_text("READER\tGENDER\tSUBSET\tNAME\n" + rows)
    assert {one.speaker: one.sex for one in read_libritts(tmp_path)}["libritts-61"] == "m"


def test_vctk_is_read_from_one_microphone(vctk: Path) -> None:
    found = read_vctk(vctk, ["p226"])
    assert len(found) == 14
    one = next(iter(found))
    assert (one.id.startswith("vctk-p226/p226_001"), one.sex, one.text) == (True, "m", "Sentence 1.")
    assert one.length == pytest.approx(2.1 * 16_000, abs=1)
    assert found.keys() == read_vctk(vctk.parent, ["p226"]).keys()


def test_the_protocol_draws_sentences_and_six_speakers(libritts: Path, vctk: Path) -> None:
    pairs = select_protocol_pairs(libritts, vctk, 12, seed=1)
    assert len(pairs) == 12
    targets = {pair.target_speaker: pair.target_sex for pair in pairs}
    assert sorted(targets.values()) == ["f", "f", "f", "m", "m", "m"]
    assert {(pair.source_sex, pair.target_sex) for pair in pairs} == {("f", "f"), ("f", "m"), ("m", "f"), ("m", "m")}
    for pair in pairs:
        assert 3 * 16_000 - 2 <= pair.source.size <= 15 * 16_000
        assert 8 * 16_000 - 2 <= pair.reference.size <= 16 * 16_000
        assert pair.ceiling is not None
        assert pair.text is not None
        assert pair.text.startswith(f"Reader {pair.source_speaker.removeprefix('libritts-')} says")
        assert pair.ceiling_text is not None
        assert pair.ceiling_text.startswith("Sentence")
        assert (pair.source_corpus, pair.target_corpus) == ("libritts", "vctk")
        assert not set(pair.reference_ids) & set(pair.ceiling_ids)
    again = select_protocol_pairs(libritts, vctk, 12, seed=1)
    assert [pair.name for pair in again] == [pair.name for pair in pairs]


def test_sizes_and_speakers_can_be_set(libritts: Path, vctk: Path) -> None:
    pairs = select_protocol_pairs(libritts, vctk, 4, targets=2)
    assert len({pair.target_speaker for pair in pairs}) == 2
    pairs = select_protocol_pairs(libritts, vctk, 4, speakers=["p233", "p234"])
    assert {pair.target_speaker for pair in pairs} == {"vctk-p233", "vctk-p234"}
    assert draw_speakers(vctk, 6, 0) == draw_speakers(vctk, 6, 0)
    assert draw_speakers(vctk, 6, 0) != draw_speakers(vctk, 6, 3)


def test_the_command_judges_the_protocol(
    libritts: Path, vctk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], needs: Callable[..., None]
) -> None:
    needs("parselmouth", "matplotlib")
    arguments = ["--libritts", str(libritts), "--vctk", str(vctk), "--pairs", "4", "--target-speakers", "p225,p226"]
    files = ["--json", str(tmp_path / "r.json"), "--report", str(tmp_path / "r.html")]
    assert main([*arguments, "--identity", "--measures", "pitch", *files]) == 0
    assert "target corpus vctk" in capsys.readouterr().out
    data = json.loads((tmp_path / "r.json").read_text())
    assert data["about"]["pairs_from"] == "LibriTTS and VCTK-Corpus"
    assert {one["target_speaker"] for one in data["items"]} == {"vctk-p225", "vctk-p226"}
    assert data["pairs_with_text"] == 4
    assert data["speed"] is None, "nothing was converted"
    assert (tmp_path / "r.html").read_text().count("<article") == 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"targets": 5}, "must be even"),
        ({"targets": 20}, "fewer than 10 women"),
        ({"speakers": ["p999"]}, "no speaker p999: choose from p225"),
    ],
)
def test_a_choice_that_cannot_be_made_is_one_sentence(libritts: Path, vctk: Path, options: dict, said: str) -> None:
    with pytest.raises(EvaluationError, match=said):
        select_protocol_pairs(libritts, vctk, 4, **options)


def test_a_folder_of_another_layout_is_refused(libritts: Path, vctk: Path, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="not laid out like LibriTTS"):
        read_libritts(vctk)
    with pytest.raises(EvaluationError, match="not laid out like VCTK"):
        read_vctk(libritts, ["p225"])
    lone = tmp_path / "test-clean"
    lone.symlink_to(libritts / "test-clean")
    with pytest.raises(EvaluationError, match=r"no SPEAKERS\.txt"):
        read_libritts(tmp_path)
