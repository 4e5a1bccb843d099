"""`svc train corpus` and `svc train units`."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from streamvc.errors import CorpusError


def test_help_lists_the_commands(svc):
    result = svc("train", "--help")
    assert result.code == 0
    lines = {line.split()[0]: line.split()[1:] for line in result.out.splitlines() if line.startswith("  ")}
    assert lines["corpus"]
    assert lines["units"]


@pytest.mark.parametrize(
    "arguments", [["corpus", "--help"], ["corpus", "build", "-h"], ["units", "-h"], ["units", "fit", "-h"]]
)
def test_help_loads_nothing_heavy(arguments):
    code = (
        "import sys\n"
        "from streamvc.cli.main import main\n"
        "try:\n"
        f"    main(['train', *{arguments!r}])\n"
        "finally:\n"
        "    heavy = {'torch', 'onnxruntime', 'datasets', 'transformers', 'pocketsphinx', 'soundfile', 'scipy'}\n"
        "    assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert f"Usage: svc train {arguments[0]}" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["corpus"], ["corpus", "build"], ["corpus", "build", "--out", "x", "--jobs", "0", "folder=."], ["units", "fit"],
        ["units", "label", "x", "--units", "1"], ["units", "label", "x", "--teacher", "nobody"],
        ["units", "label", "x", "--model", "y"], ["units", "label", "x", "--codebook", "y.npy"],
    ],
)  # fmt: skip
def test_a_misused_command_line_exits_with_2(svc, arguments):
    result = svc("train", *arguments)
    assert result.code == 2
    assert "Usage: svc train" in result.err
    assert "Error: " in result.err


def test_from_recordings_to_a_checked_corpus(svc, folder, write_speech):
    for speaker in ("ann", "bob"):
        for number in range(3):
            write_speech(folder / "mine" / speaker / f"{number}.wav", 8.0 + number)
    (folder / "mine/corpus.toml").write_text('licence = "CC0-1.0"\nvalid = ["bob"]\n')
    built = svc("train", "corpus", "build", "--out", "corpus", "folder=mine")
    assert built.code == 0, built.err
    assert built.out.splitlines()[-1].startswith("corpus: 6 utterances")
    again = svc("train", "corpus", "build", "--out", "corpus", "folder=mine")
    assert "mine: there already" in again.out
    assert svc("train", "corpus", "table", "corpus").out.splitlines()[2].startswith("| mine | en | wide | 6 |")
    rows = [json.loads(line) for line in (folder / "corpus/index.jsonl").read_text().splitlines()]
    assert {(row["speaker"], row["split"]) for row in rows} == {("mine-ann", "train"), ("mine-bob", "valid")}
    # the same pulses of both speakers, with nothing above 4 kHz: the check has to object
    checked = svc("train", "corpus", "check", "corpus", "--json")
    assert checked.code == CorpusError.exit_code
    found = {one["name"] for one in json.loads(checked.out)["findings"] if one["severity"] == "error"}
    assert "bandwidth" in found
    assert "duplicates-across-splits" in found


def test_errors_are_a_sentence(svc, folder):
    result = svc("train", "corpus", "build", "--out", "corpus", "libritts=nowhere")
    assert (result.code, result.out) == (CorpusError.exit_code, "")
    assert result.err == "Error: nowhere is no folder; give the place where libritts was unpacked.\n"
    (folder / "twice").mkdir()
    result = svc("train", "corpus", "build", "--out", "corpus", "folder=twice", "folder=twice")
    assert "two sources are named twice" in result.err
    result = svc("train", "units", "label", "twice")
    assert result.code == CorpusError.exit_code
    assert "build a packed corpus there first" in result.err


def test_units_of_a_teacher_that_is_no_model(svc, folder):
    pytest.importorskip("transformers", reason="HuBERT needs transformers: pip install 'streamvc[hubert]'")
    (folder / "corpus").mkdir()
    np.zeros(3200, "<i2").tofile(folder / "corpus/audio.i16")
    row = {"id": "u", "speaker": "s", "corpus": "c", "language": "en", "sex": None, "band": "wide", "split": "train"}
    row |= {"start": 0, "length": 3200, "licence": "CC0-1.0"}
    (folder / "corpus/index.jsonl").write_text(json.dumps(row) + "\n")
    (folder / "empty").mkdir()
    result = svc("train", "units", "fit", "corpus", "--teacher", "hubert", "--model", "empty")
    assert result.code == 6
    assert "has no config.json of a model" in result.err
