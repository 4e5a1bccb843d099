"""How much each loss of stage 2 counts, for both configurations."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from streamvc.errors import ConfigError


@dataclass(frozen=True)
class LossWeights:
    """Factors of the decoder's losses; a loss of weight 0 need not be computed.

    reconstruction: spectral distance to the recording.
    fooling: the adversarial loss of the generator.
    features: feature matching, inside the discriminators.
    speaker: naming the training speaker from the latent.
    swap: converted speech being named as its target by the model's own speech encoder.
    verified: converted speech being verified as its target by a frozen verification network.
    nearer: converted speech being nearer to its target than to its source, for the same network.
    words: what was spoken keeping its content.
    heard: what was spoken sounding like its source to a recogniser's encoder.
    buzz: pulses in unvoiced speech (source-filter decoder only).

    Raises:
        ConfigError: a weight is negative or no finite number.
    """

    reconstruction: float = 1.0
    fooling: float = 0.0
    features: float = 0.0
    speaker: float = 0.0
    swap: float = 0.0
    verified: float = 0.0
    nearer: float = 0.0
    words: float = 0.0
    heard: float = 0.0
    buzz: float = 0.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
                raise ConfigError(f"The weight of the loss {field.name!r} is {value!r}; give a number of at least 0.")

    def total(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of scalar losses by their names.

        Raises:
            KeyError: no weight has such a name.
        """
        known = {field.name for field in dataclasses.fields(self)}
        if not losses or set(losses) - known:
            raise KeyError(f"losses are named {sorted(losses)}, weights {sorted(known)}")
        terms = [getattr(self, name) * value for name, value in losses.items()]
        return torch.stack(terms).sum()


PAPER = LossWeights(reconstruction=1.0, fooling=1.0, features=100.0)
"""StreamVC (arXiv 2401.03078) trains its decoder with the losses of SoundStream (arXiv 2107.03312), whose section III-E
gives these three weights. Nothing else teaches the paper's decoder and speech encoder."""

LIVE = LossWeights(
    reconstruction=2.0, fooling=0.6, features=6.0, verified=6.0, nearer=4.0, words=9.0, buzz=1.0
)  # fmt: skip
"""With which the shipped weights were trained (gan9 of docs/experiments.md, speech encoder held still)."""

_WEIGHTS = {"paper": PAPER, "live": LIVE}


def loss_weights(configuration: str) -> LossWeights:
    """The default weights of a model configuration.

    Raises:
        ConfigError: no weights are known under that name.
    """
    try:
        return _WEIGHTS[configuration]
    except KeyError:
        names = ", ".join(_WEIGHTS)
        raise ConfigError(f"No loss weights are named {configuration!r}; choose one of {names}.") from None
