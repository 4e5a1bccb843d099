"""What lies in the padding changes no loss and no gradient, whatever it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from streamvc.training.discriminators import build_discriminators
from streamvc.training.losses.adversarial import discriminator_loss, feature_loss, generator_loss
from streamvc.training.losses.content import agreement, content_distance
from streamvc.training.losses.masking import lengths_of, masked_mean, share_of, within, without_padding
from streamvc.training.losses.pieces import draw_pieces
from streamvc.training.losses.spectral import PaperSpectralLoss, SpectralLoss

ROWS, FRAMES = 4, 40
SAMPLES = FRAMES * 320
LENGTHS = torch.tensor([40, 31, 22, 9])
VALID = within(LENGTHS, FRAMES)


def noise(*shape: int, seed: int) -> Tensor:
    return 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def with_padding(speech: Tensor, seed: int, scale: int = 320) -> Tensor:
    """Other things in the padding: loud noise."""
    return torch.where(within(LENGTHS * scale, speech.shape[-1]), speech, 5 * noise(*speech.shape, seed=seed))


Measure = Callable[[Tensor, Tensor], Tensor]


def measures() -> dict[str, Measure]:
    """All losses of output and target `[batch, samples]` that know of padding."""
    torch.manual_seed(0)
    spectral, paper = SpectralLoss(), PaperSpectralLoss()
    lengths = lengths_of(VALID)
    pieces = draw_pieces(torch.rand(ROWS, generator=torch.Generator().manual_seed(1)), 6_000, SAMPLES, lengths)
    found: dict[str, Measure] = {
        "spectral": lambda a, b: spectral(a, b, lengths),
        "paper": lambda a, b: paper(a, b, lengths),
    }
    for name in ("melgan", "period", "stft", "envelope"):
        critic = build_discriminators([name], 0.0625)

        def judge(a: Tensor, b: Tensor, critic: torch.nn.Module = critic, form: str = "all") -> Tensor:
            fake, real = critic(pieces.cut(a)), critic(pieces.cut(b))
            losses = (
                discriminator_loss(real, fake, pieces.share), generator_loss(fake, pieces.share, "hinge"),
                feature_loss(real, fake, pieces.share), feature_loss(real, fake, pieces.share, relative=False),
            )
            return torch.stack(losses).sum()

        found[name] = judge
    return found


@pytest.mark.parametrize("name", ["spectral", "paper", "melgan", "period", "stft", "envelope"])
def test_no_loss_and_no_gradient_depends_on_the_padding(name: str) -> None:
    measure = measures()[name]
    speech, target = noise(ROWS, SAMPLES, seed=2), noise(ROWS, SAMPLES, seed=3)
    results = []
    for seed in (4, 5):
        output = with_padding(speech, seed).requires_grad_()
        loss = measure(output, with_padding(target, seed + 10))
        (slope,) = torch.autograd.grad(loss, output)
        assert slope[~within(LENGTHS * 320, SAMPLES)].abs().sum() == 0
        assert (slope.abs().amax(dim=1) > 0).sum() >= 3  # the shortest row has no whole window of the largest judges
        results.append((loss, slope))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])
    # It does depend on the speech.
    other = speech.clone()
    other[2, 3_000:4_000] = 0
    assert measure(with_padding(other, 4), with_padding(target, 14)).item() != results[0][0].item()


@pytest.mark.parametrize("kind", ["distance", "agreement"])
def test_content_of_padding_is_not_counted(kind: str) -> None:
    """A causal encoder has heard padding from the first padded frame on."""
    heard, wanted = noise(ROWS, 8, FRAMES - 4, seed=1), noise(ROWS, 8, FRAMES, seed=2)

    def measure(a: Tensor, b: Tensor) -> Tensor:
        if kind == "agreement":
            return agreement(a, b[..., : a.shape[-1]], 3, VALID[:, : a.shape[-1]])
        return content_distance(a, b, 4, 8, VALID)

    # Of the distance, frame t of what is heard lies 4 frames further in what was to be spoken.
    shift = 0 if kind == "agreement" else 4
    padding = ~VALID[:, shift : shift + FRAMES - 4].unsqueeze(1)
    results = []
    for value in (0.0, 7.0):
        a = heard.masked_fill(padding, value).requires_grad_()
        loss = measure(a, wanted.masked_fill(~VALID.unsqueeze(1), value))
        (slope,) = torch.autograd.grad(loss, a)
        assert slope.masked_select(padding).abs().sum() == 0
        results.append((loss, slope))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])
    assert (results[0][1].abs().sum(dim=(1, 2))[:3] > 0).all()


def test_content_distance_is_zero_for_what_was_to_be_spoken_and_sees_one_frame_of_shift() -> None:
    wanted = noise(3, 8, FRAMES, seed=1)
    # Speech that begins 4 frames later; the encoder describes its frame t - 2 at t.
    heard = torch.cat((noise(3, 8, 2, seed=2), wanted[..., 4 : FRAMES - 2]), dim=-1)
    assert content_distance(heard, wanted, 4, 8).item() == 0
    assert content_distance(heard.roll(1, dims=-1), wanted, 4, 8).item() > 0.01


def test_a_masked_mean_is_that_of_each_row_and_takes_infinities_in_the_padding() -> None:
    values = torch.arange(12.0).reshape(2, 6).requires_grad_()
    counted = within(torch.tensor([3, 0]), 6)
    assert masked_mean(values, counted).item() == pytest.approx((1.0 + 0.0) / 2)
    broken = values.masked_fill(~counted, float("inf"))
    loss = masked_mean(broken, counted)
    loss.backward()
    assert loss.item() == pytest.approx(0.5)
    assert values.grad is not None
    assert values.grad.tolist() == [[pytest.approx(1 / 6)] * 3 + [0] * 3, [0] * 6]
    deep = torch.ones(2, 3, 6, 2)
    assert masked_mean(deep, within(torch.tensor([2, 6]), 6), dim=2).item() == 1


def test_lengths_shares_and_silence() -> None:
    assert lengths_of(VALID).tolist() == [12_800, 9_920, 7_040, 2_880]
    assert share_of(torch.tensor([12_800, 9_920, 100]), 4_000, 8_000).tolist() == pytest.approx([1.0, 0.74, 0.0])
    speech = torch.full((4, SAMPLES), float("nan"))
    silent = without_padding(speech, lengths_of(VALID))
    assert (silent.isnan().sum(dim=1) == lengths_of(VALID)).all()


def test_pieces_lie_within_speech_and_are_the_same_of_both() -> None:
    lengths = torch.tensor([12_800, 9_000, 5_000, 0])
    speech = torch.arange(1.0, 12_801).repeat(4, 1)
    seen = set()
    for seed in range(30):
        places = torch.rand(4, generator=torch.Generator().manual_seed(seed))
        pieces = draw_pieces(places, 8_000, 12_800, lengths)
        cut = pieces.cut(speech)
        assert cut.shape == (4, 8_000)
        assert pieces.share.tolist() == pytest.approx([1.0, 1.0, 0.625, 0.0])
        assert cut[1].max() <= 9_000
        assert (cut[:2] > 0).all()
        assert cut[2, 5_000:].abs().sum() == cut[3].abs().sum() == 0
        assert torch.equal(cut[2, :5_000], speech[2, :5_000])
        assert torch.equal(pieces.of(slice(0, 4, 2)).cut(speech[::2]), cut[::2])
        # Row by row: a split batch has the same pieces.
        assert torch.equal(draw_pieces(places[1:3], 8_000, 12_800, lengths[1:3]).cut(speech[1:3]), cut[1:3])
        seen.add(int(cut[0, 0]))
    assert len(seen) > 20
    assert min(seen) < 1_200 < 3_600 < max(seen)
    assert draw_pieces(torch.tensor([0.999]), 8_000, 6_000).cut(speech[:1, :6_000]).shape == (1, 6_000)
