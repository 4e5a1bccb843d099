"""Schedules, averages, draws, and what a stage may change."""

from __future__ import annotations

import io
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from streamvc.checkpoint import load_model, read_metadata
from streamvc.errors import ConfigError, TrainingError
from streamvc.training.loop import check_finite
from streamvc.training.trainer.average import Average
from streamvc.training.trainer.batches import Draw, batches
from streamvc.training.trainer.folder import StageFolder
from streamvc.training.trainer.launch import train
from streamvc.training.trainer.schedule import learning_rate
from streamvc.training.trainer.watch import Watcher


@pytest.mark.parametrize("schedule", ["cosine", "linear", "exponential", "constant"])
def test_the_learning_rate_rises_and_falls(schedule: str) -> None:
    rates = [learning_rate(p / 100, 2.0, schedule, warm_up=0.1, floor=0.02) for p in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(2.0)
    assert rates[10] == pytest.approx(2.0)
    assert rates[-1] == pytest.approx(2.0 if schedule == "constant" else 0.04)
    assert all(a <= b for a, b in itertools.pairwise(rates[:11]))
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))


def test_schedules_differ_in_between() -> None:
    half = {s: learning_rate(0.5, 1.0, s, 0.0, 0.01) for s in ("cosine", "linear", "exponential", "constant")}
    assert half["cosine"] == pytest.approx(0.505)
    assert half["linear"] == pytest.approx(0.505)
    assert half["exponential"] == pytest.approx(0.1)
    quarter = {s: learning_rate(0.25, 1.0, s, 0.0, 0.01) for s in ("cosine", "linear")}
    assert quarter["cosine"] > quarter["linear"]


def test_the_average_follows_the_weights() -> None:
    module = torch.nn.Linear(3, 1)
    average = Average(module, 0.9)
    with torch.no_grad():
        module.weight.fill_(2.0)
    for _ in range(200):
        average.update(module)
    assert torch.allclose(average.values["weight"], module.weight, atol=1e-4)


def test_a_diverged_loss_stops_a_loop() -> None:
    with pytest.raises(TrainingError, match="lower learning rate"):
        check_finite(torch.tensor(float("nan")), 7)


class _Echo:
    """Rows that say what they were drawn with."""

    def row(self, draw: Draw) -> dict[str, torch.Tensor]:
        number = torch.tensor(draw.numpy.random())
        return {"step": torch.tensor(draw.step), "drawn": torch.stack((number, torch.rand((), generator=draw.torch)))}


@pytest.mark.parametrize(("world", "pieces", "workers"), [(1, 1, 0), (2, 1, 0), (1, 2, 0), (2, 3, 0), (1, 1, 2)])
def test_rows_do_not_depend_on_who_draws_them(world: int, pieces: int, workers: int) -> None:
    def drawn(first: int, world: int, pieces: int, workers: int = 0) -> np.ndarray:
        streams = [
            batches(_Echo(), seed=5, first=first, batch=12, pieces=pieces, rank=r, world=world, workers=workers)
            for r in range(world)
        ]
        steps = [torch.cat([next(s)["drawn"] for s in streams for _ in range(pieces)]) for _ in range(3)]
        return torch.stack(steps).numpy()

    whole = drawn(4, 1, 1)
    assert np.array_equal(whole, drawn(4, world, pieces, workers))
    assert np.array_equal(whole[1:], drawn(5, world, pieces)[:2])
    assert len(np.unique(whole)) == whole.size


def test_one_batch_comes_again_and_again() -> None:
    stream = batches(_Echo(), seed=5, first=7, batch=4, same=True)
    first, second = next(stream), next(stream)
    assert torch.equal(first["drawn"], second["drawn"])
    assert first["step"].tolist() == [0] * 4


