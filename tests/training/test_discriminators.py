"""Discriminators learn at once what sets smoothed noise apart from the real one, and say so to a generator."""

from __future__ import annotations

import torch

from streamvc.training.discriminators import SIZES, Discriminators
from streamvc.training.losses.adversarial import discriminator_loss, generator_loss


def signals(seed: int, rows: int = 4, samples: int = 8_000) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise whose level moves 40 times a second, and noise of the same mean level that does not."""
    random = torch.Generator().manual_seed(seed)
    time = torch.arange(samples) / 16_000
    moving = 1 + 0.9 * torch.sin(2 * torch.pi * 40 * time + 6 * torch.rand(rows, 1, generator=random))
    lively, flat = (0.1 * torch.randn(rows, samples, generator=random) for _ in range(2))
    return lively * moving, flat * moving.square().mean(dim=1, keepdim=True).sqrt()


def test_they_learn_within_forty_steps_and_judge_unheard_signals() -> None:
    torch.manual_seed(0)
    critics = Discriminators()
    optimiser = torch.optim.AdamW(critics.parameters(), lr=3e-4, betas=(0.5, 0.9))
    for step in range(40):
        real, fake = signals(step)
        loss = discriminator_loss(critics(real), critics(fake))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    real, fake = signals(999)
    assert float(discriminator_loss(critics(real), critics(fake))) < 1.0
    # The generator's loss is lower for what seems real, and its gradient reaches the signal.
    fake.requires_grad_()
    loss = generator_loss(critics(fake))
    assert float(loss) > float(generator_loss(critics(real)))
    loss.backward()
    assert fake.grad is not None
    assert float(fake.grad.abs().max()) > 0


def test_there_is_one_envelope_judge_for_each_size_and_each_gives_its_inner_life() -> None:
    judgements = Discriminators(textures=2)(signals(1)[0])
    assert len(judgements) == len(SIZES) + 2
    assert all(len(inner) == 4 for _, inner in judgements)
