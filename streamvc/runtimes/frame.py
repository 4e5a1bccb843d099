"""One frame of the `live` model, arranged for a runtime in which every operation costs about as much as its overhead.

The same arithmetic as `LiveModel.step` for one stream and one frame, with the model's own weights: time has length one,
so convolutions are sums over a ring of past inputs and linear layers are products of one row; FiLM is one product for
all blocks, redone only when the latent changes; filters are convolved as small products rather than through spectra;
and what one step hands to the next is one vector of float32 and one of float64 (pitch, see
`LiveModel.analyse_in_double`).
Tests hold it equal to the model. It exists to be exported, and has no batch.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamvc.config import FRAME, SAMPLE_RATE, WhiteningConfig, YinConfig
from streamvc.dsp.energy import ENERGY_FLOOR
from streamvc.dsp.excitation import _TOP_HZ as TOP_HZ
from streamvc.dsp.filter import MinimumPhase
from streamvc.dsp.mel import LOG_FLOOR, LogMel
from streamvc.dsp.yin import _FLOOR as YIN_FLOOR
from streamvc.errors import ConfigError
from streamvc.layers.conv import CausalConv1d
from streamvc.layers.convnext import ConvNeXtBlock
from streamvc.model.live import FINE, POINTS, SEMITONE, ContentEncoder, Decoder, LiveModel, ProsodyAnalysis

_TILE = 16
"""Convolutions of signals are cut into tiles of this size: products of small matrices, summed along diagonals."""
_PAST = 800
"""Samples before the frame that the analyses look back on: energy, which waits longest, needs them all."""


class Layout:
    """Named tensors of fixed shapes, one after the other in a vector."""

    def __init__(self, shapes: Mapping[str, Sequence[int]]) -> None:
        self.shapes = {name: tuple(shape) for name, shape in shapes.items()}
        self.sizes = [math.prod(shape) for shape in self.shapes.values()]

    @property
    def size(self) -> int:
        """Length of the vector."""
        return sum(self.sizes)

    def split(self, vector: Tensor) -> dict[str, Tensor]:
        """The tensors of a vector `[size]`."""
        pieces = torch.split(vector, self.sizes)
        return {n: p.reshape(s) for (n, s), p in zip(self.shapes.items(), pieces, strict=True)}

    def join(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """The vector `[size]` of the tensors."""
        return torch.cat([tensors[name].reshape(-1) for name in self.shapes])


class FrameStep(nn.Module):
    """`(samples [1, 320], latent [1, 64], controls [1, N_CONTROLS], state, exact) -> (audio [1, 320], state, exact)`.

    `state [layout.size]` has the precision of the weights, `exact [exact_layout.size]` is float64.

    Raises:
        ConfigError: the configuration has sizes that this arrangement does not know.
    """

    noise: Tensor
    to_fine: Tensor

    def __init__(self, model: LiveModel) -> None:
        super().__init__()
        c = model.config
        if c.yin.window != 3 * c.yin.hop or c.yin.max_lag != 2 * c.yin.hop or c.response % _TILE or c.fine_hop % _TILE:
            raise ConfigError("The fast step knows YIN windows of 480 samples and filters in steps of 16 only.")
        self.mel = _Mel(model.mel)
        self.content = _Content(model.content_encoder)
        self.pitch = _Pitch(model.prosody, c.yin, c.whitening)
        like = model.decoder.head.weight
        self.energy = _Energy(c.energy_window, c.fine_hop, model.prosody.energy.window.to(like.dtype))
        self.pulses = _Pulses()
        self.network = _Network(model.decoder)
        self.filter = _Filter(model.decoder)
        self.register_buffer("noise", model.decoder.noise.table)
        self.register_buffer("to_fine", model.prosody.to_fine.to(like.dtype))
        thresholds = len(c.yin.thresholds)
        self.layout = Layout({
            "samples": (_PAST,), **self.content.shapes, **self.network.shapes,
            "estimates": (2, thresholds, POINTS), "noise": (1,), "tail": (c.response,),
        })
        self.exact_layout = Layout({**self.pitch.shapes, **self.pulses.shapes})

    def products(self) -> dict[str, tuple[Tensor, Tensor]]:
        """The large products by the name that the exporter gives their node: weight `[outputs, inputs]` and bias."""
        found = {}
        for part in ("content", "network"):
            for i, point in enumerate(getattr(self, part).points):
                found[f"/{part}/points.{i}/Gemm"] = (point.expand.weight, point.expand.bias)
                found[f"/{part}/points.{i}/Gemm_1"] = point.reduction()
        return found

    def initial_state(self) -> tuple[Tensor, Tensor]:
        """`state` and `exact` before the first sample."""
        like = self.to_fine
        state = {name: like.new_zeros(shape) for name, shape in self.layout.shapes.items()}
        exact = {name: torch.zeros(shape, dtype=torch.float64) for name, shape in self.exact_layout.shapes.items()}
        # FiLM of the latent zero, so that the remembered pair of latent and modulation is always a true one.
        state["film"] = self.network.film(state["latent"])
        exact["whiten"] = self.pitch.prior.clone()
        return self.layout.join(state), self.exact_layout.join(exact)

    def forward(
        self, samples: Tensor, latent: Tensor, controls: Tensor, state: Tensor, exact: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        s, e = self.layout.split(state), self.exact_layout.split(exact)
        heard = torch.cat((s["samples"], samples[0]))
        content, content_after = self.content(self.mel(heard), s)
        (points, f0, estimates), pitch_after = self.pitch(heard, controls.double(), e)
        pulses, pulses_after = self.pulses(f0, e)
        level = self.energy(heard)

        points, estimates = points.to(heard.dtype), estimates.to(heard.dtype)
        voiced, rough = s["estimates"][0], s["estimates"][1]
        loudness = level * 0.25 + 1
        features = torch.cat((
            content, (voiced * points[:, 1:3]).reshape(1, -1), voiced.reshape(1, -1), rough.reshape(1, -1), loudness
        ), dim=1)
        noise_points = torch.cat((rough[-1:], estimates[1, -1:]), dim=1)
        hints = torch.cat((torch.cat((points, noise_points)) @ self.to_fine, loudness)).t()
        spectra, network_after = self.network(features, hints, latent, s)

        noise = self.noise[s["noise"].long()]
        audio, tail = self.filter(pulses.to(heard.dtype), noise, spectra, level, controls[:, 3:4], s["tail"])
        after = content_after | network_after | {
            "samples": heard[FRAME:], "estimates": estimates, "tail": tail,
            "noise": torch.where(s["noise"] < self.noise.shape[0] - 1, s["noise"] + 1, torch.zeros_like(s["noise"])),
        }
        return audio, self.layout.join(after), self.exact_layout.join(pitch_after | pulses_after)


class _Mel(nn.Module):
    """Samples heard -> stacked log-mel `[1, 2 * bands]`, the two points after each other.

    The window is symmetric about its middle, so cosines see the sum of mirrored samples and sines their difference:
    half the products. Bins that no filter reads are left out.
    """

    cos: Tensor
    sin: Tensor
    bank: Tensor
    before: Tensor
    mirror: Tensor

    def __init__(self, mel: LogMel) -> None:
        super().__init__()
        size, hop = mel.windows.size, mel.windows.hop
        window, bank = mel.window.double().numpy(), mel.mel
        bins = np.flatnonzero(bank.double().numpy().any(axis=1))
        n = np.arange(1, size // 2 + 1)
        angle = 2 * np.pi / size * np.outer(n, bins)
        weight = window[1 : size // 2 + 1].copy()
        weight[-1] /= 2  # the middle is its own mirror
        self.register_buffer("cos", torch.tensor(weight[:, None] * np.cos(angle)).to(bank.dtype))
        self.register_buffer("sin", torch.tensor(weight[:, None] * np.sin(angle)).to(bank.dtype))
        self.register_buffer("bank", bank[int(bins[0]) : int(bins[-1]) + 1])
        starts = _PAST + FRAME - size - hop * np.arange(POINTS)[::-1, None]
        self.register_buffer("before", torch.tensor(starts + n))
        self.register_buffer("mirror", torch.tensor(starts + size - n))

    def forward(self, heard: Tensor) -> Tensor:
        before, mirror = heard[self.before], heard[self.mirror]
        real, imaginary = (before + mirror) @ self.cos, (before - mirror) @ self.sin
        power = real * real + imaginary * imaginary
        return ((torch.log(power @ self.bank + LOG_FLOOR) + 3.0) * 0.25).reshape(1, -1)


class _Rings(nn.Module):
    """The depthwise convolutions of blocks of one width over rings of their last inputs, `[blocks, kernel - 1, width]`.

    What the past adds is known before the frame, for all blocks at once.
    """

    past: Tensor
    now: Tensor
    bias: Tensor

    def __init__(self, blocks: Sequence[ConvNeXtBlock]) -> None:
        super().__init__()
        weight = torch.stack([b.depthwise.weight.detach()[:, 0].t() for b in blocks])  # [blocks, kernel, width]
        self.register_buffer("past", weight[:, :-1].contiguous())
        self.register_buffer("now", weight[:, -1:].contiguous())
        self.register_buffer("bias", torch.stack([_bias(b.depthwise) for b in blocks]))
        self.shape = tuple(self.past.shape)

    def before(self, rings: Tensor) -> tuple[Tensor, ...]:
        """What the past adds to each block, `[1, width]` each."""
        return torch.split((rings * self.past).sum(dim=1) + self.bias, 1)

    def after(self, rings: Tensor, inputs: Sequence[Tensor]) -> Tensor:
        """The rings after the frame, given each block's input `[1, width]`."""
        return torch.cat((rings[:, 1:], torch.cat(tuple(inputs)).unsqueeze(1)), dim=1)


