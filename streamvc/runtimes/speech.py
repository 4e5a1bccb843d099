"""The speech encoder behind one protocol: speech of a target speaker in, the latent of the voice out."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from streamvc.config import FRAME
from streamvc.errors import CheckpointError, RuntimeUnavailableError
from streamvc.runtimes.base import Array
from streamvc.runtimes.cache import fingerprint
from streamvc.runtimes.session import open_session

if TYPE_CHECKING:
    from streamvc.model import Model

_LOG = logging.getLogger(__name__)


class SpeechEncoder(Protocol):
    """One set of weights, ready to listen."""

    fingerprint: str
    """Of the weights; presets carry the one they were made with."""

    def embed(self, speech: Array) -> Array:
        """Speaker latent `[64]` of speech `[samples]` at 16 kHz, of which whole frames of 320 samples are heard."""
        ...


def load_speech_encoder(weights: str | os.PathLike[str]) -> SpeechEncoder:
    """The speech encoder of a checkpoint: its graph, if that lies beside it and belongs to it, else the model in torch.

    Raises:
        CheckpointError: the weights or the graph cannot be used.
        RuntimeUnavailableError: there is no graph, and torch is not installed.
    """
    path = Path(weights)
    graph = speech_graph(path.with_suffix(".onnx"))
    if graph.is_file():
        encoder = OnnxSpeechEncoder(graph)
        if not path.is_file() or encoder.fingerprint == fingerprint(path):
            return encoder
        _LOG.warning("%s belongs to other weights than %s and is not used.", graph, path.name)
    if not path.is_file():
        raise CheckpointError(f"There is no weights file at {path}; check the path, or reinstall streamvc.")
    try:
        from streamvc.checkpoint import load_model
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"There is no ONNX graph of the speech encoder of {path}, and without one it needs PyTorch ({error}); "
            "run `pip install 'streamvc[torch]'`."
        ) from error
    return TorchSpeechEncoder(load_model(path), fingerprint(path))


def speech_graph(graph: Path) -> Path:
    """Where the graph of the speech encoder lies that belongs to the graph of a step."""
    return graph.with_name(f"{graph.stem}-speech{graph.suffix}")


class OnnxSpeechEncoder:
    """Runs a graph that :mod:`streamvc.runtimes.export` wrote, on one thread.

    Raises:
        RuntimeUnavailableError: ONNX Runtime is not installed.
        CheckpointError: the file is missing or is not such a graph.
    """

    def __init__(self, graph: Path) -> None:
        self._session, meta = open_session(graph, "speech")
        self.fingerprint = str(meta["fingerprint"])

    def embed(self, speech: Array) -> Array:
        """See :class:`SpeechEncoder`."""
        (latent,) = self._session.run(["latent"], {"samples": _whole_frames(speech)})
        result: Array = latent[0]
        return result


class TorchSpeechEncoder:
    """The speech encoder of a model in eager PyTorch."""

    def __init__(self, model: Model, weights_fingerprint: str = "") -> None:
        self.model, self.fingerprint = model, weights_fingerprint

    def embed(self, speech: Array) -> Array:
        """See :class:`SpeechEncoder`."""
        import torch

        with torch.inference_mode():
            latent: Array = self.model.embed(torch.from_numpy(_whole_frames(speech)))[0].numpy()
        return latent


def _whole_frames(speech: Array) -> Array:
    whole = len(speech) // FRAME * FRAME
    return np.ascontiguousarray(speech[np.newaxis, :whole], np.float32)
