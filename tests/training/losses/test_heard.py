"""Word supervision, judged by an encoder of Whisper's shape with weights of chance: other speech costs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from streamvc.config import FRAME
from streamvc.errors import RuntimeUnavailableError
from streamvc.training.listener import Listener
from streamvc.training.losses.heard import heard_loss
from streamvc.training.units.mel import log_mel
from streamvc.training.units.whisper import WhisperEncoder, load_encoder

Speak = Callable[[float, float, int], np.ndarray]


@pytest.fixture(scope="module")
def chance() -> Listener:
    torch.manual_seed(0)
    return Listener(WhisperEncoder().eval(), layer=1, bf16=False)


def speech(speak: Speak, *pitches: float, seed: int = 0, seconds: float = 1.0) -> Tensor:
    waves = np.stack([speak(f0, seconds, seed + i) for i, f0 in enumerate(pitches)])
    return torch.from_numpy(waves[:, : waves.shape[1] // FRAME * FRAME])


def test_the_mel_is_that_of_the_units_row_by_row(chance: Listener, make_speech: Speak) -> None:
    both = speech(make_speech, 110, 220)
    torch.testing.assert_close(chance.mel(both)[1], log_mel(both[1]), rtol=1e-4, atol=1e-4)


def test_the_source_itself_costs_nothing_and_other_speech_more_than_a_faint_copy(
    chance: Listener, make_speech: Speak
) -> None:
    source = speech(make_speech, 110, 180)
    noise = torch.randn(source.shape, generator=torch.Generator().manual_seed(1))
    assert heard_loss(chance, source, source).item() == pytest.approx(0, abs=1e-5)
    near = heard_loss(chance, source + 0.02 * source.std() * noise, source).item()
    far = heard_loss(chance, source.flip(0), source).item()
    assert 0 < near < 0.5 * far


def test_only_what_was_spoken_gets_a_gradient_and_padding_none(chance: Listener, make_speech: Speak) -> None:
    source = speech(make_speech, 110, 180).requires_grad_()
    spoken = speech(make_speech, 130, 190, seed=5).requires_grad_()
    lengths = torch.tensor([source.shape[1], 30 * FRAME])
    heard_loss(chance, spoken, source, lengths).backward()
    assert source.grad is None
    assert spoken.grad is not None
    assert spoken.grad[0].abs().max() > 0
    assert spoken.grad[1, 30 * FRAME :].abs().max() == 0
    assert all(p.grad is None for p in chance.parameters())


def test_whisper_hears_the_same_words_in_another_register(make_speech: Speak) -> None:
    try:
        listener = Listener(load_encoder())
    except RuntimeUnavailableError as error:
        pytest.skip(str(error))
    source = speech(make_speech, 110, 150)
    louder = heard_loss(listener, 0.5 * source, source).item()
    assert louder < 0.2 < heard_loss(listener, source.flip(0), source).item()
