"""The voice-conversion model in its configurations."""

from __future__ import annotations

from typing import TypeAlias

from streamvc.config import LiveConfig, ModelConfig
from streamvc.dsp.dft import Transform
from streamvc.model.live import LiveModel
from streamvc.model.paper import PaperModel

Model: TypeAlias = LiveModel | PaperModel


def build_model(config: ModelConfig, transform: Transform = "fft") -> Model:
    """An untrained model of that configuration; `transform` chooses how its DFTs are computed (dsp/dft.py)."""
    if isinstance(config, LiveConfig):
        return LiveModel(config, transform)
    return PaperModel(config, transform)
