"""The check of a corpus finds the faults that were put into one, and no others."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from scipy.signal import butter, sosfiltfilt

from streamvc.errors import CorpusError
from streamvc.training.corpora.__main__ import main
from streamvc.training.corpora.audit import Audit, audit
from streamvc.training.corpora.base import Utterance
from streamvc.training.corpora.condition import Conditioning, normalise, remove_rumble
from streamvc.training.corpora.duplicates import fingerprint, landmarks, near_duplicates
from streamvc.training.corpora.findings import format_audit, to_dict
from streamvc.training.corpora.measure import energy_above, measure, pile_at_peak

RATE = 16_000
HOW = Conditioning()
Wave = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def real(example_speech: Path) -> Wave:
    """Eight seconds of a person."""
    return np.asarray(soundfile.read(example_speech, dtype="float32")[0])


def speechlike(seconds: float, seed: int) -> Wave:
    """Noise with a moving spectrum and the rhythm of syllables; no two seeds are alike."""
    rng = np.random.default_rng(seed)
    count = round(seconds * RATE)
    steps = np.arange(0, count + RATE, RATE // 8)
    white = rng.standard_normal(count)
    low = sosfiltfilt(butter(2, [150, 1200], "bandpass", fs=RATE, output="sos"), white)
    high = sosfiltfilt(butter(2, 2500, "highpass", fs=RATE, output="sos"), white)
    mix = np.interp(np.arange(count), steps, rng.uniform(0, 1, steps.size))
    loud = np.interp(np.arange(count), steps, 10.0 ** rng.uniform(-1.2, 0, steps.size))
    return np.asarray(loud * (low * mix + 0.3 * high * (1 - mix)), np.float32)


def packed(folder: Path, waves: dict[str, Wave], **changes: Any) -> Path:
    """A packed corpus of waves by id; ids are SPEAKER/NUMBER, and those of speaker `v` are held out."""
    folder.mkdir(exist_ok=True)
    rows, blocks, start = [], [], 0
    for name, wave in waves.items():
        block = np.clip(np.rint(32768 * wave[: wave.size // 320 * 320]), -32768, 32767).astype("<i2")
        speaker = name.partition("/")[0]
        split: Any = "valid" if speaker == "v" else "train"
        row = Utterance(name, speaker, "made", "en", None, "wide", split, start, block.size, "CC0-1.0", "words")
        rows.append(replace(row, **changes))
        blocks.append(block)
        start += block.size
    np.concatenate(blocks).tofile(folder / "audio.i16")
    (folder / "index.jsonl").write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows))
    np.save(folder / "units-made4.npy", np.zeros(start // 320, np.uint16))
    return folder


def level(wave: Wave) -> Wave:
    return normalise(wave, HOW.level, HOW.peak)


def clean(count: int = 4) -> dict[str, Wave]:
    return {f"{who}/{n}": level(speechlike(11.0, 10 * k + n)) for k, who in enumerate("abv") for n in range(count)}


def names(result: Audit) -> dict[str, str]:
    return {one.name: one.severity for one in result.findings}


def test_nothing_is_found_where_nothing_is_wrong(tmp_path: Path) -> None:
    result = audit(packed(tmp_path / "corpus", clean()))
    assert names(result) == {}
    assert not result.failed(strict=True)
    assert "nothing is wrong" in format_audit(result)


def clipped(wave: Wave) -> Wave:
    """Cut off at the level that 10 % of the samples exceed, then filtered and levelled as packing does."""
    limit = np.quantile(np.abs(wave), 0.9)
    return level(remove_rumble(np.clip(wave, -limit, limit), HOW.highpass))


def dull(wave: Wave) -> Wave:
    return level(np.asarray(sosfiltfilt(butter(12, 3800, fs=RATE, output="sos"), wave), np.float32))


def sparse(wave: Wave) -> Wave:
    return np.concatenate([wave, np.zeros(2 * wave.size, np.float32)])


def clicked(wave: Wave) -> Wave:
    return np.asarray(0.2 * wave, np.float32)


@pytest.mark.parametrize(
    ("fault", "name"),
    [(clipped, "clipping"), (dull, "bandwidth"), (sparse, "silence"), (clicked, "loudness")],
)
def test_one_fault_is_a_warning_and_many_are_an_error(
    tmp_path: Path, fault: Callable[[Wave], Wave], name: str
) -> None:
    waves = clean(8)
    waves["a/3"] = fault(waves["a/3"])
    result = audit(packed(tmp_path / "one", waves))
    assert names(result) == {name: "warning"}
    assert result.findings[0].examples == ("a/3",)
    assert not result.failed()
    assert result.failed(strict=True)
    result = audit(packed(tmp_path / "many", {key: fault(wave) for key, wave in clean(2).items()}))
    assert names(result)[name] == "error"
    assert result.failed()


def test_clipping_of_real_speech_is_told_from_loud_speech(real: Wave) -> None:
    assert pile_at_peak(real) < 0.05
    shares = []
    for cut in (0.003, 0.01, 0.03):
        limit = np.quantile(np.abs(real), 1 - cut)
        shares.append(pile_at_peak(remove_rumble(np.clip(real, -limit, limit), HOW.highpass)))
    assert shares == sorted(shares)
    assert shares[1] > 0.13


def test_energy_above_an_edge_is_that_of_a_tone() -> None:
    time = np.arange(RATE) / RATE
    wave = (np.sin(2 * np.pi * 1000 * time) + 0.1 * np.sin(2 * np.pi * 6000 * time)).astype(np.float32)
    above = energy_above(wave, np.ones(99, bool))
    assert above[0] == pytest.approx(-20, abs=0.2)
    assert above[1] == pytest.approx(-20, abs=0.2)
    assert above[2] < -60


def test_level_and_silence_are_measured(real: Wave) -> None:
    found = measure(np.rint(32768 * level(real)).astype(np.int16))
    assert found.level == pytest.approx(-26, abs=0.1)
    assert 0.05 < found.silence < 0.4
    assert measure(np.zeros(3200, np.int16)).silence == 1.0


def copies(wave: Wave) -> dict[str, Wave]:
    """The same recording after what happens to recordings."""
    rng = np.random.default_rng(5)
    filtered = sosfiltfilt(butter(1, [300, 3400], "bandpass", fs=RATE, output="sos"), wave)
    return {
        "quieter and later": np.concatenate([np.zeros(4567, np.float32), 0.3 * wave]),
        "noisy": np.asarray(wave + 0.003 * rng.standard_normal(wave.size), np.float32),
        "filtered": np.asarray(filtered, np.float32),
        "a part of it": wave[30_001:90_003],
    }


@pytest.mark.parametrize("name", ["quieter and later", "noisy", "filtered", "a part of it"])
def test_a_changed_copy_is_found(real: Wave, name: str) -> None:
    waves = [real, *(speechlike(8.0, seed) for seed in range(6)), copies(real)[name]]
    blocks = [np.rint(32768 * wave).astype(np.int16) for wave in waves]
    assert near_duplicates(len(blocks), blocks.__getitem__, [landmarks(fingerprint(b)) for b in blocks]) == [(0, 7)]


def test_parts_of_one_recording_are_no_copies(real: Wave) -> None:
    blocks = [np.rint(32768 * part).astype(np.int16) for part in np.split(real, 4)]
    assert near_duplicates(4, blocks.__getitem__, [landmarks(fingerprint(block)) for block in blocks]) == []
    assert near_duplicates(0, blocks.__getitem__, []) == []


def test_copies_across_the_splits_are_an_error(tmp_path: Path, real: Wave) -> None:
    waves = clean(7) | {"a/real": level(real), "v/real": level(copies(real)["noisy"])}
    waves["b/0"] = waves["a/0"]
    result = audit(packed(tmp_path / "corpus", waves))
    assert names(result) == {
        "near-duplicates-across-splits": "error", "duplicates": "warning", "near-duplicates": "warning",
    }  # fmt: skip
    examples = {one.name: one.examples for one in result.findings}
    assert examples["near-duplicates"] == ("a/real = v/real",)
    assert examples["duplicates"] == ("a/0 = b/0",)


def test_tiny_speakers_and_speakers_in_both_splits(tmp_path: Path) -> None:
    waves = clean() | {"tiny/0": level(speechlike(3.0, 99))}
    folder = packed(tmp_path / "corpus", waves)
    lines = (folder / "index.jsonl").read_text().splitlines()
    lines[0] = lines[0].replace('"train"', '"valid"')
    (folder / "index.jsonl").write_text("\n".join(lines) + "\n")
    result = audit(folder)
    assert names(result) == {"speakers-across-splits": "error", "tiny-speakers": "warning"}
    assert [one.examples for one in result.findings] == [("a",), ("tiny",)]


def test_splits_texts_and_licences(tmp_path: Path) -> None:
    waves = {name: wave for name, wave in clean().items() if not name.startswith("v")}
    result = audit(packed(tmp_path / "corpus", waves, licence="unknown", text=None))
    assert names(result) == {"no-valid": "warning", "licence": "warning", "text": "note"}
    result = audit(packed(tmp_path / "other", waves, split="valid"))
    assert names(result) == {"no-train": "error"}


@pytest.mark.parametrize(
    ("labels", "severity", "message"),
    [
        (None, "warning", "no content units"),
        (np.zeros(3, np.uint16), "error", "has 3 labels for"),
        (np.zeros(6600, np.int64), "error", "holds int64"),
        (np.repeat(np.array([65_535, 1], np.uint16), [550, 6050]), "warning", "lacks 1 of 12"),
        (np.full(6600, 9, np.uint16), "error", "has the label 9, but there are only 4 classes"),
    ],
)
def test_labels(tmp_path: Path, labels: Any, severity: str, message: str) -> None:
    folder = packed(tmp_path / "corpus", clean())
    np.savez(folder / "units-made4-codebook.npz", centroids=np.zeros((4, 2)))
    if labels is None:
        (folder / "units-made4.npy").unlink()
    else:
        np.save(folder / "units-made4.npy", labels)
    result = audit(folder)
    assert names(result) == {"labels": severity}
    assert message in result.findings[0].message


def test_command_for_people_and_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = packed(tmp_path / "corpus", {key: clipped(wave) for key, wave in clean(2).items()})
    assert main(["check", str(folder)]) == CorpusError.exit_code
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == [
        "CORPUS", "UTTERANCES", "HOURS", "SPEAKERS", "CLIPPED", ">4", "KHZ", ">5.5", "KHZ", ">7", "KHZ", "SILENCE",
        "LEVEL",
    ]  # fmt: skip
    assert "Error: 6 of 6 utterances sound clipped. Record them again at a lower gain" in out
    assert out.splitlines()[-1] == f"{folder}: 1 error"
    assert main(["check", "--json", str(folder)]) == CorpusError.exit_code
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False
    assert found["corpora"][0]["clipped"] == 6
    assert found["findings"][0]["name"] == "clipping"
    assert all(one["advice"].endswith(".") for one in found["findings"])


def test_json_of_a_sound_corpus(tmp_path: Path) -> None:
    result = to_dict(audit(packed(tmp_path / "corpus", clean())))
    assert result["ok"] is True
    assert result["findings"] == []
    assert json.loads(json.dumps(result)) == result


def test_command_says_what_is_no_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path)]) == CorpusError.exit_code
    assert "build a packed corpus there first" in capsys.readouterr().err
    folder = packed(tmp_path / "corpus", clean(1))
    with (folder / "audio.i16").open("ab") as file:
        file.write(b"\0\0")
    assert main(["check", str(folder)]) == CorpusError.exit_code
    assert "build the corpus again" in capsys.readouterr().err
