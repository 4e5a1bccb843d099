"""The shipped smoke recipe, end to end by its commands: trained, better on voices it never heard, exported, used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamvc.checkpoint import read_metadata
from streamvc.config import FRAME
from streamvc.errors import TrainingError
from streamvc.training.synthetic import SOUNDS, make_corpus, speak
from streamvc.training.trainer.command import export, recipes, run
from streamvc.training.trainer.export import export_run


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the recipe as it is shipped."""
    folder = tmp_path_factory.mktemp("smoke") / "run"
    assert run(["smoke", "--folder", str(folder), "--set", "threads=1"], "svc train run") == 0
    return folder


def lines(folder: Path, name: str) -> list[float]:
    """All values of a measure in the log of a stage."""
    log = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line[name] for line in log if name in line]


def test_both_stages_get_better_on_voices_they_never_heard(smoke: Path) -> None:
    accuracy = lines(smoke / "content", "valid_accuracy")
    assert accuracy[0] < 0.25
    assert accuracy[-1] > 0.6
    distance = lines(smoke / "decoder", "valid_spectral")
    assert distance[-1] < 0.6 * distance[0]
    best = read_metadata(smoke / "decoder/best.safetensors")["provenance"]
    assert best["value"] == pytest.approx(min(lines(smoke / "decoder", "valid_loss")), rel=1e-4)


def test_it_is_shown_in_tensorboard(smoke: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs tensorboard of the train extra")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (events,) = (smoke / "decoder/tensorboard").glob("events*")
    found: Any = EventAccumulator(str(events), size_guidance={"images": 0, "audio": 0, "scalars": 0})
    found.Reload()
    tags = found.Tags()
    assert {"training/spectral", "held out/valid_spectral"} <= set(tags["scalars"])
    assert "held out 1/decoder" in tags["audio"]
    assert {"held out 1/decoder spectrogram", "held out 1/person spectrogram", "held out 1/f0"} <= set(tags["images"])
    steps = [point.step for point in found.Scalars("training/spectral")]
    assert steps == [20, 40, 60, 80]


def test_its_weights_and_graphs_are_used_by_the_runtimes(smoke: Path, tmp_path: Path, capsys: Any) -> None:
    from streamvc.controls import Voice
    from streamvc.engine import Engine
    from streamvc.runtimes import load_runtime
    from streamvc.runtimes.speech import OnnxSpeechEncoder, load_speech_encoder

    assert export([str(smoke), "-o", str(tmp_path / "out")], "svc train export") == 0
    assert "live-speech.onnx" in capsys.readouterr().out
    weights = tmp_path / "out/live.safetensors"
    provenance = read_metadata(weights)["provenance"]
    assert (provenance["recipe"], provenance["stage"]) == ("smoke", "decoder")
    assert provenance["step"] == read_metadata(smoke / "decoder/best.safetensors")["provenance"]["step"]
    assert weights.stat().st_size < 0.6 * (smoke / "decoder/best.safetensors").stat().st_size
    runtime = load_runtime("onnx", weights)
    speech, _ = speak(130.0, 1.0, 1.0, seed=99)
    encoder = load_speech_encoder(weights)
    assert isinstance(encoder, OnnxSpeechEncoder)
    voice = Voice(encoder.embed(speech.astype(np.float32)), 5.0, 0.2)
    frames = [Engine(runtime, voice).process(speech[: 30 * FRAME].astype(np.float32))]
    assert np.abs(np.concatenate(frames)).max() > 1e-3


def test_any_place_of_a_run_can_be_exported(smoke: Path, tmp_path: Path) -> None:
    for number, source in enumerate(("content", "decoder/state.pt", "decoder/last.safetensors")):
        (weights,) = export_run(smoke / source, tmp_path / str(number), name="mine", graphs=False)
        assert weights == tmp_path / str(number) / "mine.safetensors"
    assert read_metadata(tmp_path / "0/mine.safetensors")["provenance"]["kind"] == "content"
    by_state, by_weights = (tmp_path / n / "mine.safetensors" for n in ("1", "2"))
    from safetensors.numpy import load_file

    a, b = load_file(by_state), load_file(by_weights)
    assert all(np.array_equal(a[k], b[k]) for k in b)
    with pytest.raises(TrainingError, match="There is no run at"):
        export_run(tmp_path / "nowhere", tmp_path / "x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrainingError, match="holds no weights yet"):
        export_run(tmp_path / "empty", tmp_path / "x")


def test_the_sounds_of_the_corpus_are_where_their_labels_say(tmp_path: Path) -> None:
    folder = make_corpus(tmp_path / "corpus", utterances=1)
    rows = [json.loads(line) for line in (folder / "index.jsonl").read_text().splitlines()]
    audio = np.fromfile(folder / "audio.i16", "<i2").reshape(-1, FRAME).astype(float)
    labels = np.load(folder / "units-synthetic.npy")
    assert len(labels) == len(audio)
    assert {row["split"] for row in rows} == {"train", "valid"}
    level = np.array([np.sqrt((audio[labels == n] ** 2).mean()) for n in range(len(SOUNDS))])
    assert level.argmin() == len(SOUNDS) - 1  # silence
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(FRAME), axis=1)) ** 2
    high = spectrum[:, 60:].sum(axis=1) / spectrum.sum(axis=1)
    hisses = np.median(high[labels == 7])
    assert hisses > 0.6 > 0.1 > np.median(high[labels == 0])
    before = (folder / "audio.i16").stat().st_mtime_ns
    assert make_corpus(folder).joinpath("audio.i16").stat().st_mtime_ns == before


def test_without_tensorboard_a_run_goes_on_and_says_so(
    make_recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    import sys

    from streamvc.training.trainer.launch import train

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    train(make_recipe("content", steps=1, top={"tensorboard": True}), tmp_path / "run")
    assert "TensorBoard is not installed, so that the run is logged in metrics.jsonl alone" in capsys.readouterr().err
    assert (tmp_path / "run/content/metrics.jsonl").exists()


def test_recipes_are_listed(capsys: Any) -> None:
    assert recipes([], "svc train recipes") == 0
    listed = capsys.readouterr().out
    assert "paper-libritts" in listed
    assert "  weights.verified = 0.0" in listed
    assert recipes(["smoke"], "svc train recipes") == 0
    assert 'kind = "content"' in capsys.readouterr().out
