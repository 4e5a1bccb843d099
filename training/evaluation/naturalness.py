"""How natural it sounds: DistillMOS (Stahl and Gamper 2025), a small network that predicts a listener's rating.

Measured: clean speech 4.1, WORLD resynthesis 3.6, flat pitch 2.9, Griffin-Lim 2.8, noise at 10 dB 2.3, espeak 2.0.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final

import numpy as np

from streamvc.training.evaluation.optional import INSTALL_WITHOUT_DEPENDENCIES, require
from streamvc.training.evaluation.pairs import Wave

MEASURE: Final = "the naturalness"
LOWEST: Final = 1.0
"""Bottom of the scale of ratings, 1 to 5."""


@contextlib.contextmanager
def _torchaudio_in_name() -> Iterator[None]:
    """Let a module import `torchaudio` where it is not installed.

    DistillMOS imports it for its command line, which reads files; its network never touches it. An installed
    torchaudio is left alone, and an empty stand-in does not outlive the import.
    """
    if "torchaudio" in sys.modules or importlib.util.find_spec("torchaudio") is not None:
        yield
        return
    sys.modules["torchaudio"] = ModuleType("torchaudio")
    try:
        yield
    finally:
        del sys.modules["torchaudio"]


class NaturalnessJudge:
    """DistillMOS on the CPU.

    Raises (on construction):
        RuntimeUnavailableError: distillmos or xls-r-sqa is not installed.
    """

    def __init__(self) -> None:
        with _torchaudio_in_name():
            package = require("distillmos", MEASURE, INSTALL_WITHOUT_DEPENDENCIES)
        # The package prints where its weights lie; results belong on that stream.
        with contextlib.redirect_stdout(io.StringIO()):
            self._model: Any = package.ConvTransformerSQAModel()
        self._model.eval()
        self._torch: Any = require("torch", MEASURE)

    def rate(self, wave: Wave) -> float:
        """Predicted mean opinion score, 1 to 5, of `wave` [samples] at 16 kHz. Its level does not matter."""
        samples = self._torch.from_numpy(np.array(wave, dtype=np.float32))[None]
        with self._torch.inference_mode():
            return float(self._model(samples).item())