class _Point(nn.Module):
    """The pointwise half of a ConvNeXt block: rows `[n, width]` and normed rows in, rows out."""

    def __init__(self, block: ConvNeXtBlock) -> None:
        super().__init__()
        self.expand, self.reduce, self.scale = block.expand, block.reduce, block.scale
        self.eps = block.norm.eps

    def forward(self, x: Tensor, y: Tensor, gain: Tensor, offset: Tensor) -> Tensor:
        y = F.layer_norm(y, y.shape[-1:], gain, offset, self.eps)
        y = F.gelu(F.linear(y, self.expand.weight, self.expand.bias))
        return x + F.linear(y, *self.reduction())

    def reduction(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the second layer, layer scale included.

        Scaled weights instead of scaled outputs: constants, which the runtime works out once when it loads the graph.
        """
        return self.reduce.weight * self.scale.unsqueeze(1), self.reduce.bias * self.scale


class _Front(nn.Module):
    """A causal convolution over whole frames: past inputs `[kernel - 1, inputs]` and a new one `[1, inputs]`."""

    weight: Tensor
    bias: Tensor

    def __init__(self, conv: CausalConv1d, order: Tensor | None = None) -> None:
        super().__init__()
        weight = conv.weight.detach()
        if order is not None:
            weight = weight[:, order]
        self.register_buffer("weight", weight.permute(0, 2, 1).reshape(weight.shape[0], -1).contiguous())
        self.register_buffer("bias", _bias(conv))
        self.shape = (conv.weight.shape[2] - 1, conv.weight.shape[1])

    def forward(self, past: Tensor, now: Tensor) -> tuple[Tensor, Tensor]:
        seen = torch.cat((past, now))
        return F.linear(seen.reshape(1, -1), self.weight, self.bias), seen[1:]


class _Content(nn.Module):
    """Stacked log-mel `[1, 160]` -> content units `[1, 64]`."""

    def __init__(self, encoder: ContentEncoder) -> None:
        super().__init__()
        blocks = _blocks(encoder.blocks)
        # The model stacks the points of each band, this step stacks the bands of each point.
        bands = encoder.front.weight.shape[1] // POINTS
        self.front = _Front(encoder.front, torch.arange(bands * POINTS).reshape(bands, POINTS).t().reshape(-1))
        self.rings, self.norms = _Rings(blocks), nn.ModuleList(b.norm for b in blocks)
        self.points = nn.ModuleList(_Point(b) for b in blocks)
        self.norm, self.project = encoder.norm, encoder.project
        self.shapes = {"mel": self.front.shape, "content": self.rings.shape}

    def forward(self, mel: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        x, mels = self.front(state["mel"], mel)
        rings, inputs = state["content"], []
        before = self.rings.before(rings)
        for i, (point, norm) in enumerate(zip(self.points, self.norms, strict=True)):
            inputs.append(x)
            x = point(x, before[i] + x * self.rings.now[i], norm.weight, norm.bias)
        y = self.project(self.norm(x))
        return F.layer_norm(y, y.shape[-1:]), {"mel": mels, "content": self.rings.after(rings, inputs)}


class _Network(nn.Module):
    """The learned half of the decoder: features, hints and latent -> log magnitudes and phases of the filters."""

    film_weight: Tensor
    film_bias: Tensor
    norm_gain: Tensor
    norm_offset: Tensor
    fine_weight: Tensor
    fine_bias: Tensor
    reach: Tensor
    slope: Tensor

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        coarse, fine = _blocks(decoder.blocks), _blocks(decoder.fine_blocks)
        self.front = _Front(decoder.front)
        self.rings = _Rings(coarse)
        self.points = nn.ModuleList(_Point(b) for b in (*coarse, *fine))
        self.coarse = len(coarse)
        self.expand, self.hint, self.norm = decoder.expand, decoder.hint, decoder.norm
        # All FiLMs and the affine halves of their norms as one product: first all gains, then all offsets.
        projections = [b.film.project for b in (*coarse, *fine) if b.film is not None]
        self.widths = [b.norm.weight.shape[0] for b in (*coarse, *fine)]
        halves = [(p.weight.detach().chunk(2), p.bias.detach().chunk(2)) for p in projections]
        self.register_buffer("film_weight", torch.cat([w[half] for half in (0, 1) for w, _ in halves]))
        self.register_buffer("film_bias", torch.cat([b[half] for half in (0, 1) for _, b in halves]))
        self.register_buffer("norm_gain", torch.cat([b.norm.weight.detach() for b in (*coarse, *fine)]))
        self.register_buffer("norm_offset", torch.cat([b.norm.bias.detach() for b in (*coarse, *fine)]))

        kernel, narrow = fine[0].depthwise.weight.shape[2], self.widths[-1]
        # The bias stands as a last input with weight one.
        self.register_buffer("fine_weight", torch.stack(
            [torch.cat((b.depthwise.weight.detach()[:, 0].t(), torch.ones(1, narrow).to(self.norm_gain))) for b in fine]
        ))
        self.register_buffer("fine_bias", torch.stack([_bias(b.depthwise) for b in fine]).unsqueeze(1))
        reach = torch.arange(FINE).unsqueeze(1) + torch.arange(kernel)
        self.register_buffer("reach", torch.cat((reach, torch.full((FINE, 1), kernel - 1 + FINE)), dim=1))

        self.head = decoder.head
        self.register_buffer("slope", decoder.slope)
        self.pulse_phase = _Spectrum(decoder.pulse_phase)
        self.noise_phase = _Spectrum(decoder.noise_phase)
        self.shapes = {
            "features": self.front.shape, "coarse": self.rings.shape, "fine": (len(fine), kernel - 1, narrow),
            "latent": (1, self.film_weight.shape[1]), "film": (1, self.film_weight.shape[0]),
        }

    def film(self, latent: Tensor) -> Tensor:
        """Gains and offsets of all norms, `[1, 2 * widths]`."""
        return _film(latent, self.film_weight, self.film_bias, self.norm_gain, self.norm_offset)

    def forward(
        self, features: Tensor, hints: Tensor, latent: Tensor, state: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        film = _when_new(
            latent, state["latent"], state["film"], self.film_weight, self.film_bias, self.norm_gain, self.norm_offset
        )
        pieces = torch.split(film[0], 2 * self.widths)
        gains, offsets = pieces[: len(self.widths)], pieces[len(self.widths) :]

        x, seen = self.front(state["features"], features)
        rings, inputs = state["coarse"], []
        before = self.rings.before(rings)
        for i in range(self.coarse):
            inputs.append(x)
            x = self.points[i](x, before[i] + x * self.rings.now[i], gains[i], offsets[i])

        x = self.expand(x).reshape(FINE, -1) + self.hint(hints)
        fine = []
        for i, past in enumerate(state["fine"].unbind(0)):
            known = torch.cat((past, x, self.fine_bias[i]))
            fine.append(known[FINE : FINE + past.shape[0]])
            y = (known[self.reach] * self.fine_weight[i]).sum(dim=1)
            k = self.coarse + i
            x = self.points[k](x, y, gains[k], offsets[k])

        # Cepstra are linear in the network's last layer and spectra in the cepstra: one product instead of two.
        weight, bias = self.head.weight * self.slope.unsqueeze(1), self.head.bias * self.slope
        order = self.pulse_phase.matrix.shape[0]
        matrix = torch.cat(
            (weight[:order].t() @ self.pulse_phase.matrix, weight[order:].t() @ self.noise_phase.matrix), dim=1
        )
        offset = torch.cat((bias[:order] @ self.pulse_phase.matrix, bias[order:] @ self.noise_phase.matrix))
        after = {
            "features": seen, "coarse": self.rings.after(rings, inputs), "fine": torch.stack(fine), "latent": latent,
            "film": film,
        }
        return self.norm(x) @ matrix + offset, after


class _Spectrum(nn.Module):
    """Cepstrum to log magnitude and phase as one matrix `[order, 2 * bins]`."""

    matrix: Tensor

    def __init__(self, phase: MinimumPhase) -> None:
        super().__init__()
        self.register_buffer("matrix", torch.cat((phase.cos, phase.sin), dim=1))


class _Energy(nn.Module):
    """Samples heard -> natural log of RMS `[1, 4]`, waiting for the frame that is spoken."""

    weight: Tensor

    def __init__(self, size: int, hop: int, window: Tensor) -> None:
        super().__init__()
        self.length = size + (FINE - 1) * hop
        weight = torch.zeros(self.length, FINE, dtype=torch.float64)
        for i in range(FINE):
            weight[i * hop : i * hop + size, i] = window.double()
        self.register_buffer("weight", weight.to(window.dtype))

    def forward(self, heard: Tensor) -> Tensor:
        # The delay of 6 hops ends where the newest window does.
        start = _PAST + FRAME - 6 * 80 - self.length
        late = heard[start : start + self.length].unsqueeze(0)
        return 0.5 * torch.log((late * late) @ self.weight + ENERGY_FLOOR)


class _Pitch(nn.Module):
    """YIN at all thresholds, median, whitening, hold and target pitch, in float64.

    Correlations are summed over blocks of one hop; a block belongs to three windows and is worked out once.
    """

    tiles: Tensor
    ends: Tensor
    lags: Tensor
    thresholds: Tensor
    neighbours: Tensor
    to_samples: Tensor
    keep: Tensor
    prior: Tensor

    def __init__(self, prosody: ProsodyAnalysis, yin: YinConfig, whitening: WhiteningConfig) -> None:
        super().__init__()
        self.yin, self.whitening = yin, whitening
        rows, lags = yin.hop // _TILE, yin.max_lag
        self.columns = lags // _TILE + 1
        index = torch.arange(rows).unsqueeze(1) + torch.arange(self.columns)
        self.register_buffer("tiles", torch.stack([index + k * rows for k in range(POINTS)]))
        self.register_buffer("ends", torch.stack([torch.arange(1, lags + 1) + k * yin.hop for k in range(POINTS)]))
        self.register_buffer("lags", torch.arange(1, lags + 1, dtype=torch.float64))
        self.register_buffer("thresholds", torch.tensor(yin.thresholds, dtype=torch.float64).reshape(1, -1, 1))
        self.register_buffer("neighbours", torch.tensor([-1, 0, 1]))
        self.register_buffer("to_samples", prosody.to_samples.double())
        keep = 1.0 - 1.0 / whitening.memory
        self.register_buffer("keep", torch.tensor(keep, dtype=torch.float64))
        w = whitening
        prior = [w.mean_weight, 0.0, 0.0, 0.0, 0.0]
        self.register_buffer("prior", torch.tensor(prior, dtype=torch.float64))
        self.shapes = {
            "correlation": (POINTS, lags), "smooth": (2, 2), "whiten": (5,), "hold": (1,), "points": (1, POINTS),
        }

    def forward(
        self, heard: Tensor, controls: Tensor, state: dict[str, Tensor]
    ) -> tuple[tuple[Tensor, Tensor, Tensor], dict[str, Tensor]]:
        """Whitened pitch points `[1, 4]`, f0 in Hz `[320]`, and (voiced, CMNDF) `[2, thresholds, 2]` of both points."""
        cmndf, correlation = self._cmndf(heard, state["correlation"])
        log_f0, voiced, depth = self._pick(cmndf)

        recent = torch.cat((state["smooth"], torch.stack((log_f0[:, -1], voiced[:, -1]))), dim=1)  # [2, 4]
        a, b, c = recent[:, :-2], recent[:, 1:-1], recent[:, 2:]
        median = torch.maximum(torch.minimum(a, b), torch.minimum(torch.maximum(a, b), c))
        whitened, whiten = self._whiten(median[0], median[1], state["whiten"], controls[0, 5:])
        spoken = median[1] > 0
        first = torch.where(spoken[:1], whitened[:1], state["hold"])
        held = torch.where(spoken[1:], whitened[1:], first)

        new = torch.cat((first, held)).unsqueeze(0)
        points = torch.cat((state["points"], new), dim=1)
        target = controls[:, :1] + controls[:, 1:2] * controls[:, 4:5] * points + controls[:, 2:3] * SEMITONE
        f0 = torch.exp(target @ self.to_samples).clamp(40.0, 1_000.0)[0]
        after = {"correlation": correlation, "smooth": recent[:, 2:], "whiten": whiten, "hold": held, "points": new}
        return (points, f0, torch.stack((voiced.t(), depth.t()))), after

    def _cmndf(self, heard: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Cumulative mean normalised difference `[2, lags]`, and the correlations of the newest two blocks."""
        hop, lags, width = self.yin.hop, self.yin.max_lag, self.yin.window
        x = heard[_PAST + FRAME - lags - width - hop :].double()
        # r[lag] = sum over tiles a and places b in them of x[16 a + b] x[16 a + b + lag]: a product over a, then a sum
        # over b along diagonals, which lie one under the other when rows are read one longer than they were written.
        tiles = x[FRAME:].reshape(-1, _TILE)
        heads = tiles[: POINTS * hop // _TILE].reshape(POINTS, -1, _TILE).transpose(1, 2)
        product = heads @ tiles[self.tiles].reshape(POINTS, hop // _TILE, -1)  # [2, 16, 336]
        flat = F.pad(product.reshape(POINTS, -1), (0, _TILE))
        new = flat.reshape(POINTS, _TILE, -1)[:, :, 1 : lags + 1].sum(dim=1)
        shared = known[1] + new[0]
        correlation = torch.stack((known[0] + shared, shared + new[1]))

        squares = F.pad(torch.cumsum(x * x, dim=0), (1, 0))
        energy = squares[width:] - squares[:-width]
        difference = energy[self.ends] + energy[0 : hop + 1 : hop].unsqueeze(1) - 2 * correlation
        difference = difference.clamp(min=0) / width + YIN_FLOOR
        return difference * self.lags / torch.cumsum(difference, dim=1), new

    def _pick(self, cmndf: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """log f0, voiced and CMNDF, each `[2, thresholds]`, as `Yin` picks them."""
        low = self.yin.min_lag - 1
        inner = cmndf[:, low:-1]
        is_minimum = (inner < cmndf[:, low - 1 : -2]) & (inner <= cmndf[:, low + 1 :])
        candidate = (is_minimum.unsqueeze(1) & (inner.unsqueeze(1) < self.thresholds)).float()
        voiced = candidate.amax(dim=2)
        first = candidate.argmax(dim=2)
        best = torch.where(voiced > 0, first, inner.argmin(dim=1, keepdim=True)) + low  # [2, thresholds]
        around = (best.unsqueeze(2) + self.neighbours).reshape(POINTS, -1)
        left, mid, right = cmndf.gather(1, around).reshape(POINTS, -1, 3).unbind(2)
        curve = left - 2 * mid + right
        shift = torch.where(curve > 1e-9, 0.5 * (left - right) / curve.clamp(min=1e-9), torch.zeros_like(curve))
        lag = best.double() + 1 + shift.clamp(-0.5, 0.5)
        return torch.log(SAMPLE_RATE / lag), voiced.double(), mid.clamp(0, 2)

    def _whiten(
        self, log_f0: Tensor, voiced: Tensor, sums: Tensor, locked: Tensor
    ) -> tuple[Tensor, Tensor]:
        """`RunningWhitening` for two estimates: `[2]` and the sums after them."""
        w = self.whitening
        x = log_f0 - w.prior_mean
        one = torch.ones_like(x)
        added = voiced.unsqueeze(1) * torch.stack((one, x, one, x, x * x), dim=1)
        decay = torch.where(voiced > 0, self.keep, one)
        first = sums * decay[0] + added[0]
        last = first * decay[1] + added[1]
        weight, total, heard, heard_total, square = torch.stack((first, last)).unbind(1)
        mean = torch.where(locked > 0, locked - w.prior_mean, total / weight)
        prior = w.spread_weight / w.mean_weight * (weight - heard).clamp(min=0)
        within = (square - heard_total * heard_total / heard.clamp(min=0.5)).clamp(min=0)
        spread = torch.sqrt(((within + prior * w.prior_std**2) / (heard + prior)).clamp(min=w.min_std**2))
        return ((x - mean) / spread).clamp(-w.clip, w.clip), last


class _Pulses(nn.Module):
    """`PulseTrain` for one frame: f0 `[320]` in Hz -> pulses `[320]`; the phase is counted in float64."""

    shapes: Mapping[str, tuple[int, ...]] = {"phase": (1,)}

    def forward(self, f0: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        cycles = state["phase"] + torch.cumsum(f0 / SAMPLE_RATE, dim=0)
        harmonics = torch.floor(TOP_HZ / f0)
        half = math.pi * (cycles - torch.round(cycles))
        denominator = torch.sin(half)
        near = denominator.abs() < 1e-5
        width = 2 * harmonics + 1
        ratio = torch.sin(width * half) / torch.where(near, torch.ones_like(half), denominator)
        kernel = torch.where(near, width, ratio)
        last = cycles[-1:]
        return 0.5 * (kernel - 1) * torch.sqrt(2 / harmonics), {"phase": last - torch.floor(last)}


class _Filter(nn.Module):
    """`TimeVaryingFilter` for one frame: both excitations through their filters -> `[1, 320]` and the tail."""

    inverse: Tensor
    tiles: Tensor
    steps: Tensor

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        filtering = decoder.filter
        self.hop, self.response, self.bins = filtering.hop, filtering.response, filtering.dft.bins
        size = filtering.dft.size
        angle = 2 * np.pi / size * np.outer(np.arange(self.bins), np.arange(self.response))
        weight = np.full((self.bins, 1), 2.0 / size)
        weight[0] = weight[-1] = 1.0 / size
        fade = filtering.fade.double().numpy()
        inverse = np.concatenate((weight * np.cos(angle) * fade, -weight * np.sin(angle) * fade))
        self.register_buffer("inverse", torch.tensor(inverse).to(decoder.head.weight.dtype))
        rows, columns = self.hop // _TILE, (self.hop + self.response) // _TILE
        index = torch.arange(columns) - torch.arange(rows).unsqueeze(1) + rows - 1
        self.register_buffer("tiles", index)
        # Zeros around the response, so that tiles before its start and after its end exist.
        self.lead, self.trail = (rows - 1) * _TILE, rows * _TILE
        self.register_buffer("steps", torch.arange(self.bins).to(self.inverse))

    def forward(
        self, pulses: Tensor, noise: Tensor, spectra: Tensor, level: Tensor, formant: Tensor, tail: Tensor
    ) -> tuple[Tensor, Tensor]:
        response = self._responses(spectra, level, formant)
        # y[16 q + b + d] += e[16 a + b] h[16 (q - a) + d]: a product over a for both excitations, then diagonals over
        # b, and the segments 80 samples apart, all in one sum of shifted rows.
        excitation = torch.stack((pulses.reshape(FINE, -1), noise.reshape(FINE, -1)), dim=1)
        excitation = excitation.reshape(FINE, -1, _TILE).transpose(1, 2)
        tiles = F.pad(response, (self.lead, self.trail)).reshape(FINE * 2, -1, _TILE)
        product = excitation @ tiles[:, self.tiles].reshape(FINE, excitation.shape[2], -1)  # [4, 16, 400]
        total = FRAME + self.response
        rows = F.pad(product, (0, total + 1 - product.shape[2])).reshape(FINE, -1)
        rows = F.pad(rows, (0, self.hop - _TILE)).reshape(-1)[: FINE * _TILE * total].reshape(-1, total)
        audio = rows.sum(dim=0) + F.pad(tail, (0, FRAME))
        return audio[:FRAME].unsqueeze(0), audio[FRAME:]

    def _responses(self, spectra: Tensor, level: Tensor, formant: Tensor) -> Tensor:
        """Impulse responses `[8, response]` (segment by segment, first of pulses, then of noise)."""
        shifted = _shifted(spectra.reshape(FINE * 4, self.bins), formant * SEMITONE, self.steps)
        shifted = shifted.reshape(FINE, 2, 2, self.bins)
        magnitude = torch.exp((shifted[:, :, 0] + level.reshape(FINE, 1, 1)).clamp(max=6.0))
        angle = shifted[:, :, 1]
        both = torch.cat((magnitude * torch.cos(angle), magnitude * torch.sin(angle)), dim=-1)
        return both.reshape(FINE * 2, -1) @ self.inverse


def _branch(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Scripted, not traced: what depends on values becomes a branch of the graph."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it stays for as long as the exporter that reads it
        scripted: Callable[..., Tensor] = torch.jit.script(function)
    return scripted


def _film(latent: Tensor, weight: Tensor, bias: Tensor, norm_gain: Tensor, norm_offset: Tensor) -> Tensor:
    gain, offset = (latent @ weight.t() + bias).chunk(2, dim=-1)
    return torch.cat((norm_gain * (1 + gain), norm_offset * (1 + gain) + offset), dim=-1)


@_branch
def _when_new(
    latent: Tensor, known: Tensor, film: Tensor, weight: Tensor, bias: Tensor, norm_gain: Tensor, norm_offset: Tensor
) -> Tensor:
    """The modulation of a latent: `film` is that of `known`."""
    return film if bool((latent == known).all()) else _film(latent, weight, bias, norm_gain, norm_offset)


@_branch
def _shifted(spectra: Tensor, formant: Tensor, steps: Tensor) -> Tensor:
    """`shift_formants` of all spectra `[n, bins]` at once; `formant [1, 1]` is the natural log of the ratio."""
    if bool((formant == 0).all()):
        result = spectra
    else:
        top = float(spectra.shape[1] - 1)
        position = (steps / torch.exp(formant[0])).clamp(max=top)
        low = torch.floor(position).clamp(max=top - 1)
        index = low.long()
        left = spectra[:, index]
        result = left + (position - low) * (spectra[:, index + 1] - left)
    return result


def _bias(conv: CausalConv1d) -> Tensor:
    bias = conv.bias
    assert bias is not None  # every convolution of the live model has one
    return bias.detach()


def _blocks(modules: nn.ModuleList) -> list[ConvNeXtBlock]:
    return [block for block in modules if isinstance(block, ConvNeXtBlock)]
