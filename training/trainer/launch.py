"""Runs the stages of a recipe one after the other, each from the weights of the one before."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs

from streamvc.checkpoint import load_model, read_metadata
from streamvc.config import config_to_dict
from streamvc.errors import ConfigError, RuntimeUnavailableError, TrainingError
from streamvc.model import Model, build_model
from streamvc.training.precision import has_bfloat16
from streamvc.training.stages.base import Setup, Stage
from streamvc.training.stages.critics import CriticSettings, critics_of
from streamvc.training.synthetic import make_corpus
from streamvc.training.trainer.board import Board
from streamvc.training.trainer.folder import StageFolder, read_state
from streamvc.training.trainer.kept import earlier
from streamvc.training.trainer.kinds import build_stage
from streamvc.training.trainer.recipe import SYNTHETIC, Recipe, missing_folders
from streamvc.training.trainer.settings import StageSettings
from streamvc.training.trainer.stop import Stop
from streamvc.training.trainer.trainer import Trainer
from streamvc.training.trainer.watch import Watcher

RECIPE = "recipe.toml"


def train(
    recipe: Recipe, folder: Path, *, fresh: bool = False, resume: bool = False, only: str | None = None,
    until: int | None = None,
) -> int:
    """Train a recipe in a folder; stages that are finished there are left alone, one that is not is gone on with.

    Args:
        recipe: what to train.
        folder: of the run: `recipe.toml`, and a folder for each stage.
        fresh: begin anew; what the folder holds is renamed, not deleted.
        resume: refuse to begin.
        only: name of the one stage to train.
        until: step at which each stage stops, with a checkpoint and its schedule as it is.

    Returns:
        The number of the signal that stopped it, 0 if none did.

    Raises:
        ConfigError: the recipe does not fit the machine or the folder.
        CorpusError: a corpus is missing or damaged.
        TrainingError: a state is damaged, a loss is not finite, or the disk is full.
        RuntimeUnavailableError: a GPU or a package is asked for that is not there.
    """
    missing_folders(recipe)
    if only is not None and only not in recipe.stages:
        raise ConfigError(f"The recipe has no stage {only!r}; it has {', '.join(recipe.stages)}.")
    accelerator = _accelerator(recipe.run.device)
    if recipe.run.threads:
        torch.set_num_threads(recipe.run.threads)
    with _first(accelerator):
        if accelerator.is_main_process:
            _prepare(recipe, folder, fresh, resume)
        recipe = _with_corpus(recipe, folder)
    setup = Setup(recipe.run.seed, recipe.run.bf16 and has_bfloat16(accelerator.device), accelerator.device)
    about = {"recipe": recipe.run.name}
    previous: StageFolder | None = None
    with Stop() as stop:
        for number, (name, settings) in enumerate(recipe.stages.items()):
            stage_folder = StageFolder(folder / name)
            if only in (None, name) and not _is_finished(settings, stage_folder):
                torch.manual_seed(recipe.run.seed + number)
                with _first(accelerator):
                    stage = _begin(recipe, settings, name, previous, setup, stage_folder)
                watcher = _watcher(recipe, name, stage_folder, accelerator)
                trainer = Trainer(
                    stage, stage_folder, accelerator, setup, name=name, workers=recipe.run.workers, watcher=watcher,
                    stop=stop, about=about,
                )
                try:
                    outcome = trainer.run(until)
                finally:
                    watcher.end()
                    accelerator.free_memory()
                if stop.asked or not outcome.finished:
                    break
            previous = stage_folder
    if torch.distributed.is_initialized():
        accelerator.wait_for_everyone()
        accelerator.end_training()
    return stop.asked


def _accelerator(device: str) -> Accelerator:
    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeUnavailableError("No CUDA device is found; give --set device=cpu, or install PyTorch for CUDA.")
    # Buffers are tables that no process changes. Precision is the stages' own affair: see `Setup.autocast`.
    handlers: list[Any] = [DistributedDataParallelKwargs(broadcast_buffers=False)]
    cpu = device == "cpu" or not torch.cuda.is_available()
    return Accelerator(cpu=cpu, mixed_precision="no", kwargs_handlers=handlers)


@contextmanager
def _first(accelerator: Accelerator) -> Iterator[None]:
    """The first process alone, then the others: it writes what they read."""
    with accelerator.main_process_first():
        yield


def _prepare(recipe: Recipe, folder: Path, fresh: bool, resume: bool) -> None:
    """Make the folder, or check that it holds a run of this model."""
    known = folder / RECIPE
    if fresh and folder.exists():
        number = 1
        while (old := folder.with_name(f"{folder.name}.old-{number}")).exists():
            number += 1
        os.replace(folder, old)
        print(f"{folder}: moved to {old}", file=sys.stderr, flush=True)
    begun = any((folder / name / "state.pt").is_file() for name in recipe.stages)
    if resume and not begun:
        raise TrainingError(f"{folder} holds no run to go on with; leave --resume out, or give its --folder.")
    if known.is_file() and begun:
        from streamvc.training.trainer.recipe import load_recipe

        if config_to_dict(load_recipe(str(known)).model) != config_to_dict(recipe.model):
            raise ConfigError(
                f"{folder} holds a run of a model of other sizes; choose another --folder, or begin anew with --fresh."
            )
    StageFolder(folder)  # makes it, or says why not
    recipe.save(known)


def _with_corpus(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with a synthetic corpus made, where one is asked for."""
    stages = dict(recipe.stages)
    for name, settings in stages.items():
        if getattr(settings, "corpus", None) == SYNTHETIC:
            corpus = str(make_corpus(folder / "corpus"))
            stages[name] = replace(settings, corpus=corpus)  # type: ignore[call-arg]
    return replace(recipe, stages=stages)