@pytest.mark.parametrize("stage", ["decoder", "duel"])
def test_stage_2_trains_all_but_the_content_encoder(make_recipe, tmp_path: Path, stage: str) -> None:
    train(make_recipe("content", stage, steps=3), tmp_path / "run")
    model = load_model(tmp_path / "run" / stage / "last.safetensors")
    # Stage 2 takes the best weights of stage 1, which here are those of its end or of a step before.
    encoder = load_model(tmp_path / "run/content/best.safetensors").content_encoder
    for key, value in encoder.state_dict().items():
        assert torch.equal(model.content_encoder.state_dict()[key], value), key
    assert read_metadata(tmp_path / "run" / stage / "last.safetensors")["provenance"]["step"] == 3
    saved = torch.load(tmp_path / "run" / stage / "state.pt", weights_only=True)
    assert (saved["critics"] is not None) == (stage == "duel")
    moved = [k for k, v in saved["learner"].items() if not torch.equal(v, saved["average"]["values"][k])]
    assert {k.split(".")[1] for k in moved if k.startswith("model.")} == {"decoder", "speech_encoder"}


def test_stage_1_trains_the_content_encoder_alone(make_recipe, tmp_path: Path) -> None:
    train(make_recipe("content", steps=3), tmp_path / "run")
    saved = torch.load(tmp_path / "run/content/state.pt", weights_only=True)
    moved = [k for k, v in saved["learner"].items() if not torch.equal(v, saved["average"]["values"][k])]
    assert {k.split(".")[1] for k in moved if k.startswith("model.")} == {"content_encoder"}
    model = load_model(tmp_path / "run/content/last.safetensors")
    for key, value in model.state_dict().items():
        assert torch.equal(saved["average"]["values"][f"model.{key}"], value), key


def test_a_speech_encoder_may_stay_as_it_is(make_recipe, tmp_path: Path) -> None:
    train(make_recipe("decoder", steps=2, keep_speakers=True), tmp_path / "run")
    saved = torch.load(tmp_path / "run/decoder/state.pt", weights_only=True)
    moved = [k for k, v in saved["learner"].items() if not torch.equal(v, saved["average"]["values"][k])]
    assert {k.split(".")[1] for k in moved} == {"decoder"}


def test_the_best_weights_are_those_that_did_best_on_held_out_speech(make_recipe, read_curve, tmp_path: Path) -> None:
    train(make_recipe("content", steps=9, rate=0.02), tmp_path / "run")
    lines = read_curve(tmp_path / "run/content")
    found = {line["step"]: line["valid_accuracy"] for line in lines if "valid_accuracy" in line}
    assert sorted(found) == [0, 3, 6, 9]
    best = read_metadata(tmp_path / "run/content/best.safetensors")["provenance"]
    assert best["measure"] == "valid_accuracy"
    assert best["value"] == pytest.approx(max(found.values()), rel=1e-4)
    assert found[best["step"]] == pytest.approx(max(found.values()))
    train(make_recipe("content", steps=9, rate=0.02, best_by="last"), tmp_path / "last")
    assert read_metadata(tmp_path / "last/content/best.safetensors")["provenance"]["step"] == 9
    with pytest.raises(ConfigError, match=r"content.best_by is 'accuracy'; the stage measures"):
        train(make_recipe("content", best_by="accuracy"), tmp_path / "wrong")
    lines = [json.loads(line) for line in (tmp_path / "run/content/metrics.jsonl").read_text().splitlines()]
    assert all(line["speed"] > 0 for line in lines if "loss" in line)


def test_a_terminal_shows_how_fast_and_how_far(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = Terminal()
    monkeypatch.setattr("sys.stderr", shown)
    watcher = Watcher("decoder")
    watcher.begin(100)
    for step in range(1, 4):
        watcher.heard(30.0)
        watcher.stepped(step, 100, 1.5, 20.0)
        watcher.bar.refresh()
    watcher.log(StageFolder(tmp_path), 3, 1.5, {"loss": 0.5})
    watcher.end()
    text = shown.getvalue()
    assert "3/100" in text
    assert re.search(r"\d+\.\d s of audio per s, 1.5 of 20 min", text)
    assert 'decoder: {"step": 3, "minutes": 1.5, "loss": 0.5}\n' in text
