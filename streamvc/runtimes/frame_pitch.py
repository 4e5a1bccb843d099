"""Pitch in the exported step: YIN, whitening, target f0 and the pulses that follow it, all in float64."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from streamvc.config import FRAME, SAMPLE_RATE, WhiteningConfig, YinConfig
from streamvc.dsp.excitation import _TOP_HZ as TOP_HZ
from streamvc.dsp.yin import _AS_DEEP as AS_DEEP
from streamvc.dsp.yin import _LASTING as LASTING
from streamvc.dsp.yin import _SURE as SURE
from streamvc.dsp.yin import forgetting
from streamvc.model.live import POINTS, SEMITONE, ProsodyAnalysis
from streamvc.runtimes.frame_front import PAST

TILE = 16
"""Convolutions of signals are cut into tiles of this size: products of small matrices, summed along diagonals."""


class Yin(nn.Module):
    """Samples heard `[b, PAST + 320]` -> log f0, voiced, CMNDF of two points at each threshold, `[b, 2, thresholds]`.

    Correlations are summed over blocks of one hop; a block belongs to three windows and is worked out once.
    """

    heads: Tensor
    tiles: Tensor
    windows: Tensor
    ends: Tensor
    ones: Tensor
    starts: Tensor
    lags: Tensor
    thresholds: Tensor
    beyond: Tensor
    zero: Tensor
    neighbours: Tensor
    parabola: Tensor
    spare: Tensor

    def __init__(self, yin: YinConfig) -> None:
        super().__init__()
        self.yin = yin
        self.keep = math.exp(-forgetting(yin))
        self.shapes = {"correlation": POINTS * yin.max_lag, "power": LASTING, "loud": 1}
        rows, lags, points = yin.hop // TILE, yin.max_lag, torch.arange(POINTS).reshape(-1, 1, 1)
        # The places of a tile stand in reverse, see `_correlation`.
        places = TILE - 1 - torch.arange(TILE).unsqueeze(1) + TILE * torch.arange(rows)
        self.register_buffer("heads", points * yin.hop + places)
        self.columns = lags // TILE + 2
        index = torch.arange(rows).unsqueeze(1) + torch.arange(self.columns) + points * rows
        self.register_buffer("tiles", index.clamp(max=(POINTS * yin.hop + lags) // TILE - 1))  # beyond is not read
        # The window of each point has three blocks; minus two as in the square of a difference.
        summed = torch.tensor([[1, 1, 1, 0], [0, 1, 1, 1]], dtype=torch.float64)
        self.register_buffer("windows", -2 * summed)
        self.register_buffer("ends", torch.arange(POINTS).unsqueeze(1) + torch.arange(lags // yin.hop))
        self.register_buffer("starts", points[:, 0] * yin.hop)
        self.register_buffer("ones", torch.ones(1, TILE, dtype=torch.float64))
        self.register_buffer("lags", torch.arange(1, lags + 1, dtype=torch.float64))
        self.count = len(yin.thresholds)
        self.register_buffer("thresholds", torch.tensor(yin.thresholds, dtype=torch.float64).unsqueeze(1))
        # By depth, a lag at the last threshold has to be as deep as the deepest; at the others that does not matter.
        spare = torch.full((self.count, 1), math.inf, dtype=torch.float64)
        spare[-1] = AS_DEEP if yin.by_depth else math.inf
        self.register_buffer("spare", spare)
        self.register_buffer("zero", torch.zeros(1, 1, 1, 1, dtype=torch.float64))
        self.register_buffer("beyond", torch.full((1, 1, 1), math.inf, dtype=torch.float64))
        self.register_buffer("neighbours", torch.tensor([[-1], [0], [1]]))
        # Curvature, half the slope, and the middle, of three neighbours.
        self.register_buffer("parabola", torch.tensor([[1, -2, 1], [0.5, 0, -0.5], [0, 1, 0]], dtype=torch.float64))

    def forward(
        self, heard: Tensor, state: Mapping[str, Tensor]
    ) -> tuple[tuple[Tensor, Tensor, Tensor], dict[str, Tensor]]:
        # One sample more than the windows have: sums up to a sample are then sums from one to another.
        span = self.yin.max_lag + self.yin.window + self.yin.hop + 1
        x = heard[:, PAST + FRAME - span :].double()
        new = self._correlation(x[:, span - FRAME - self.yin.max_lag :])
        known = state["correlation"].reshape(-1, POINTS, self.yin.max_lag)
        twice = self.windows @ torch.cat((known, new), dim=1)

        width = self.yin.window
        sums = torch.cumsum(x * x, dim=1)
        energy = sums[:, width:] - sums[:, : span - width]
        # Lags from 1 on, of the second point one hop later: in blocks of a hop.
        blocks = energy[:, 1:].reshape(-1, (span - 1 - width) // self.yin.hop, self.yin.hop)[:, self.ends]
        ends = blocks.reshape(-1, POINTS, self.yin.max_lag)
        begins = energy[:, self.starts]
        floor, after = self._floor(begins, state)
        difference = ends + begins + twice
        difference = difference.clamp(min=0) + floor  # the scale cancels
        cmndf = difference * self.lags / torch.cumsum(difference, dim=2)
        return self._pick(cmndf), {"correlation": new, **after}

    def _floor(self, energy: Tensor, state: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """What differences have to stand out of, of sums over a window: `energy [b, 2, 1] -> [b, 2, 1]`."""
        known = torch.cat((state["power"], energy.reshape(-1, POINTS)), dim=1)
        lasting = torch.cat((known[:, :-1].amin(dim=1, keepdim=True), known[:, 1:].amin(dim=1, keepdim=True)), dim=1)
        # Of the two points, the first fades once and the second twice.
        first = torch.maximum(state["loud"] * self.keep, lasting[:, :1])
        last = torch.maximum(first * self.keep, lasting[:, 1:])
        floor = (torch.cat((first, last), dim=1) * self.yin.quiet).clamp(min=self.yin.floor * self.yin.window)
        return floor.unsqueeze(2), {"power": known[:, POINTS:], "loud": last}

    def _correlation(self, x: Tensor) -> Tensor:
        """`sum_j x[j] x[j + lag]` over either new block, for lags from 1 on: `[b, 640] -> [b, 2, lags]`."""
        lags = self.yin.max_lag
        # r[lag] = sum over tiles a and places p in them of x[16 a + p] x[16 a + p + lag]: a product over a, then a sum
        # over p along diagonals. With the places in reverse, a diagonal is a column when rows are read one shorter than
        # they were written.
        size = self.columns * TILE
        tiles = x.reshape(-1, (POINTS * self.yin.hop + lags) // TILE, TILE)[:, self.tiles]
        product = x[:, self.heads] @ tiles.reshape(-1, POINTS, self.yin.hop // TILE, size)
        diagonals = product.reshape(-1, POINTS, TILE * size)[:, :, : TILE * (size - 1)]
        # A product with ones is a faster sum over rows than a sum.
        total = (self.ones @ diagonals.reshape(-1, POINTS, TILE, size - 1)).reshape(-1, POINTS, size - 1)
        return total[:, :, TILE : TILE + lags]

    def _pick(self, cmndf: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        low, end, thresholds = self.yin.min_lag - 1, self.yin.last_lag, self.count
        inner = cmndf[:, :, low:end]
        is_minimum = (inner < cmndf[:, :, low - 1 : end - 1]) & (inner <= cmndf[:, :, low + 1 : end + 1])
        minima = torch.where(is_minimum, inner, self.beyond).unsqueeze(2)
        lowest = minima.amin(dim=3, keepdim=True)
        below = lowest < self.thresholds
        under = torch.minimum(self.thresholds, (lowest + self.spare).clamp(min=SURE))
        limit = torch.where(below, under, lowest + AS_DEEP)
        best = (minima < limit).float().argmax(dim=3) + low  # [b, 2, thresholds]
        around = best.unsqueeze(2) + self.neighbours
        values = cmndf.gather(2, around.reshape(-1, POINTS, 3 * thresholds)).reshape(-1, POINTS, 3, thresholds)
        curve, slope, depth = torch.split(self.parabola @ values, 1, dim=2)
        shift = torch.where(curve > 1e-9, slope / curve.clamp(min=1e-9), self.zero)
        lag = best.double() + 1 + shift.clamp(-0.5, 0.5).reshape(-1, POINTS, thresholds)
        depth = depth.clamp(0, 2).reshape(-1, POINTS, thresholds)
        return torch.log(SAMPLE_RATE / lag), below.squeeze(3).double(), depth


class Pitch(nn.Module):
    """What was picked at the last threshold -> the pitch to be spoken: median, whitening, hold and target."""

    to_samples: Tensor
    keep: Tensor
    powers: Tensor
    prior: Tensor

    def __init__(self, prosody: ProsodyAnalysis, whitening: WhiteningConfig) -> None:
        super().__init__()
        self.whitening, self.sure, self.followed = whitening, prosody.sure, prosody.followed
        self.register_buffer("to_samples", prosody.to_samples.double())
        self.register_buffer("keep", torch.tensor([1.0 - 1.0 / whitening.memory], dtype=torch.float64))
        self.register_buffer("powers", torch.tensor([0, 1, 0, 1, 2], dtype=torch.float64))
        self.register_buffer("prior", torch.tensor([[whitening.mean_weight, 0, 0, 0, 0]], dtype=torch.float64))
        self.shapes = {"smooth": 2 * POINTS, "whiten": 5, "hold": 1, "points": POINTS}

    def forward(
        self, log_f0: Tensor, depth: Tensor, controls: Tensor, state: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Whitened points `[b, 4]` and f0 in Hz `[b, 320]`.

        `log_f0, depth` (CMNDF) are `[b, 2, 1]`, `controls` `[b, N_CONTROLS]`.
        """
        mean, spread, semitones, _, intonation, locked = torch.split(controls, 1, dim=1)
        level = (depth < self.sure).double() + (depth < self.followed).double()
        new = torch.cat((log_f0, level), dim=2)
        recent = torch.cat((state["smooth"].reshape(-1, POINTS, 2), new), dim=1)  # [b, 4, 2]
        a, b, c = recent[:, :-2], recent[:, 1:-1], recent[:, 2:]
        median = torch.maximum(torch.minimum(a, b), torch.minimum(torch.maximum(a, b), c))
        pitch, vote = torch.split(median, 1, dim=2)
        whitened, whiten = self._whiten(pitch, (vote > 1.5).double(), state["whiten"], locked.unsqueeze(2))
        before, after = torch.split(whitened.reshape(-1, POINTS), 1, dim=1)
        spoken_before, spoken_after = torch.split(vote.reshape(-1, POINTS) > 0.5, 1, dim=1)
        first = torch.where(spoken_before, before, state["hold"])
        held = torch.where(spoken_after, after, first)
        points = torch.cat((state["points"], first, held), dim=1)
        target = points * (spread * intonation) + (mean + semitones * SEMITONE)
        f0 = torch.exp(target @ self.to_samples).clamp(40.0, 1_000.0)
        return points, f0, {"smooth": new, "whiten": whiten, "hold": held, "points": points[:, POINTS:]}

    def _whiten(self, log_f0: Tensor, voiced: Tensor, sums: Tensor, locked: Tensor) -> tuple[Tensor, Tensor]:
        """`RunningWhitening` for two estimates `[b, 2, 1]`, and the sums `[b, 5]` after them."""
        w = self.whitening
        x = log_f0 - w.prior_mean
        votes, values = torch.split(voiced, 1, dim=1), torch.split(x, 1, dim=1)
        decay = torch.split(torch.pow(self.keep, voiced), 1, dim=1)
        first = sums.unsqueeze(1) * decay[0] + self._counted(values[0], votes[0], sums.unsqueeze(1))
        last = first * decay[1] + self._counted(values[1], votes[1], first)
        weight, total, heard, heard_total, square = torch.split(torch.cat((first, last), dim=1), 1, dim=2)
        mean = torch.where(locked > 0, locked - w.prior_mean, total / weight)
        prior = w.spread_weight / w.mean_weight * (weight - heard).clamp(min=0)
        within = (square - heard_total * heard_total / heard.clamp(min=0.5)).clamp(min=0)
        spread = torch.sqrt(((within + prior * w.prior_std**2) / (heard + prior)).clamp(min=w.min_std**2))
        return ((x - mean) / spread).clamp(-w.clip, w.clip), last

    def _counted(self, x: Tensor, voiced: Tensor, sums: Tensor) -> Tensor:
        """What an estimate `[b, 1, 1]` adds to the sums before it `[b, 1, 5]`."""
        reach = self.whitening.reach
        if reach > 0:
            mean = sums[:, :, 1:2] / sums[:, :, :1]
            x = torch.minimum(torch.maximum(x, mean - reach), mean + reach)
        return torch.pow(x, self.powers) * voiced


class Pulses(nn.Module):
    """`PulseTrain` for one frame: f0 `[b, 320]` in Hz -> pulses `[b, 320]`."""

    one: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.shapes = {"phase": 1}
        self.register_buffer("one", torch.ones(1, 1, dtype=torch.float64))

    def forward(self, f0: Tensor, state: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        cycles = state["phase"] + torch.cumsum(f0 / SAMPLE_RATE, dim=1)
        harmonics = torch.floor(TOP_HZ / f0)
        half = math.pi * (cycles - torch.round(cycles))
        denominator = torch.sin(half)
        near = denominator.abs() < 1e-5
        width = 2 * harmonics + 1
        ratio = torch.sin(width * half) / torch.where(near, self.one, denominator)
        kernel = torch.where(near, width, ratio)
        last = cycles[:, -1:]
        return 0.5 * (kernel - 1) * torch.sqrt(2 / harmonics), {"phase": last - torch.floor(last)}
