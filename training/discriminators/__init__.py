"""Discriminators, chosen by name: `build_discriminators(["melgan"])`."""

from streamvc.training.discriminators.registry import (
    NAMES,
    Discriminator,
    Ensemble,
    build_discriminators,
)
from streamvc.training.discriminators.spectrogram import (
    SIZES,
    Discriminators,
    EnvelopeDiscriminator,
    TextureDiscriminator,
)

__all__ = [
    "NAMES",
    "SIZES",
    "Discriminator",
    "Discriminators",
    "Ensemble",
    "EnvelopeDiscriminator",
    "TextureDiscriminator",
    "build_discriminators",
]
