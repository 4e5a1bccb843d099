"""A run that was stopped and gone on with is the run that was not, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from streamvc.errors import ConfigError, TrainingError
from streamvc.training.trainer.folder import StageFolder
from streamvc.training.trainer.launch import train


@pytest.mark.parametrize(
    ("stage", "keys"),
    [("content", {}), ("duel", {}), ("duel", {"accumulate": 2}), ("paper", {})],
    ids=["content", "decoder with discriminators", "in pieces", "paper"],
)
def test_resuming_equals_an_uninterrupted_run(
    make_recipe, read_curve, assert_same_state, tmp_path: Path, stage: str, keys: dict[str, object]
) -> None:
    # Lines of the log span the stop: the means of half a line have to be kept too.
    recipe = make_recipe(stage, log_every=4, **keys)
    train(recipe, tmp_path / "whole")
    train(recipe, tmp_path / "parts", until=2)
    assert torch.load(tmp_path / "parts" / stage / "state.pt", weights_only=True)["step"] == 2
    train(recipe, tmp_path / "parts", until=3, resume=True)
    train(recipe, tmp_path / "parts", resume=True)
    assert_same_state(tmp_path / "whole" / stage, tmp_path / "parts" / stage)
    whole, parts = (read_curve(tmp_path / name / stage) for name in ("whole", "parts"))
    assert whole == parts
    assert [line["step"] for line in whole] == [0, 3, 4, 6]


def test_every_step_draws_anew(make_recipe, read_curve, tmp_path: Path) -> None:
    train(make_recipe("content", rate=0.0), tmp_path / "run")
    losses = [line["loss"] for line in read_curve(tmp_path / "run" / "content") if "loss" in line]
    assert len(set(losses)) == len(losses) == 6


def test_a_run_may_be_made_longer(make_recipe, read_curve, tmp_path: Path) -> None:
    train(make_recipe("content"), tmp_path / "run")
    before = (tmp_path / "run/content/state.pt").stat().st_mtime_ns
    train(make_recipe("content"), tmp_path / "run")
    assert (tmp_path / "run/content/state.pt").stat().st_mtime_ns == before  # finished: nothing to do
    train(make_recipe("content", steps=8), tmp_path / "run")
    assert [line["step"] for line in read_curve(tmp_path / "run/content")][-2:] == [8, 8]


def test_minutes_end_a_run_and_count_earlier_ones(make_recipe, tmp_path: Path) -> None:
    recipe = make_recipe("content", steps=0, minutes=0.02)
    train(recipe, tmp_path / "run", until=1)
    early = torch.load(tmp_path / "run/content/state.pt", weights_only=True)
    train(recipe, tmp_path / "run")
    late = torch.load(tmp_path / "run/content/state.pt", weights_only=True)
    assert early["step"] == 1
    assert early["minutes"] < 0.02 <= late["minutes"]


def test_lines_after_the_last_checkpoint_are_written_again(tmp_path: Path) -> None:
    folder = StageFolder(tmp_path / "stage")
    for step in (1, 2, 3):
        folder.log({"step": step, "loss": 1.0})
    with open(tmp_path / "stage/metrics.jsonl", "a") as file:
        file.write('{"step": 4, "lo')
    folder.forget_after(2)
    assert (tmp_path / "stage/metrics.jsonl").read_text() == '{"step": 1, "loss": 1.0}\n{"step": 2, "loss": 1.0}\n'


def test_stages_begin_with_the_weights_of_the_one_before(make_recipe, tmp_path: Path) -> None:
    from streamvc.checkpoint import load_model, read_metadata

    train(make_recipe("content", "decoder"), tmp_path / "run")
    first, second = (load_model(tmp_path / "run" / name / "best.safetensors") for name in ("content", "decoder"))
    for key, value in first.content_encoder.state_dict().items():
        assert torch.equal(value, second.content_encoder.state_dict()[key]), key
    assert not torch.equal(first.decoder.head.weight, second.decoder.head.weight)
    provenance = read_metadata(tmp_path / "run/decoder/last.safetensors")["provenance"]
    assert (provenance["recipe"], provenance["stage"], provenance["step"]) == ("tiny", "decoder", 6)


def test_a_stage_starts_from_any_weights(make_recipe, tmp_path: Path) -> None:
    train(make_recipe("content", "decoder", steps=2), tmp_path / "run")
    for start in ("run/decoder/last.safetensors", "run/decoder/state.pt"):
        path = tmp_path / start
        train(make_recipe("duel", start=str(path), steps=1, rate=0.0), tmp_path / path.suffix)
        begun = torch.load(tmp_path / path.suffix / "duel/state.pt", weights_only=True)["average"]["values"]
        wanted = torch.load(tmp_path / "run/decoder/state.pt", weights_only=True)["average"]["values"]
        for key, value in wanted.items():
            if key.startswith("model.") or path.suffix == ".pt":
                assert torch.equal(begun[key], value), key


def test_what_cannot_be_gone_on_with_is_said(make_recipe, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no run to go on with"):
        train(make_recipe("content"), tmp_path / "run", resume=True)
    with pytest.raises(ConfigError, match="no stage 'other'"):
        train(make_recipe("content"), tmp_path / "run", only="other")
    train(make_recipe("content", steps=1), tmp_path / "run")
    from streamvc.training.trainer.recipe import parse_recipe

    other = make_recipe("content", steps=2).to_table()
    other["model"]["encoder_width"] = 24
    with pytest.raises(ConfigError, match="other sizes"):
        train(parse_recipe(other), tmp_path / "run")
    with pytest.raises(ConfigError, match="other sizes"):
        train(parse_recipe(other | {"stages": {"next": {**other["stages"]["content"], "start": str(
            tmp_path / "run/content/last.safetensors")}}}), tmp_path / "second")  # fmt: skip
    path = tmp_path / "run/content/state.pt"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(TrainingError, match="damaged"):
        train(make_recipe("content", steps=2), tmp_path / "run")
    train(make_recipe("content", steps=2), tmp_path / "run", fresh=True)
    assert (tmp_path / "run.old-1/content/state.pt").stat().st_size == 500
    assert torch.load(path, weights_only=True)["step"] == 2


def test_a_batch_that_cannot_be_divided_is_refused(make_recipe, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="multiple of 4"):
        train(make_recipe("duel", batch=6, accumulate=2), tmp_path / "run")
