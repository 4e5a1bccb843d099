"""One frame of the `live` model, arranged for a runtime in which every operation costs about as much as its overhead.

The same arithmetic as `LiveModel.step` for one frame of any number of streams, with the model's own weights: time has
length one, so convolutions are sums over a ring of past inputs and linear layers are products of one row; FiLM is one
product for all blocks, redone only when a latent changes; filters are convolved as small products rather than through
spectra; and what one step hands to the next is three arrays.
Tests hold it equal to the model. It exists to be exported.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from streamvc.config import FRAME
from streamvc.errors import ConfigError
from streamvc.model.live import FINE, POINTS, LiveModel
from streamvc.runtimes.frame_blocks import Coarse, Rings, convnext
from streamvc.runtimes.frame_content import Block, Content
from streamvc.runtimes.frame_filter import Filter
from streamvc.runtimes.frame_front import PAST, Energy, Mel
from streamvc.runtimes.frame_network import Network
from streamvc.runtimes.frame_pitch import Pitch, Pulses, Yin
from streamvc.runtimes.frame_state import Layout


class FrameStep(nn.Module):
    """`(samples [b, 320], latent [b, 64 + adaptation], controls [b, N_CONTROLS], *state) -> (audio [b, 320], *state)`.

    The state is `past [b, layout.size]` in the precision of the weights, `exact [b, exact_layout.size]` in float64
    (pitch, see `LiveModel.analyse_in_double`), keys and values of each block of the content encoder, and `rings`:
    `[b, widths]` for each of the last frames that convolutions look back on, oldest first. Of the rings a step gives
    the newest only; it takes its place behind the others, and the oldest is dropped.

    Raises:
        ConfigError: the configuration has sizes that this arrangement does not know.
    """

    noise: Tensor

    def __init__(self, model: LiveModel) -> None:
        super().__init__()
        c = model.config
        if c.yin.window != 3 * c.yin.hop or c.yin.max_lag != 2 * c.yin.hop:
            raise ConfigError("The fast step knows YIN windows of 480 samples only.")
        like = model.decoder.head.weight
        self.mel = Mel(model.mel)
        self.content = Content(model.content_encoder)
        self.yin = Yin(c.yin)
        self.pitch = Pitch(model.prosody, c.whitening)
        self.energy = Energy(c.energy_window, c.fine_hop, model.prosody.energy.window.to(like.dtype))
        self.pulses = Pulses()
        self.thresholds = len(c.yin.thresholds)
        self.network = Network(model.decoder, *_inputs(model))
        self.rings = Rings(convnext(model.decoder.blocks))
        self.filter = Filter(model.decoder.filter, like)
        self.register_buffer("noise", model.decoder.noise.table)
        self.noise_frames = model.decoder.noise.table.shape[0]
        gate = torch.arange(POINTS).repeat_interleave(self.thresholds) + 1
        self.register_buffer("gate", gate)
        self.layout = Layout({
            "samples": PAST, **self.content.shapes, "estimates": 2 * POINTS * self.thresholds, "noise": 1,
            **self.filter.shapes, **self.network.shapes,
        })
        self.exact_layout = Layout({**self.yin.shapes, **self.pitch.shapes, **self.pulses.shapes})

    def products(self) -> dict[str, tuple[Tensor, Tensor]]:
        """The large products by the name that the exporter gives their node: weight `[outputs, inputs]` and bias."""
        found: dict[str, tuple[Tensor, Tensor]] = {}
        second = self.content.front.second
        found["/content/front/second/Gemm"] = (second.weight, second.bias)
        for i, block in enumerate(self.content.blocks):
            assert isinstance(block, Block)
            for name, layer in block.products().items():
                found[f"/content/blocks.{i}/{name}/Gemm"] = (layer.weight, layer.bias)
        # The blocks at 200 Hz have four rows and few weights: in eight bits they are no faster.
        for i, coarse in enumerate(self.network.coarse):
            assert isinstance(coarse, Coarse)
            name = f"/network/coarse.{i}/point"
            found[f"{name}/Gemm"] = (coarse.point.expand.weight, coarse.point.expand.bias)
            found[f"{name}/Gemm_1"] = coarse.point.reduction()
        found["/network/expand/Gemm"] = (self.network.expand.weight, self.network.expand.bias)
        return found

    def initial_state(self) -> tuple[Tensor, ...]:
        """`past`, `exact` and `rings` of one stream before the first sample."""
        like = self.noise
        past = {name: like.new_zeros(1, size) for name, size in self.layout.sizes.items()}
        past["mel"], past["features"] = self.content.front.rest, self.network.front.rest
        # FiLM of the latent zero, so that the remembered pair of latent and modulation is always a true one.
        past["film"] = self.network.film(past["latent"])
        exact = {name: torch.zeros(1, size, dtype=torch.float64) for name, size in self.exact_layout.sizes.items()}
        exact["whiten"] = self.pitch.prior
        windows = [like.new_zeros(1, *self.content.ring)] * self.content.rings
        rings = [like.new_zeros(1, self.rings.size)] * self.rings.count
        return self.layout.join(past), self.exact_layout.join(exact), *windows, *rings

    def forward(
        self, samples: Tensor, latent: Tensor, controls: Tensor, past: Tensor, exact: Tensor, *frames: Tensor
    ) -> tuple[Tensor, ...]:
        s, e = self.layout.split(past), self.exact_layout.split(exact)
        heard = torch.cat((s["samples"], samples), dim=1)
        windows, rings = frames[: self.content.rings], frames[self.content.rings :]
        content, content_after, windows_after = self.content(self.mel(heard), s, windows)

        (log_f0, voiced, depth), yin_after = self.yin(heard, e)
        points, f0, pitch_after = self.pitch(log_f0[:, :, -1:], depth[:, :, -1:], controls.double(), e)
        pulses, pulses_after = self.pulses(f0, e)
        level = self.energy(heard)

        # Of both points at all thresholds: voiced, then CMNDF.
        flat = (-1, POINTS * self.thresholds)
        estimates = torch.cat((voiced.reshape(flat), depth.reshape(flat)), dim=1).to(heard.dtype)
        points, known = points.to(heard.dtype), s["estimates"]
        gated = points[:, self.gate] * known[:, : POINTS * self.thresholds]
        features = torch.cat((content, gated, known, level), dim=1)
        hints = torch.cat((points, known, estimates, level), dim=1)
        spectra, network_after, inputs = self.network(features, hints, latent, s, self.rings.before(rings))

        noise = self.noise[s["noise"].long()].reshape(-1, FRAME)
        audio, tail = self.filter(pulses.to(heard.dtype), noise, spectra, level, controls[:, 3:4], s["tail"])
        after = content_after | network_after | {
            "samples": heard[:, FRAME:], "estimates": estimates, "tail": tail,
            "noise": torch.remainder(s["noise"] + 1, self.noise_frames),
        }
        return (
            audio, self.layout.join(after), self.exact_layout.join(yin_after | pitch_after | pulses_after),
            *windows_after, self.rings.newest(inputs),
        )


def _inputs(model: LiveModel) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    """How the step's features and hints make up those of the decoder, see :class:`Network`.

    Both hold estimates point by point instead of threshold by threshold, and the energy as it is.
    """
    thresholds, content = len(model.config.yin.thresholds), model.config.content_dim
    count = POINTS * thresholds
    turned = torch.arange(count).reshape(thresholds, POINTS).t().reshape(-1)
    order = torch.cat((
        torch.arange(content), *(content + i * count + turned for i in range(3)),
        content + 3 * count + torch.arange(FINE),
    ))
    loudness = torch.arange(len(order)) >= content + 3 * count
    shift, factor = torch.where(loudness, 4.0, 0.0), torch.where(loudness, 0.25, 1.0)

    to_fine = model.prosody.to_fine
    hints = to_fine.new_zeros(2 * POINTS + 4 * count + FINE + 1, FINE, 3)
    hints[: 2 * POINTS, :, 0] = to_fine
    # Aperiodicity at the last threshold, of the frame before and of this one.
    for i, start in enumerate((2 * POINTS + count, 2 * POINTS + 3 * count)):
        hints[start + thresholds - 1 : start + count : thresholds, :, 1] = to_fine[i * POINTS : (i + 1) * POINTS]
    hints[-1 - FINE : -1, :, 2] = 0.25 * torch.eye(FINE)
    hints[-1, :, 2] = 1.0
    return (order, shift, factor), hints
