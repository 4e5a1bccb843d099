"""HuBERT as a content teacher, as in the paper (section 2.1): HuBERT-Base, layer 7, 100 units.

The model is one of the library `transformers`. Its convolutions have a stride of 320 samples and hear 400: its frame i
is about samples 320 i to 320 i + 399, and there is one frame less than we have labels. 40 samples of silence before
and after an utterance move frame i to 320 i - 40 to 320 i + 359, which has the same centre as our frame i, and give as
many frames as labels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from torch import Tensor

from streamvc.config import FRAME, SAMPLE_RATE
from streamvc.errors import CheckpointError, RuntimeUnavailableError
from streamvc.training.corpora.base import Utterance
from streamvc.training.units.extract import waves

MODEL = "facebook/hubert-base-ls960"
LAYER = 7
UNITS = 100
CPU = torch.device("cpu")


def load_hubert(source: str | Path = MODEL) -> Any:
    """A `transformers.HubertModel` in evaluation mode, float32, from a folder or by its name on the hub.

    Raises:
        RuntimeUnavailableError: the library is not installed, or the model cannot be fetched.
        CheckpointError: the folder holds no HuBERT, its weights are incomplete, or its frames are not 20 ms apart.
    """
    try:
        from transformers import HubertModel
    except ImportError as error:
        raise RuntimeUnavailableError(
            "The HuBERT teacher needs the package transformers: run pip install 'streamvc[hubert]'."
        ) from error
    local = Path(source).expanduser().is_dir()
    place = str(Path(source).expanduser()) if local else str(source)
    if local:
        _check_kind(Path(place))
    try:
        model, report = HubertModel.from_pretrained(place, local_files_only=local, output_loading_info=True)
    # RuntimeError: shapes of weights; ValueError: a configuration that cannot be
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        if local:
            raise CheckpointError(f"{place} holds no usable HuBERT ({reason}); download the model again.") from error
        raise RuntimeUnavailableError(
            f"{place} is no folder here and cannot be fetched ({reason}); where the hub can be reached, run "
            f"`hf download {MODEL} --local-dir hubert`, and give --model hubert."
        ) from error
    # older files name the two halves of the weight norm of one convolution otherwise, and the library renames them
    missing = [name for name in report["missing_keys"] if name != "masked_spec_embed"]
    if missing:
        raise CheckpointError(f"{place} lacks the weights {sorted(missing)[0]}; download the model again.")
    if receptive_field(model.config)[1] != FRAME:
        raise CheckpointError(f"{place} has no frames of {FRAME} samples; use a HuBERT for {SAMPLE_RATE} Hz.")
    return model.float().eval().requires_grad_(False)


def _check_kind(folder: Path) -> None:
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{folder} has no config.json of a model; give the folder of a HuBERT.") from error
    if kind != "hubert":
        raise CheckpointError(f"{folder} holds a model of type {kind}; give the folder of a HuBERT.")


def receptive_field(config: Any) -> tuple[int, int]:
    """Samples that one frame hears, and samples from one frame to the next."""
    heard, stride = 1, 1
    for kernel, step in zip(config.conv_kernel, config.conv_stride, strict=True):
        heard += (kernel - 1) * stride
        stride *= step
    return heard, stride


class HubertTeacher:
    """Features of HuBERT's layers on our label frames, as `streamvc.training.units.source.Teacher` says.

    Utterances are batched with others of the same length only: the model normalises over time, so that padding would
    change what it hears.

    Args:
        model: a `transformers.HubertModel`.
        audio: int16 samples of the packed corpus.
        normalise: bring each utterance to mean 0 and deviation 1 first, as models with `do_normalize` expect. Base
            models give the same features without.
        device: where to compute.
        frames: of one batch.
    """

    name = "hubert"

    def __init__(
        self, model: Any, audio: npt.NDArray[np.int16], normalise: bool = True, device: torch.device = CPU,
        frames: int = 1500,
    ) -> None:  # fmt: skip
        self.model, self.audio, self.normalise, self.device = model.to(device), audio, normalise, device
        self.frames = frames
        self.depth: int = model.config.num_hidden_layers
        self.width: int = model.config.hidden_size
        self.identity = f"hubert {fingerprint(model)[:16]}"
        self._blocks = model.encoder.layers

    def frontend(self, samples: Tensor) -> Tensor:
        """Pad utterances float32 [batch, 320 n] so that the model gives n frames that lie on ours."""
        heard, stride = receptive_field(self.model.config)
        before = (heard - stride) // 2
        if self.normalise:
            centred = samples - samples.mean(dim=-1, keepdim=True)
            samples = centred / torch.sqrt(centred.square().mean(dim=-1, keepdim=True) + 1e-7)
        return torch.nn.functional.pad(samples, (before, heard - stride - before))

    @torch.inference_mode()
    def __call__(
        self, rows: Sequence[Utterance], layers: tuple[int, ...]
    ) -> Iterator[tuple[Utterance, list[Tensor]]]:
        """[frames, width] float32 for each of `layers`, in order of length."""
        # the last block of a model whose norm comes first is not what follows it in the list of states
        complete = self.model.config.do_stable_layer_norm
        self.model.encoder.layers = self._blocks if complete else self._blocks[: max((1, *layers))]
        for batch in _equal(rows, self.frames):
            samples = torch.stack(waves(self.audio, batch)).to(self.device)
            states = self.model(self.frontend(samples), output_hidden_states=True).hidden_states
            for number, row in enumerate(batch):
                yield row, [states[layer][number].float().cpu() for layer in layers]


def _equal(rows: Sequence[Utterance], frames: int) -> Iterator[list[Utterance]]:
    """Batches of utterances of one length."""
    batch: list[Utterance] = []
    for row in sorted(rows, key=lambda row: row.length):
        if batch and (row.length != batch[0].length or (len(batch) + 1) * row.length > frames * FRAME):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def wants_normalised(source: str | Path) -> bool:
    """Whether the model in a folder says that it wants normalised samples; true where it does not say."""
    try:
        settings = json.loads((Path(source).expanduser() / "preprocessor_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return True
    return bool(settings.get("do_normalize", True))


def fingerprint(model: Any) -> str:
    """Equal for equal weights."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
