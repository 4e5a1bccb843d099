"""Weights on disk: one safetensors file with the configuration and provenance in its metadata."""

from __future__ import annotations

import json
import os
import struct
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from streamvc.config import ModelConfig, config_from_dict, config_to_dict
from streamvc.dsp.dft import Transform
from streamvc.errors import CheckpointError
from streamvc.model import Model, build_model
from streamvc.runtimes.cache import fingerprint

__all__ = ["SCHEMA", "fingerprint", "load_model", "read_config", "read_metadata", "save_model"]

SCHEMA = 1


def save_model(
    model: Model, path: str | os.PathLike[str], provenance: dict[str, Any] | None = None,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Write the model's inference weights, atomically, in `dtype` (float16 halves the file and is not heard)."""
    target = Path(path)
    tensors = {key: value.detach().cpu().to(dtype).contiguous() for key, value in model.state_dict().items()}
    meta = {"schema": SCHEMA, "config": config_to_dict(model.config), "provenance": provenance or {}}
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    try:
        save_file(tensors, temporary, metadata={"streamvc": json.dumps(meta, sort_keys=True)})
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load_model(path: str | os.PathLike[str], transform: Transform = "fft") -> Model:
    """The model of a checkpoint, in float32 and inference mode.

    Raises:
        CheckpointError: the file is missing, truncated, of another kind, of a newer schema, or its tensors do not fit
            the configuration; the message names the first key that is wrong.
    """
    config = read_config(path)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"The weights file {path} cannot be read ({error}); fetch or export it again.") from error
    model = build_model(config, transform)
    _check(path, tensors, model.state_dict())
    model.load_state_dict({key: value.float() for key, value in tensors.items()})
    return model.eval()


def read_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Configuration, schema and provenance of a checkpoint, without its tensors.

    Raises:
        CheckpointError: as :func:`load_model`.
    """
    try:
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > 50_000_000:
                raise ValueError("header too long")
            header = json.loads(file.read(length))
        meta = json.loads(header["__metadata__"]["streamvc"])
    except FileNotFoundError:
        raise CheckpointError(f"There is no weights file at {path}; check the path, or reinstall streamvc.") from None
    except OSError as error:
        raise CheckpointError(f"The weights file {path} cannot be read ({error.strerror}).") from error
    except (ValueError, KeyError, TypeError, struct.error) as error:
        raise CheckpointError(f"{path} is not a StreamVC weights file, or it is truncated; export it again.") from error
    if not isinstance(meta, dict) or meta.get("schema") != SCHEMA:
        raise CheckpointError(f"{path} has another weights schema than {SCHEMA}; update streamvc or export it again.")
    return meta


def read_config(path: str | os.PathLike[str]) -> ModelConfig:
    """The configuration that a checkpoint was saved with."""
    config = read_metadata(path).get("config")
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} does not say the configuration of its model; export it again.")
    return config_from_dict(config)


def _check(path: object, found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    for key in sorted(set(found) | set(wanted)):
        if key not in found:
            raise CheckpointError(f"The weights file {path} lacks {key!r}; it belongs to another version of the model.")
        if key not in wanted:
            raise CheckpointError(f"The weights file {path} has an unknown {key!r}; update streamvc.")
        if found[key].shape != wanted[key].shape:
            raise CheckpointError(
                f"In the weights file {path}, {key!r} is {list(found[key].shape)}, not {list(wanted[key].shape)}."
            )
        if not torch.isfinite(found[key]).all():
            raise CheckpointError(f"In the weights file {path}, {key!r} holds NaN or infinity; export it again.")