def _is_finished(settings: StageSettings, folder: StageFolder) -> bool:
    if not folder.state.is_file():
        return False
    state = folder.load()
    assert state is not None
    return settings.finished(state["step"], state["minutes"])


def _begin(
    recipe: Recipe, settings: StageSettings, name: str, previous: StageFolder | None, setup: Setup, folder: StageFolder
) -> Stage:
    """The stage with its starting weights; a state in its folder replaces them later."""
    model, state = _starting_weights(recipe, settings, name, previous)
    stage = build_stage(settings, model, setup, folder.path)
    if settings.heads_start:
        state = earlier(Path(settings.heads_start))
    if state is not None:
        stage.start_from(state)
    critics = settings.critics_start if isinstance(settings, CriticSettings) else ""
    if critics and stage.critics is not None and not critics_of(earlier(Path(critics)), stage.critics):
        raise TrainingError(f"{critics} has no discriminators of these sizes; leave {name}.critics_start out.")
    return stage


def _starting_weights(
    recipe: Recipe, settings: StageSettings, name: str, previous: StageFolder | None
) -> tuple[Model, dict[str, Any] | None]:
    model = build_model(recipe.model)
    if settings.start == "nothing" or (settings.start == "previous" and previous is None):
        return model, None
    if settings.start == "previous":
        assert previous is not None
        weights = previous.best if settings.start_from == "best" else previous.last
        if not weights.is_file():
            raise TrainingError(
                f"The stage {name} begins with {weights}, which is not there; train the stage before it, or give "
                f"--set {name}.start=FILE."
            )
        found: Model = load_model(weights)
        state = read_state(previous.state) if previous.state.is_file() else None
    elif settings.start.endswith(".safetensors"):
        weights, state = Path(settings.start), None
        found = load_model(weights)
    else:
        weights = Path(settings.start)
        state = read_state(weights)
        values = {k.removeprefix("model."): v for k, v in state["average"]["values"].items() if k.startswith("model.")}
        if config_to_dict(recipe.model) == state.get("config"):
            model.load_state_dict(values)
            return model, state
        found = model
        if state.get("config") is None:
            raise TrainingError(f"{weights} is no state of a recipe's run; start from its .safetensors instead.")
        raise ConfigError(f"{weights} is of a model of other sizes than the recipe's; correct [model].")
    if config_to_dict(found.config) != config_to_dict(recipe.model):
        raise ConfigError(
            f"{weights} holds a model of other sizes than the recipe's [model]; they are "
            f"{read_metadata(weights)['config']}."
        )
    return found, state


def _watcher(recipe: Recipe, name: str, folder: StageFolder, accelerator: Accelerator) -> Watcher:
    board = None
    if recipe.run.tensorboard and accelerator.is_main_process:
        try:
            board = Board(folder.path / "tensorboard")
        except RuntimeUnavailableError as error:
            print(error, file=sys.stderr, flush=True)
    return Watcher(name, board, quiet=not accelerator.is_main_process)
