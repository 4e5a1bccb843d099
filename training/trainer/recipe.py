"""Recipes: TOML files that say which model is trained, on what, in which stages.

    name = "mine"
    corpus = "corpus"

    [model]
    name = "live"

    [stages.content]        # one after the other, each from the weights of the one before
    kind = "content"
    minutes = 40
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import tomli_w

from streamvc.config import LiveConfig, ModelConfig, config_to_dict, get_config
from streamvc.errors import ConfigError
from streamvc.training.trainer.folder import writing
from streamvc.training.trainer.keys import did_you_mean, key, near, read, update
from streamvc.training.trainer.kinds import KINDS, settings_of
from streamvc.training.trainer.settings import StageSettings

_FOLDERS = {"corpus": "svc train corpus build", "pool": "python -m streamvc.training.speaker_pool"}
SYNTHETIC = "synthetic"
"""Instead of a corpus: a small one that is synthesised into the folder of the run (`training/synthetic.py`)."""


@dataclass(frozen=True)
class RunSettings:
    """Keys at the top of a recipe."""

    name: str = key("", "of the recipe; the run is kept in runs/NAME where no other folder is given")
    description: str = key("", "one sentence")
    corpus: str = key("", "packed corpus (`svc train corpus build`), or `synthetic`: a small one made on the spot")
    pool: str = key("", "folder of `python -m streamvc.training.speaker_pool`")
    seed: int = key(0, "of everything that is drawn", low=0)
    bf16: bool = key(
        True, "whether networks run in bfloat16 where the processor has it (spectra, filters and losses never do)"
    )
    device: str = key("auto", "where to train", choices=("auto", "cpu", "cuda"))
    threads: int = key(0, "of PyTorch on the CPU (0: as PyTorch has it)", low=0)
    workers: int = key(0, "processes that prepare rows (0: the training process does)", low=0)
    tensorboard: bool = key(True, "whether to write TensorBoard files")


@dataclass(frozen=True)
class Recipe:
    """A recipe with all of its defaults filled in."""

    run: RunSettings
    model: ModelConfig
    stages: dict[str, StageSettings]

    def to_table(self) -> dict[str, Any]:
        """The recipe as a table for TOML, every key written out."""
        stages = {}
        for name, settings in self.stages.items():
            kind = next(kind for kind, cls in KINDS.items() if type(settings) is cls)
            stages[name] = {"kind": kind, **dataclasses.asdict(settings)}
        return {**dataclasses.asdict(self.run), "model": config_to_dict(self.model), "stages": stages}

    def save(self, path: Path) -> None:
        """Write the recipe, atomically.

        Raises:
            TrainingError: it cannot be written.
        """
        temporary = path.with_suffix(".tmp")
        with writing(path):
            temporary.write_text(tomli_w.dumps(self.to_table()), encoding="utf-8")
            os.replace(temporary, path)


def shipped() -> dict[str, Path]:
    """The recipes that come with the package, by name."""
    folder = Path(str(resources.files("streamvc.training"))) / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_recipe(name_or_path: str, overrides: Sequence[str] = ()) -> Recipe:
    """A shipped recipe by its name, or a file.

    Args:
        name_or_path: `smoke`, or `mine.toml`.
        overrides: `key=value` of the top, `model.key=value`, `STAGE.key=value`, or `*.key=value` of every stage.

    Raises:
        ConfigError: there is no such recipe, or a key of it or of the overrides is wrong.
    """
    known = shipped()
    path = known.get(name_or_path, Path(name_or_path))
    if name_or_path not in known and path.suffix != ".toml":
        raise ConfigError(
            f"No recipe is named {name_or_path!r}{near(name_or_path, list(known))}; shipped are {', '.join(known)}, or "
            "give the path of a .toml file."
        )
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"There is no recipe at {path}; `svc train recipes` lists those that are shipped.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"The recipe {path} cannot be read ({error}); correct it.") from error
    table.setdefault("name", path.stem)
    for override in overrides:
        _override(table, override)
    return parse_recipe(table)


def parse_recipe(table: Mapping[str, Any]) -> Recipe:
    """A recipe from what TOML gave; raises as :func:`load_recipe`."""
    top = {name: value for name, value in table.items() if name not in ("model", "stages")}
    for name in top:
        names = [field.name for field in dataclasses.fields(RunSettings)]
        if name not in names:
            hint = did_you_mean(name, [*names, "model", "stages"])
            raise ConfigError(f"A recipe has no key {name!r} at its top{hint}.")
    run = read(RunSettings, top, "recipe")
    model_table = table.get("model", {})
    if not isinstance(model_table, Mapping):
        raise ConfigError("model is a table, [model], with the keys of a model configuration.")
    base = get_config(str(model_table["name"])) if "name" in model_table else LiveConfig()
    model = update(base, model_table, "model")
    stages_table = table.get("stages")
    if not isinstance(stages_table, Mapping) or not stages_table:
        raise ConfigError("The recipe has no stage; give at least one table [stages.NAME] with a kind.")
    stages = {name: _stage(name, values, run) for name, values in stages_table.items()}
    return Recipe(run, model, stages)


def _stage(name: str, table: Any, run: RunSettings) -> StageSettings:
    if not isinstance(table, Mapping):
        raise ConfigError(f"stages.{name} is a table, [stages.{name}], not {table!r}.")
    if not name.replace("-", "").replace("_", "").isalnum():
        raise ConfigError(f"The stage {name!r} names a folder: use letters, digits, - and _ only.")
    if "kind" not in table:
        raise ConfigError(f"stages.{name} has no kind; choose one of {', '.join(KINDS)}.")
    settings = update(settings_of(table["kind"], name), {k: v for k, v in table.items() if k != "kind"}, name)
    settings.check(name)
    for common in ("corpus", "pool"):
        if getattr(settings, common, None) == "":
            settings = dataclasses.replace(settings, **{common: getattr(run, common)})
    return settings


def missing_folders(recipe: Recipe) -> None:
    """Refuse a recipe that does not say where its data are.

    Raises:
        ConfigError: a stage has no corpus, or no pool.
    """
    for name, settings in recipe.stages.items():
        for common, made in _FOLDERS.items():
            needed = hasattr(settings, common) and not (common == "corpus" and not getattr(settings, "judged", True))
            needed = needed and not (common == "pool" and getattr(settings, "voices", "pool") != "pool")
            if needed and not getattr(settings, common):
                raise ConfigError(
                    f"The stage {name} needs a {common}; give --set {common}=DIR, a folder that `{made}` wrote."
                )


def _override(table: dict[str, Any], text: str) -> None:
    place, equals, value = text.partition("=")
    names = place.strip().split(".")
    if not equals or not all(names):
        raise ConfigError(f"--set takes KEY=VALUE, such as content.batch=8, not {text!r}.")
    try:
        parsed: Any = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()  # a text needs no quotes on a command line
    stages = table.get("stages", {})
    if names[0] == "*" and len(names) == 2:
        for stage in stages.values():
            stage[names[1]] = parsed
        return
    if names[0] in stages:
        names = ["stages", *names]
    elif len(names) > 1 and names[0] not in ("model", "stages"):
        raise ConfigError(
            f"--set {text}: the recipe has no stage {names[0]!r}{did_you_mean(names[0], [*stages, 'model'])}."
        )
    inner: Any = table
    for name in names[:-1]:
        inner = inner.setdefault(name, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {text}: {name} is a value and has no keys.")
    inner[names[-1]] = parsed
