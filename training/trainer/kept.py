"""What a training leaves to the next one beside weights: its heads and discriminators, small enough to be kept.

Begun anew, discriminators cost naturalness for an hour, and heads the first steps of a content encoder
(docs/experiments.md). The states of a run hold them too, with optimisers and averages around them: a hundred times as
large.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from streamvc.errors import TrainingError
from streamvc.training.trainer.folder import read_state, writing

_CRITICS, _HEADS = "critics.", ("heads.", "guess.")


def keep(states: list[dict[str, Any]], path: Path) -> list[str]:
    """Write the heads and discriminators of training states, in float16, whole or not at all; later states win.

    Returns:
        The names of what was kept: `heads`, `discriminators`.

    Raises:
        TrainingError: there are none, or the file cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    for state in states:
        critics: dict[str, Tensor] = state.get("critics") or {}
        values: dict[str, Tensor] = state.get("average", {}).get("values", {})
        tensors |= {_CRITICS + name: value for name, value in critics.items()}
        tensors |= {name: value for name, value in values.items() if name.startswith(_HEADS)}
    if not tensors:
        raise TrainingError("These states hold neither heads nor discriminators; give those of a content stage, or of "
                            "a stage with discriminators.")
    temporary = path.with_name(f".{path.name}.tmp")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            save_file({name: value.to(torch.float16).contiguous() for name, value in tensors.items()}, temporary)
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    starts: dict[str, str | tuple[str, ...]] = {"heads": _HEADS, "discriminators": _CRITICS}
    return [kind for kind, start in starts.items() if any(name.startswith(start) for name in tensors)]


def earlier(path: Path) -> dict[str, Any]:
    """Heads and discriminators of an earlier run, as its state holds them: from such a file, or from a `state.pt`.

    Raises:
        TrainingError: the file is missing or damaged.
    """
    if path.suffix != ".safetensors":
        return read_state(path)
    try:
        tensors = {name: value.float() for name, value in load_file(path).items()}
    except FileNotFoundError:
        raise TrainingError(f"There is no file {path} with heads or discriminators; check the path.") from None
    except (SafetensorError, OSError) as error:
        raise TrainingError(f"{path} cannot be read ({error}); fetch it again.") from error
    return {
        "critics": {k.removeprefix(_CRITICS): v for k, v in tensors.items() if k.startswith(_CRITICS)} or None,
        "average": {"values": {k: v for k, v in tensors.items() if k.startswith(_HEADS)}},
    }
