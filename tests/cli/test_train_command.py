"""`svc train corpus` and `svc train units`."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from streamvc.errors import CorpusError


def test_help_lists_the_commands(svc):
    result = svc("train", "--help")
    assert result.code == 0
    lines = {line.split()[0]: line.split()[1:] for line in result.out.splitlines() if line.startswith("  ")}
    assert lines["corpus"]
    assert lines["units"]
    assert lines["run"]
    assert lines["recipes"]
    assert lines["export"]


@pytest.mark.parametrize(
    "arguments", [["corpus", "--help"], ["corpus", "build", "-h"], ["units", "-h"], ["units", "fit", "-h"],
     ["run", "--help"], ["recipes", "--help"], ["export", "--help"]],
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
        ["run"], ["run", "smoke", "--steps", "0"], ["run", "smoke", "--minutes", "-1"], ["export", "x"],
        ["run", "smoke", "--resume", "--fresh"],
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


def libritts(root, make_speech):
    """LibriTTS in miniature: two readers to train on, one held out."""
    readers = (("train-clean-100", "14", 120.0), ("train-clean-100", "19", 200.0), ("dev-clean", "61", 150.0))
    for subset, reader, hz in readers:
        for number in range(3):
            path = root / subset / reader / "208" / f"{reader}_208_00000{number}_000000.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, make_speech(hz, 3.0, number), 24_000)
            path.with_suffix("").with_suffix(".normalized.txt").write_text("Something is said.")
    rows = ["14 | F | train-clean-100 | 25 | A", "19 | M | train-clean-100 | 25 | B", "61 | M | dev-clean | 8 | C"]
    (root / "SPEAKERS.txt").write_text("\n".join(rows))


def make_speech(hz, seconds, seed):
    """Vowels and hisses at 24 kHz, from the corpus of the smoke recipe."""
    from streamvc.training.synthetic import speak

    samples, _ = speak(hz, 1.0, seconds, seed)
    return np.interp(np.arange(int(len(samples) * 1.5)) / 1.5, np.arange(len(samples)), samples)


SMALL_PAPER = [
    "--set", "model.content_channels=4", "--set", "model.speech_channels=2", "--set", "model.decoder_channels=4",
    "--set", "paper.critic_width=0.1", "--set", "paper.batch=2", "--set", "paper.frames=40", "--set",
    "paper.reference_frames=40", "--set", "paper.critic_samples=8000", "--set", "paper.held_out=2", "--set",
    "paper.log_every=4", "--set", "paper.rate=1e-3", "--set", "paper.warm_up=0", "--set", "tensorboard=false",
]  # fmt: skip


def test_the_paper_is_trained_from_libritts_by_the_documented_commands(svc, folder):
    reason = "HuBERT needs transformers: pip install 'streamvc[hubert]'"
    transformers = pytest.importorskip("transformers", reason=reason)
    libritts(folder / "LibriTTS", make_speech)
    hubert = transformers.HubertConfig(hidden_size=16, num_hidden_layers=7, num_attention_heads=2, intermediate_size=16)
    transformers.HubertModel(hubert).save_pretrained(folder / "hubert")
    (folder / "hubert/preprocessor_config.json").write_text('{"do_normalize": true}')
    assert svc("train", "corpus", "build", "--out", "corpus", "libritts=LibriTTS").code == 0
    teacher = ["--teacher", "hubert", "--model", "hubert"]
    fitted = svc("train", "units", "fit", "corpus", *teacher, "--units", "12")
    assert fitted.code == 0, fitted.err
    assert svc("train", "units", "label", "corpus", *teacher).code == 0
    trained = svc("train", "run", "paper-libritts", "--corpus", "corpus", "--steps", "24", *SMALL_PAPER)
    assert trained.code == 0, trained.err
    log = [json.loads(line) for line in (folder / "runs/paper-libritts/paper/metrics.jsonl").read_text().splitlines()]
    for name in ("units", "spectral", "critic"):
        values = [line[name] for line in log if name in line]
        assert values[-1] < values[0], name
    held_out = [line["valid_loss"] for line in log if "valid_loss" in line]
    assert held_out[-1] < held_out[0]
    exported = svc("train", "export", "runs/paper-libritts", "-o", "exported", "--no-onnx")
    assert exported.code == 0, exported.err
    assert (folder / "exported/paper.safetensors").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["run", "smoek"], 7, "No recipe is named 'smoek'; did you mean 'smoke'; shipped are"),
        (["run", "live-packages"], 7, "The stage content needs a corpus; give --set corpus=DIR"),
        (["run", "smoke", "--set", "content.bach=3"], 7, "content has no key 'bach'; did you mean 'batch'"),
        (["run", "smoke", "--corpus", "nowhere"], 8, "nowhere has no index.jsonl; build it with"),
        (["run", "smoke", "--resume"], 9, "runs/smoke holds no run to go on with"),
        (["run", "smoke", "--set", "device=cuda"], 10, "No CUDA device is found; give --set device=cpu"),
        (["export", "nowhere", "-o", "x"], 9, "There is no run at nowhere"),
    ],
)  # fmt: skip
def test_what_goes_wrong_in_training_is_a_sentence(svc, folder, arguments, code, sentence):
    import torch

    if "device=cuda" in arguments and torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    result = svc("train", *arguments)
    assert result.code == code
    assert sentence in result.err
    assert "Traceback" not in result.err
