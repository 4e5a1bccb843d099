"""What a fit changes about a voice, and how far to go with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streamvc.presets.format import Preset


@dataclass(frozen=True)
class Change:
    """Where a fit ended.

    Args:
        latent: [64], mean 0 and spread 1 as the speech encoder's.
        adaptation: [n], added to the decoder's modulation.
        seconds, steps: of speech that it learnt from, and of the optimiser.
    """

    latent: NDArray[np.float32]
    adaptation: NDArray[np.float32]
    seconds: float
    steps: int

    def applied(self, preset: Preset, share: float) -> Preset:
        """A preset that was not fitted, `share` (0 to 1) of the way to where the fit ended."""
        if share == 0.0:
            return preset
        moved = preset.latent + np.float32(share) * (self.latent - preset.latent)
        return replace(preset, latent=normed(moved), adaptation=np.float32(share) * self.adaptation)


def normed(latent: NDArray[np.float32]) -> NDArray[np.float32]:
    """A latent [64] with mean 0 and spread 1: the only ones that the decoder has met."""
    centred = latent.astype(np.float64) - latent.mean()
    result: NDArray[np.float32] = (centred / np.sqrt(np.square(centred).mean() + 1e-5)).astype(np.float32)
    return result
