"""The learned half of the decoder in the exported step: one frame of each of `b` streams."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamvc.dsp.filter import MinimumPhase
from streamvc.model.live import FINE, Decoder
from streamvc.runtimes.frame_blocks import Coarse, Fine, Front, convnext
from streamvc.runtimes.operators import branch, norm


class Network(nn.Module):
    """The learned half of the decoder: features, hints and latent -> log magnitudes and phases of the filters.

    The latent is always followed by an adaptation, of zeros for a voice that has none.
    """

    film_weight: Tensor
    film_bias: Tensor
    norm_gain: Tensor
    norm_offset: Tensor
    slope: Tensor

    def __init__(self, decoder: Decoder, features: tuple[Tensor, Tensor, Tensor], hints: Tensor) -> None:
        """`features`: order, shift and factor for :class:`Front`. `hints [n + 1, 4, 3]`: what each of the n inputs, and
        a last one that is always 1, adds to the three hints of the model in each quarter of the frame.
        """
        super().__init__()
        self.front = Front(decoder.front, *features)
        coarse, fine = convnext(decoder.blocks), convnext(decoder.fine_blocks)
        self.coarse = nn.ModuleList(Coarse(b) for b in coarse)
        self.fine = nn.ModuleList(Fine(b) for b in fine)
        self.expand, self.norm, self.head = decoder.expand, decoder.norm, decoder.head
        # The hints' layer as part of what expands the frame to quarters.
        narrow = decoder.hint.weight.shape[0]
        weight = torch.einsum("hqi,wi->qwh", hints.to(decoder.hint.weight), decoder.hint.weight.detach())
        weight = weight.reshape(FINE * narrow, -1)
        self.hint = nn.Linear(hints.shape[0] - 1, FINE * narrow)
        self.hint.weight = nn.Parameter(weight[:, :-1].contiguous(), False)
        self.hint.bias = nn.Parameter(decoder.hint.bias.detach().repeat(FINE) + weight[:, -1], False)
        # All FiLMs and the affine halves of their norms as one product: first all gains, then all offsets.
        projections = [b.film.project for b in (*coarse, *fine) if b.film is not None]
        self.widths = [b.depthwise.inputs for b in (*coarse, *fine)]
        halves = [(p.weight.detach().chunk(2), p.bias.detach().chunk(2)) for p in projections]
        self.latent = decoder.config.latent_dim
        self.register_buffer("film_weight", torch.cat([w[half] for half in (0, 1) for w, _ in halves]))
        self.register_buffer("film_bias", torch.cat([b[half] for half in (0, 1) for _, b in halves]))
        self.register_buffer("norm_gain", torch.cat([b.norm.weight.detach() for b in (*coarse, *fine)]))
        self.register_buffer("norm_offset", torch.cat([b.norm.bias.detach() for b in (*coarse, *fine)]))
        self.register_buffer("slope", decoder.slope)
        self.pulse_phase, self.noise_phase = Phase(decoder.pulse_phase), Phase(decoder.noise_phase)
        self.shapes = {
            "features": self.front.size, **{f"fine{i}": b.past * b.width for i, b in enumerate(self._fine())},
            "latent": sum(self.film_weight.shape), "film": self.film_weight.shape[0],
        }

    def film(self, latent: Tensor) -> Tensor:
        """Gains and offsets of all norms, `[b, 2 * widths]`."""
        return _film(latent, self.film_weight, self.film_bias, self.norm_gain, self.norm_offset, self.latent)

    def forward(
        self, features: Tensor, hints: Tensor, latent: Tensor, state: Mapping[str, Tensor], before: Sequence[Tensor]
    ) -> tuple[Tensor, dict[str, Tensor], list[Tensor]]:
        """Spectra `[b * 4, 4 * bins]`, the state after the frame, and the inputs of the 50 Hz blocks for the rings.

        A row of the spectra holds the log magnitudes of the filters of pulses and of noise, then their phases.
        """
        film = _when_new(
            latent, state["latent"], state["film"], self.film_weight, self.film_bias, self.norm_gain, self.norm_offset,
            self.latent,
        )
        pieces = torch.split(film, 2 * self.widths, dim=1)
        affine = list(zip(pieces[: len(self.widths)], pieces[len(self.widths) :], strict=True))

        x, seen = self.front(state["features"], features)
        after, inputs = {"features": seen, "latent": latent, "film": film}, []
        for block, past, (gain, offset) in zip(self.coarse, before, affine[: len(self.coarse)], strict=True):
            inputs.append(x)
            x = block(x, past, gain, offset)
        narrow = self.widths[-1]
        x = (self.expand(x) + self.hint(hints)).reshape(-1, FINE, narrow)
        for i, (block, (gain, offset)) in enumerate(zip(self.fine, affine[len(self.coarse) :], strict=True)):
            x, after[f"fine{i}"] = block(x, state[f"fine{i}"], gain, offset)
        normed = norm(x.reshape(-1, narrow), self.norm.weight, self.norm.bias, self.norm.eps)
        return F.linear(normed, *self.spectra()), after, inputs

    def spectra(self) -> tuple[Tensor, Tensor]:
        """Weight `[4 * bins, narrow]` and bias of the last layer and the transforms of cepstra after it.

        Cepstra are linear in the network's last layer and spectra in the cepstra: one product instead of two.
        """
        weight, bias = self.head.weight * self.slope.unsqueeze(1), self.head.bias * self.slope
        order = self.pulse_phase.order
        halves = ((self.pulse_phase, slice(None, order)), (self.noise_phase, slice(order, None)))
        parts = [(getattr(phase, part), rows) for part in ("cos", "sin") for phase, rows in halves]
        return (
            torch.cat([m.t() @ weight[rows] for m, rows in parts]), torch.cat([bias[rows] @ m for m, rows in parts])
        )

    def _fine(self) -> list[Fine]:
        return [block for block in self.fine if isinstance(block, Fine)]


class Phase(nn.Module):
    """The matrices of `MinimumPhase`: cepstrum to log magnitude and phase, `[order, bins]` each."""

    cos: Tensor
    sin: Tensor

    def __init__(self, phase: MinimumPhase) -> None:
        super().__init__()
        self.register_buffer("cos", phase.cos)
        self.register_buffer("sin", phase.sin)
        self.order = phase.cos.shape[0]


def _film(
    latent: Tensor, weight: Tensor, bias: Tensor, norm_gain: Tensor, norm_offset: Tensor, size: int
) -> Tensor:
    """`size` is that of the latent alone."""
    gain, offset = (latent[:, :size] @ weight.t() + bias + latent[:, size:]).chunk(2, dim=-1)
    return torch.cat((norm_gain * (1 + gain), norm_offset * (1 + gain) + offset), dim=-1)


def _modulation(
    latent: Tensor, known: Tensor, film: Tensor, weight: Tensor, bias: Tensor, norm_gain: Tensor, norm_offset: Tensor,
    size: int,
) -> Tensor:
    """The modulation of a latent: `film` is that of `known`."""
    return film if bool((latent == known).all()) else _film(latent, weight, bias, norm_gain, norm_offset, size)


_when_new: Callable[..., Tensor] = branch(_modulation)
