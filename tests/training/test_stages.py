"""Both stages run from their commands, save, resume, and hand their weights on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from streamvc.checkpoint import load_model, read_metadata, save_model
from streamvc.config import LiveConfig
from streamvc.errors import TrainingError
from streamvc.model.live import LiveModel
from streamvc.training import content, decoder
from streamvc.training.loop import Average, Run, check_finite, learning_rate


@pytest.fixture(scope="module")
def stage1(corpus_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "content"
    content.main([
        "--corpus", str(corpus_folder), "--run", str(run), "--units", "loudness", "--steps", "6", "--batch", "2",
        "--frames", "40",
    ])
    return run


def test_stage_1_learns_units_of_unseen_speakers_and_says_so(stage1: Path) -> None:
    lines = [json.loads(line) for line in (stage1 / "metrics.jsonl").read_text().splitlines()]
    found = lines[-1]["synthetic-en/loudness"]
    assert 0.0 <= found <= 1.0
    state = torch.load(stage1 / "state.pt", weights_only=True)
    assert state["step"] == 6
    assert state["sizes"] == {"loudness": 10}


def test_stage_1_goes_on_where_it_stopped(stage1: Path, corpus_folder: Path) -> None:
    before = torch.load(stage1 / "state.pt", weights_only=True)
    content.main([
        "--corpus", str(corpus_folder), "--run", str(stage1), "--units", "loudness", "--steps", "9", "--batch", "2",
        "--frames", "40",
    ])
    after = torch.load(stage1 / "state.pt", weights_only=True)
    assert (before["step"], after["step"]) == (6, 9)
    assert after["minutes"] > before["minutes"]


@pytest.mark.parametrize("extra", [[], ["--adversarial", "--swap", "0.5"]], ids=["spectral", "adversarial and swap"])
def test_stage_2_trains_all_but_the_content_encoder(
    stage1: Path, corpus_folder: Path, tmp_path: Path, extra: list[str]
) -> None:
    run = tmp_path / "decoder"
    decoder.main([
        "--corpus", str(corpus_folder), "--content", str(stage1 / "state.pt"), "--run", str(run), "--steps", "3",
        "--batch", "2", "--frames", "20", *extra,
    ])
    model = load_model(run / "model.safetensors")
    encoder = content.averaged_encoder(stage1 / "state.pt", model.config)
    for key, value in encoder.state_dict().items():
        assert torch.equal(model.content_encoder.state_dict()[key], value.half().float()), key
    assert read_metadata(run / "model.safetensors")["provenance"]["step"] == 3
    saved = torch.load(run / "state.pt", weights_only=True)
    assert (saved["critics"] is not None) == bool(extra)


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [learning_rate(p / 100, 1.0) for p in range(101)]
    assert rates[0] < 0.1
    assert max(rates) == pytest.approx(1.0, abs=0.01)
    assert rates[-1] == pytest.approx(0.02)
    peak = rates.index(max(rates))
    assert all(a >= b for a, b in zip(rates[peak:], rates[peak + 1 :], strict=False))


def test_the_average_follows_the_weights() -> None:
    module = torch.nn.Linear(3, 1)
    average = Average(module, 0.9)
    with torch.no_grad():
        module.weight.fill_(2.0)
    for _ in range(200):
        average.update(module)
    assert torch.allclose(average.values["weight"], module.weight, atol=1e-4)


def test_a_damaged_state_says_what_to_do(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.save({"step": 3, "weights": torch.arange(1_000)})
    assert run.load() is not None
    path = tmp_path / "run" / "state.pt"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(TrainingError, match="start afresh"):
        run.load()


def test_a_diverged_loss_stops_the_training() -> None:
    with pytest.raises(TrainingError, match="lower learning rate"):
        check_finite(torch.tensor(float("nan")), 7)


@pytest.mark.parametrize("kind", ["weights", "state"])
def test_stage_1_starts_from_earlier_weights(stage1: Path, corpus_folder: Path, tmp_path: Path, kind: str) -> None:
    start = stage1 / "state.pt"
    if kind == "weights":
        model = LiveModel(LiveConfig())
        model.content_encoder.load_state_dict(content.averaged_encoder(start, model.config).state_dict())
        start = tmp_path / "live.safetensors"
        save_model(model, start, dtype=torch.float32)
    content.main([
        "--corpus", str(corpus_folder), "--run", str(tmp_path / "run"), "--units", "loudness", "--steps", "0",
        "--warm-start", str(start),
    ])
    begun = content.averaged_encoder(tmp_path / "run" / "state.pt", LiveConfig()).state_dict()
    for key, value in content.averaged_encoder(stage1 / "state.pt", LiveConfig()).state_dict().items():
        assert torch.equal(begun[key], value), key
