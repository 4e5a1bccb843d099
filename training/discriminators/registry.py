"""One registry of discriminators, so that a recipe chooses them by name.

All of them are called in the same way: `discriminator(x [batch, samples]) -> list[Judgement]`, a judgement from each of
their members. In every tensor of a judgement time is dimension 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, cast

from torch import Tensor, nn

from streamvc.errors import ConfigError
from streamvc.training.discriminators.melgan import MelGanDiscriminator
from streamvc.training.discriminators.period import MultiPeriodDiscriminator
from streamvc.training.discriminators.spectrogram import Discriminators
from streamvc.training.discriminators.stft import MultiStftDiscriminator
from streamvc.training.losses.adversarial import Judgement


class Discriminator(Protocol):
    """What judges speech `[batch, samples]` at 16 kHz."""

    def __call__(self, x: Tensor) -> list[Judgement]:
        """Logits and inner activations of each member; positive logits mean "real"."""
        ...


class Ensemble(nn.Module):
    """Several discriminators as one; `members` are by name."""

    def __init__(self, members: dict[str, nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleDict(members)

    def forward(self, x: Tensor) -> list[Judgement]:
        return [judgement for member in self.members.values() for judgement in cast(list[Judgement], member(x))]


_REGISTRY: dict[str, Callable[[float], nn.Module]] = {
    "melgan": MelGanDiscriminator,
    "period": MultiPeriodDiscriminator,
    "stft": MultiStftDiscriminator,
    "stft-log": lambda width: MultiStftDiscriminator(width, "log"),
    "envelope": lambda width: Discriminators(width=width),
}
NAMES = tuple(_REGISTRY)
"""Names that :func:`build_discriminators` knows: `melgan` is the paper's, `envelope` the one behind the weights."""


def build_discriminators(names: Sequence[str], width: float = 1.0) -> nn.Module:
    """The discriminators of these names: one alone is given as itself, several as an :class:`Ensemble`.

    `width` scales their channels; 1 is the published size.

    Raises:
        ConfigError: there is no name, one stands twice or is not known, or `width` is not above 0.
    """
    if not names:
        raise ConfigError(f"No discriminator is named; choose from {', '.join(NAMES)}.")
    if len(set(names)) != len(names):
        raise ConfigError(f"A discriminator stands twice in {', '.join(names)}; name each once.")
    for name in names:
        if name not in _REGISTRY:
            raise ConfigError(f"No discriminator is named {name!r}; choose from {', '.join(NAMES)}.")
    if not width > 0:
        raise ConfigError(f"The width of discriminators is {width}; give a number above 0 (1 is the published size).")
    members = {name: _REGISTRY[name](width) for name in names}
    return next(iter(members.values())) if len(members) == 1 else Ensemble(members)
