"""Recipes: what is shipped is right, and what is wrong is said with a hint."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from streamvc.config import LiveConfig, PaperConfig
from streamvc.errors import ConfigError
from streamvc.training.losses.weights import LIVE, PAPER
from streamvc.training.stages.decoder import DecoderSettings
from streamvc.training.stages.paper import PaperSettings
from streamvc.training.trainer.keys import describe, key, read
from streamvc.training.trainer.kinds import KINDS
from streamvc.training.trainer.launch import train
from streamvc.training.trainer.listing import list_keys, list_recipes, write_out
from streamvc.training.trainer.recipe import RunSettings, load_recipe, missing_folders, parse_recipe, shipped

STAGE = {"kind": "content", "steps": 3}


def recipe(stage: dict[str, Any] | None = None, **top: Any) -> dict[str, Any]:
    return {"name": "x", "corpus": "c", "stages": {"one": {**STAGE, **(stage or {})}}, **top}


def test_the_recipe_of_the_paper_is_the_paper() -> None:
    found = load_recipe("paper-libritts")
    assert found.model == PaperConfig()
    (stage,) = found.stages.values()
    assert isinstance(stage, PaperSettings)
    assert (stage.units, stage.critics, stage.weights) == ("hubert7", ("melgan",), PAPER)


def test_the_recipe_of_the_shipped_weights_has_their_losses() -> None:
    found = load_recipe("live-packages")
    assert found.model == LiveConfig(speech="verification")
    kinds = ("content", "decoder", "decoder")
    assert [type(s) for s in found.stages.values()] == [KINDS[k] for k in kinds]
    last = found.stages["adversarial"]
    assert isinstance(last, DecoderSettings)
    assert replace(last.weights, speaker=0.0) == LIVE
    assert (last.critics, last.keep_speakers, last.frames, last.voices) == (("envelope",), True, 84, "pool")
    first = found.stages["spectral"]
    assert isinstance(first, DecoderSettings)
    assert (first.take_verifier, first.voices) == (True, "pool")
    with pytest.raises(ConfigError, match=r"content needs a corpus; give --set corpus=DIR"):
        missing_folders(found)
    with pytest.raises(ConfigError, match=r"spectral needs a pool; give --set pool=DIR"):
        missing_folders(load_recipe("live-packages", ["corpus=x"]))


def test_every_shipped_recipe_is_listed_and_can_be_written_out() -> None:
    assert {"smoke", "paper-libritts", "live-packages"} <= set(shipped())
    for name in shipped():
        assert name in list_recipes()
        written = parse_recipe(tomllib.loads(write_out(name)))
        assert written == load_recipe(name)


def test_every_key_is_listed_with_a_meaning() -> None:
    listed = list_keys()
    for settings in (RunSettings, *KINDS.values()):
        for name, default, meaning in describe(settings):
            assert meaning, f"{settings.__name__}.{name} has no meaning"
            assert f"  {name} = {default}" in listed


def test_overrides_replace_values_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('corpus = "a"\n[stages.one]\nkind = "decoder"\nsteps = 3\n[stages.one.weights]\nwords = 0.5\n')
    found = load_recipe(
        str(path),
        ["corpus=some where", "one.batch=8", "one.weights.buzz=1", "model.decoder_width=48", "*.rate=1e-5", "seed=7"],
    )
    stage = found.stages["one"]
    assert isinstance(stage, DecoderSettings)
    assert (found.run.name, found.run.corpus, found.run.seed, stage.corpus) == ("mine", "some where", 7, "some where")
    assert (stage.batch, stage.rate, stage.weights.buzz, stage.weights.words) == (8, 1e-5, 1.0, 0.5)
    assert isinstance(found.model, LiveConfig)
    assert found.model.decoder_width == 48


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (recipe({"batsh": 3}), r"one has no key 'batsh'; did you mean 'batch'"),
        (recipe(corpos="x"), r"no key 'corpos' at its top; did you mean 'corpus'"),
        (recipe({"kind": "contend"}), r"one.kind must be one of content, .*; did you mean 'content'"),
        (recipe({"batch": "three"}), r"one.batch must be a whole number, not 'three'"),
        (recipe({"batch": True}), r"one.batch must be a whole number, not True"),
        (recipe({"batch": 0}), r"one.batch must be at least 1, not 0"),
        (recipe({"dropout": 2.0}), r"one.dropout must be between 0 and 0.9, not 2.0"),
        (recipe({"rate": float("nan")}), r"one.rate must be at least 0, not nan"),
        (recipe({"betas": [0.9]}), r"one.betas must be a list of 2"),
        (recipe({"units": "whisper4"}), r"one.units must be a list, not 'whisper4'"),
        (recipe({"schedule": "cosin"}), r"one.schedule must be one of cosine, .*; did you mean 'cosine'"),
        (recipe({"checkpoint_minutes": 30}), r"one.checkpoint_minutes must be between 0 and 5"),
        (recipe({"steps": 0}), r"one has neither steps nor minutes"),
        (recipe({"steps": 0, "minutes": 1, "schedule_by": "steps"}), r"schedule_by is \"steps\", but one.steps is 0"),
        (recipe({"accumulate": 3}), r"accumulate = 3 must divide it"),
        (recipe({"perturbation": 3}), r"one.perturbation is a table"),
        (recipe({"kind": "decoder", "weights": {"word": 1.0}}), r"one.weights has no key 'word'; did you mean 'words'"),
        (recipe({"kind": "decoder", "critics": ["melgam"]}), r"one.critics must be one of .*; did you mean 'melgan'"),
        (recipe(model={"name": "lives"}), r"No model configuration is named 'lives'"),
        (recipe(model={"decoder_widht": 3}), r"model has no key 'decoder_widht'; did you mean 'decoder_width'"),
        (recipe(device="gpu"), r"recipe.device must be one of auto, cpu, cuda"),
        ({"name": "x", "stages": {}}, r"no stage"),
        ({"name": "x", "stages": {"one": {"steps": 3}}}, r"stages.one has no kind; choose one of content"),
        ({"name": "x", "stages": {"a/b": STAGE}}, r"'a/b' names a folder"),
    ],
)
def test_a_wrong_key_is_said_with_a_hint(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_recipe(table)


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("smok", [], r"No recipe is named 'smok'; did you mean 'smoke'; shipped are"),
        ("nowhere.toml", [], r"There is no recipe at nowhere.toml"),
        ("smoke", ["content"], r"--set takes KEY=VALUE"),
        ("smoke", ["contend.batch=3"], r"no stage 'contend'; did you mean 'content'"),
        ("smoke", ["seed.x=3"], r"no stage 'seed'"),
        ("smoke", ["content.batch=many"], r"content.batch must be a whole number, not 'many'"),
    ],
)
def test_a_wrong_name_or_override_is_said(name: str, overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_recipe(name, overrides)


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("corpus = \n")
    with pytest.raises(ConfigError, match=r"bad.toml cannot be read"):
        load_recipe(str(tmp_path / "bad.toml"))


def test_a_stage_of_another_model_is_refused(corpus_folder: Path, tmp_path: Path) -> None:
    table = {"kind": "paper", "steps": 1, "units": "loudness"}
    with pytest.raises(ConfigError, match=r"trains the paper model; set model.name"):
        train(parse_recipe({"name": "x", "corpus": str(corpus_folder), "stages": {"one": table}}), tmp_path / "run")
    other = {"name": "x", "corpus": str(corpus_folder), "model": {"name": "paper"}, "stages": {"one": STAGE}}
    with pytest.raises(ConfigError, match=r"trains the live model; use the kind paper"):
        train(parse_recipe(other), tmp_path / "other")


def test_what_was_trained_is_kept_beside_it(make_recipe, tmp_path: Path) -> None:
    given = make_recipe("content", steps=1)
    train(given, tmp_path / "run")
    assert load_recipe(str(tmp_path / "run/recipe.toml")) == given


def test_keys_of_a_table() -> None:
    @dataclass(frozen=True)
    class Settings:
        """A table.

        plain: has its meaning here.
        """

        many: tuple[int, ...] = key((1, 2), "numbers", low=1)
        plain: float = 0.5

    assert read(Settings, {"many": [3], "plain": 2}, "t") == Settings((3,), 2.0)
    assert list(describe(Settings)) == [("many", "[1, 2]", "numbers"), ("plain", "0.5", "has its meaning here")]
    with pytest.raises(ConfigError, match=r"t.many must be at least 1, not 0"):
        read(Settings, {"many": [3, 0]}, "t")
