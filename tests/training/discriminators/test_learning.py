"""Every discriminator learns within some steps what sets speech apart from a buzz, and tells a generator."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from streamvc.training.discriminators import NAMES, build_discriminators
from streamvc.training.discriminators.stft import MultiStftDiscriminator
from streamvc.training.losses.adversarial import discriminator_loss, generator_loss


def signals(seed: int, samples: int, rows: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Voices with moving formants, a rhythm and breath between syllables; and buzzes of the same pitch and level,
    whose formants stand still."""
    random = torch.Generator().manual_seed(seed)
    time = torch.arange(samples) / 16_000

    def uniform(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(rows, 1, generator=random)

    def wave() -> torch.Tensor:
        return torch.sin(2 * torch.pi * uniform(3, 5) * time + uniform(0, 6))

    found = []
    for lively in (True, False):
        f0 = uniform(90, 220)
        phase = torch.cumsum(f0 * torch.exp(0.1 * wave()) / 16_000, dim=1) + uniform(0, 1)
        centre = uniform(600, 900) + 300 * lively * wave()
        level = 0.55 + 0.45 * wave() if lively else torch.full_like(phase, 0.65)
        voice = sum(torch.exp(-(((k * f0 - centre) / 500) ** 2)) * torch.cos(2 * torch.pi * k * phase)
                    for k in range(1, 16))
        breath = torch.randn(rows, samples, generator=random) * (0.3 * (1.2 - level) if lively else 0.1)
        sound = voice * level + breath
        found.append(0.05 * sound / sound.square().mean(dim=1, keepdim=True).sqrt())
    return found[0], found[1]


CASES: dict[str, tuple[Callable[[], nn.Module], float, int, int]] = {
    "melgan": (lambda: build_discriminators(["melgan"], 0.25), 2e-3, 30, 4_000),
    "period": (lambda: build_discriminators(["period"], 0.125), 1e-3, 40, 4_000),
    "stft": (lambda: MultiStftDiscriminator(0.25, "complex", (512, 256)), 4e-3, 90, 4_000),
    "stft-log": (lambda: MultiStftDiscriminator(0.25, "log", (512, 256)), 2e-3, 30, 4_000),
    "envelope": (lambda: build_discriminators(["envelope"], 0.25), 2e-3, 20, 8_000),
}
"""Small ones of every kind: learning rate, steps, and samples of a row."""


@pytest.mark.parametrize("name", CASES)
def test_it_learns_what_speech_is_and_judges_unheard_signals(name: str) -> None:
    torch.manual_seed(0)
    build, rate, steps, samples = CASES[name]
    critic = build()
    optimiser = torch.optim.AdamW(critic.parameters(), lr=rate, betas=(0.5, 0.9))
    losses = []
    for step in range(steps):
        real, fake = signals(step, samples)
        loss = discriminator_loss(critic(real), critic(fake))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[:4]) / 4 > 1.7  # who knows nothing has 2
    assert sum(losses[-4:]) / 4 < 1.5
    real, fake = signals(999, samples, rows=8)
    with torch.no_grad():
        judged_real, judged_fake = critic(real), critic(fake)
        assert discriminator_loss(judged_real, judged_fake).item() < 1.5
        # Row by row: each voice seems more real than each buzz.
        real_rows, fake_rows = (
            torch.stack([logits.flatten(1).mean(dim=1) for logits, _ in judged]).mean(dim=0)
            for judged in (judged_real, judged_fake)
        )
    assert real_rows.min() > fake_rows.max()
    # The generator's loss is lower for what seems real, and its gradient reaches the signal.
    fake.requires_grad_()
    loss = generator_loss(critic(fake))
    assert loss.item() > generator_loss(judged_real).item()
    loss.backward()
    assert fake.grad is not None
    assert torch.isfinite(fake.grad).all()
    assert (fake.grad.abs().amax(dim=1) > 0).all()


def test_all_names_are_tried() -> None:
    assert set(CASES) == set(NAMES)
