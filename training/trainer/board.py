"""TensorBoard: losses, held-out speech to hear, and its spectrogram with pitch.

The pictures are made with NumPy: a training does not need a library of plots for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from streamvc.config import SAMPLE_RATE, YinConfig
from streamvc.dsp.mel import LogMel
from streamvc.dsp.yin import Yin
from streamvc.errors import RuntimeUnavailableError
from streamvc.training.stages.base import Sound
from streamvc.training.trainer.folder import writing

_HOP = 160
_BANDS = 80
_SCALE = 3
"""Pixels per mel band and per two steps."""
_COLOURS = np.array([(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)], np.float32)
_PITCH = np.array((0, 255, 255), np.uint8)
_LOWEST, _HIGHEST = 50.0, 500.0
"""Hz at the lower and the upper edge of a picture of pitch."""


class Board:
    """Writes `tensorboard/` of a stage.

    Raises (on construction):
        RuntimeUnavailableError: tensorboard is not installed.
        TrainingError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise RuntimeUnavailableError(
                "TensorBoard is not installed, so that the run is logged in metrics.jsonl alone; run "
                "pip install 'streamvc[train]' for its pictures, or give --set tensorboard=false."
            ) from error
        self._make: Any = SummaryWriter
        self.folder = folder
        self.writer: Any = None
        self.purge: int | None = None

    def _open(self) -> Any:
        if self.writer is None:
            self.writer = self._make(str(self.folder), purge_step=self.purge)
        return self.writer

    def resume(self, step: int) -> None:
        """Drop what was shown after a step."""
        self.purge = step + 1

    def numbers(self, step: int, values: dict[str, float]) -> None:
        """Losses and measures at a step."""
        with writing(self.folder):
            for name, value in values.items():
                self._open().add_scalar(f"{'held out' if name.startswith('valid') else 'training'}/{name}", value, step)

    def sounds(self, step: int, sounds: Sequence[Sound]) -> None:
        """Held-out speech at a step."""
        with writing(self.folder):
            for sound in sounds:
                for name, wave in sound.waves.items():
                    self._open().add_audio(f"{sound.name}/{name}", wave.clamp(-1, 1), step, SAMPLE_RATE)
                    picture = spectrogram(wave)
                    self._open().add_image(f"{sound.name}/{name} spectrogram", picture, step, dataformats="HWC")
                self._open().add_image(
                    f"{sound.name}/f0", pitch_picture(list(sound.waves.values())), step, dataformats="HWC"
                )
            self._open().flush()

    def close(self) -> None:
        """Write what is waiting."""
        if self.writer is not None:
            with writing(self.folder):
                self.writer.close()
            self.writer = None


def spectrogram(wave: Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Log-mel of samples `[n]` as a picture `[height, width, 3]`, low frequencies below, with the pitch drawn in."""
    samples = _whole(wave)
    mel, _ = LogMel(_BANDS, 512, _HOP)(samples)
    level = np.clip((mel[0].numpy() + 1.0) / 3.0, 0, 1)
    place = level * (len(_COLOURS) - 1)
    below = np.minimum(place.astype(int), len(_COLOURS) - 2)
    share = (place - below)[..., None]
    picture = ((1 - share) * _COLOURS[below] + share * _COLOURS[below + 1]).astype(np.uint8)
    return np.ascontiguousarray(picture[::-1].repeat(_SCALE, axis=0).repeat(_SCALE - 1, axis=1))


def pitch_picture(waves: Sequence[Tensor]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Pitch over time of several waves `[n]` in one picture, 50 to 500 Hz: white, cyan, then orange."""
    colours = [np.array(c, np.uint8) for c in ((255, 255, 255), _PITCH, (255, 140, 0))]
    height = _BANDS * _SCALE
    width = max(len(_whole(wave)[0, 0]) // _HOP for wave in waves) * (_SCALE - 1)
    picture = np.zeros((height, width, 3), np.uint8)
    yin = Yin(YinConfig())
    for wave, colour in zip(waves, colours, strict=False):
        estimates, _ = yin(_whole(wave))
        log_f0, voiced = estimates[0, -3].numpy(), estimates[0, -2].numpy() > 0
        place = (log_f0 - np.log(_LOWEST)) / np.log(_HIGHEST / _LOWEST)
        rows = (height - 1 - np.clip(place, 0, 1) * (height - 1)).astype(int)
        for step in np.flatnonzero(voiced):
            picture[max(0, rows[step] - 1) : rows[step] + 2, 2 * step : 2 * step + 2] = colour
    return picture


def _whole(wave: Tensor) -> Tensor:
    samples = wave.detach().float().cpu()
    whole: Tensor = samples[: len(samples) // _HOP * _HOP].reshape(1, 1, -1)
    return torch.nan_to_num(whole)
