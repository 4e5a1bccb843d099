"""Spread the latents of a speech encoder over all of their directions before it learns on.

Measured on a trained encoder (docs/experiments.md, row spk3): its latents varied by 0.5 along one direction and by
0.001 along others, so that gradients hardly moved what tells people apart, and a decoder hardly heard it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamvc.model.live import SpeechEncoder

SHRINK = 0.02
"""Of the mean variance, added to each direction's: what hardly varies is not blown up to noise."""
RIDGE = 3.0
"""Of the least squares, in clips."""


def whitener(latents: Tensor, shrink: float = SHRINK) -> tuple[Tensor, Tensor]:
    """Mean `[dim]` and symmetric matrix `[dim, dim]` that give latents `[n, dim]` mean 0 and about equal spreads."""
    exact = latents.double()
    mean = exact.mean(dim=0)
    values, vectors = torch.linalg.eigh(torch.cov((exact - mean).T))
    spread = (values.clamp(min=0) + shrink * values.mean()).rsqrt()
    return mean.to(latents.dtype), (vectors * spread @ vectors.T).to(latents.dtype)


@torch.no_grad()
def whiten_encoder(encoder: SpeechEncoder, mels: list[Tensor]) -> Tensor:
    """Change the last layer of an encoder so that its latents are about white, and return them, `[n, dim]`.

    White is what goes into the norm that ends the encoder: of what comes out of it, each latent has the same length.

    Args:
        encoder: changed in place.
        mels: batches of log-mel `[batch, 80, 2 * frames]`.
    """
    raw: list[Tensor] = []
    handle = encoder.project.register_forward_hook(lambda _module, _inputs, output: raw.append(output))
    try:
        for mel in mels:
            encoder(mel)
    finally:
        handle.remove()
    before = torch.cat(raw)
    mean, matrix = whitener(before)
    encoder.project.bias.copy_(matrix @ (encoder.project.bias - mean))
    encoder.project.weight.copy_(matrix @ encoder.project.weight)
    return F.layer_norm((before - mean) @ matrix, mean.shape)


@torch.no_grad()
def solve(layer: nn.Linear, inputs: Tensor, wanted: Tensor) -> None:
    """Set a layer to the least squares from `inputs [n, a]` to `wanted [n, b]`."""
    ones = torch.cat((inputs, inputs.new_ones(len(inputs), 1)), dim=1).double()
    normal = ones.T @ ones + RIDGE * torch.eye(ones.shape[1], dtype=ones.dtype)
    solution = torch.linalg.solve(normal, ones.T @ wanted.double()).to(layer.weight.dtype)
    layer.weight.copy_(solution[:-1].T)
    layer.bias.copy_(solution[-1])
