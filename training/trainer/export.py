"""Weights and graphs of a run, as `--weights` takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from streamvc.checkpoint import load_model, read_metadata, save_model
from streamvc.config import LiveConfig, config_from_dict
from streamvc.errors import OutputError, TrainingError
from streamvc.model import Model, build_model
from streamvc.training.trainer.folder import BEST, LAST, STATE, read_state
from streamvc.training.trainer.kept import keep


def export_run(
    source: Path, output: Path, *, name: str | None = None, last: bool = False,
    precision: Literal["fp32", "int8"] | None = None, graphs: bool = True, training: bool = False,
) -> list[Path]:
    """Write `NAME.safetensors` (float16), `NAME.onnx` and, for the live model, `NAME-speech.onnx`.

    Args:
        source: folder of a run or of a stage, a state, or weights.
        output: folder to write.
        name: of the files; by default that of the model configuration.
        last: take the last weights where there are best ones too.
        precision: of the graph's products.
        graphs: whether to write graphs.
        training: whether to write `NAME-training.safetensors` too: heads and discriminators of all stages, for the keys
            `heads_start` and `critics_start` of the next training.

    Returns:
        What was written.

    Raises:
        TrainingError: the source has no weights, or nothing else to keep.
        CheckpointError: they cannot be read.
        OutputError: the folder cannot be written.
        RuntimeUnavailableError: the package `onnx` is not installed.
    """
    model, provenance = _weights(find(source, last))
    weights = output / f"{name or model.config.name}.safetensors"
    try:
        save_model(model, weights, provenance, torch.float16)
    except OSError as error:
        raise OutputError(f"{weights} cannot be written ({error.strerror}); choose another folder.") from error
    written = [weights]
    if training:
        kept = weights.with_name(f"{weights.stem}-training.safetensors")
        keep([read_state(path) for path in _states(source)], kept)
        written.append(kept)
    if graphs:
        from streamvc.runtimes.export import export_onnx, export_speech
        from streamvc.runtimes.speech import speech_graph

        graph = weights.with_suffix(".onnx")
        export_onnx(weights, graph, precision)
        written.append(graph)
        if isinstance(model.config, LiveConfig):
            export_speech(weights, speech_graph(graph))
            written.append(speech_graph(graph))
    return written


def find(source: Path, last: bool = False) -> Path:
    """The file with the weights that are meant: of a run, those of its last stage that has any.

    Raises:
        TrainingError: there are none.
    """
    if source.is_file():
        return source
    if not source.exists():
        raise TrainingError(f"There is no run at {source}; check the path.")
    names = (LAST, BEST) if last else (BEST, LAST)
    for folder in (source, *reversed(_stages(source))):
        for name in names:
            if (folder / name).is_file():
                return folder / name
    raise TrainingError(f"{source} holds no weights yet; they come with the first checkpoint of a run.")


def _stages(run: Path) -> list[Path]:
    """Folders of the stages in their order."""
    recipe = run / "recipe.toml"
    if recipe.is_file():
        from streamvc.training.trainer.recipe import load_recipe

        return [run / name for name in load_recipe(str(recipe)).stages]
    return sorted(path.parent for path in run.glob(f"*/{STATE}"))


def _states(source: Path) -> list[Path]:
    """States of all stages of a run, or of one stage."""
    if source.is_file():
        return [source] if source.name == STATE else [p for p in [source.with_name(STATE)] if p.is_file()]
    return [path for path in (folder / STATE for folder in (source, *_stages(source))) if path.is_file()]


def _weights(path: Path) -> tuple[Model, dict[str, object]]:
    if path.suffix == ".safetensors":
        return load_model(path), dict(read_metadata(path).get("provenance") or {})
    state = read_state(path)
    try:
        model = build_model(config_from_dict(state["config"]))
        values = state["average"]["values"]
        model.load_state_dict({k.removeprefix("model."): v for k, v in values.items() if k.startswith("model.")})
    except (KeyError, RuntimeError) as error:
        raise TrainingError(f"{path} is no state of a recipe's run; give the weights that lie beside it.") from error
    return model.eval(), {"kind": state["kind"], "step": state["step"], "hours": round(state["heard"] / 3600, 3)}
