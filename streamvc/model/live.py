"""The `live` configuration: small enough for one slow core, with a source-filter decoder.

At step t (0-based frames of 20 ms) the model has heard samples up to `320 * (t + 1)` and speaks frame `t - 2`. Content,
pitch and energy are each read from what has been heard so far and lined up on that frame; "point" below is one of the
two 10 ms positions of a frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamvc.config import FRAME, LOOK_AHEAD_FRAMES, LiveConfig
from streamvc.dsp.dft import Transform
from streamvc.dsp.energy import LogEnergy
from streamvc.dsp.excitation import NoiseTable, PulseTrain
from streamvc.dsp.filter import MinimumPhase, TimeVaryingFilter, shift_formants
from streamvc.dsp.mel import LogMel
from streamvc.dsp.whitening import HoldVoiced, RunningWhitening
from streamvc.dsp.yin import Yin
from streamvc.errors import ConfigError
from streamvc.layers.attention import WindowedBlock
from streamvc.layers.base import StreamingModule
from streamvc.layers.conv import CausalConv1d, Delay, Windows
from streamvc.layers.convnext import ConvNeXtBlock
from streamvc.layers.pooling import LearnablePooling
from streamvc.model.verification import VerificationEncoder
from streamvc.state import State, parts

POINTS = 2
"""Pitch estimates per frame."""
FINE = 4
"""Filter updates per frame."""
SEMITONE = math.log(2) / 12
LOUDEST = math.log(10 ** (-3 / 20))
"""Natural log of the RMS that is spoken at most, -3 dB of full scale. Only clipped sources are louder; speech with
their RMS but without their clipping would have peaks far above full scale."""


class Stack(StreamingModule):
    """Join `ratio` neighbouring time steps into channels: `[batch, c, n * ratio] -> [batch, c * ratio, n]`."""

    def __init__(self, ratio: int) -> None:
        super().__init__()
        self.ratio = ratio

    def initial_state(self, batch: int, like: Tensor) -> State:
        return ()

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        batch, channels, time = x.shape
        pairs = x.reshape(batch, channels, time // self.ratio, self.ratio)
        return pairs.permute(0, 1, 3, 2).reshape(batch, channels * self.ratio, time // self.ratio), ()


class ContentEncoder(StreamingModule):
    """Log-mel of the source `[batch, 80, 2 * n]` -> soft content units `[batch, content, n]`, layer-normed, 2 frames
    late.

    The first blocks of Whisper's encoder, made causal. Frame i is what Whisper's would be whose centre lies at sample
    320 i + 120; it is heard whole, one frame of future in the first block included, when the frame i + 2 has come.
    Output t describes frame t - 2 (paper, section 2.5): training shifts the labels, nothing is padded.
    """

    def __init__(self, config: LiveConfig) -> None:
        super().__init__()
        width = config.encoder_width
        self.conv1 = CausalConv1d(config.mel_bands, width, 3)
        self.conv2 = CausalConv1d(width, width, 3, stride=POINTS)
        self.position = nn.Parameter(torch.zeros(width))
        """Whisper's positions, of which a stream keeps the mean."""
        self.blocks = nn.ModuleList(
            WindowedBlock(width, config.encoder_heads, config.expansion, config.encoder_past, int(number == 0))
            for number in range(config.encoder_blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, config.content_dim)

    def initial_state(self, batch: int, like: Tensor) -> State:
        blocks = tuple(b.initial_state(batch, like) for b in self.blocks if isinstance(b, WindowedBlock))
        return self.conv1.initial_state(batch, like), self.conv2.initial_state(batch, like), blocks

    def forward(self, mel: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        x, after = self.features(mel, state)
        return self.narrow(x), after

    def narrow(self, x: Tensor) -> Tensor:
        """Features `[batch, n, width]` -> units `[batch, content, n]`."""
        y = self.project(self.norm(x))
        return F.layer_norm(y, y.shape[-1:]).transpose(1, 2)

    def features(self, mel: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """What the last block gives, `[batch, n, width]`, before it is narrowed down."""
        first, second, blocks = (None, None, None) if state is None else parts(state)
        x, first = self.conv1(mel, first)
        x, second = self.conv2(F.gelu(x), second)
        x = F.gelu(x).transpose(1, 2) + self.position
        after: list[State] = []
        before = [None] * len(self.blocks) if blocks is None else parts(blocks)
        for block, block_state in zip(self.blocks, before, strict=True):
            x, new = block(x, block_state)
            after.append(new)
        return x, (first, second, tuple(after))


class SpeechEncoder(nn.Module):
    """Log-mel of a reference `[batch, 80, 2 * n]` -> speaker latent `[batch, latent]` through learnable pooling (paper,
    section 2.2).
    """

    def __init__(self, config: LiveConfig) -> None:
        super().__init__()
        self.stack = Stack(POINTS)
        self.front = CausalConv1d(config.mel_bands * POINTS, config.speech_width, 3)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(config.speech_width, config.kernel, config.expansion) for _ in range(config.speech_blocks)
        )
        self.norm = nn.LayerNorm(config.speech_width)
        self.pool = LearnablePooling(config.speech_width)
        self.project = nn.Linear(config.speech_width, config.latent_dim)

    def forward(self, mel: Tensor, mask: Tensor | None = None) -> Tensor:
        x, _ = self.front(self.stack(mel)[0])
        for block in self.blocks:
            x, _ = block(x)
        x = self.norm(x.transpose(1, 2)).transpose(1, 2)
        latent = self.project(self.pool(x, mask))
        return F.layer_norm(latent, latent.shape[-1:])


@dataclass(frozen=True)
class Prosody:
    """Pitch and energy of the frames that are spoken now.

    features: `[batch, channels, frames]`, what the decoder is told (whitened, so free of the speaker's register).
    fine: `[batch, 2, 4 * frames]`, whitened pitch and aperiodicity every 5 ms.
    energy: `[batch, 1, 4 * frames]`, natural log of RMS every 5 ms.
    f0: `[batch, frames, 320]`, Hz, what the pulse train follows; in the precision of the analysis.
    """

    features: Tensor
    fine: Tensor
    energy: Tensor
    f0: Tensor


class ProsodyAnalysis(StreamingModule):
    """Source samples and target register -> :class:`Prosody`, lined up 2 frames late."""

    to_samples: Tensor
    to_fine: Tensor

    def __init__(self, config: LiveConfig, transform: Transform = "fft") -> None:
        super().__init__()
        if config.yin.hop * POINTS != FRAME or config.yin.span != 5 * config.yin.hop:
            raise ValueError("the line-up of pitch points assumes YIN hops of 160 and a span of 800 samples")
        self.thresholds, self.sure, self.followed = len(config.yin.thresholds), config.yin.voiced, config.yin.followed
        self.yin = Yin(config.yin, transform)
        self.smooth = Windows(3, 1)
        self.whiten = RunningWhitening(config.whitening)
        self.hold = HoldVoiced()
        self.raw_delay = Delay(3 * self.thresholds, POINTS)
        self.point_windows = Windows(4, POINTS)
        self.noise_windows = Windows(4, POINTS)
        self.energy = LogEnergy(config.energy_window, config.fine_hop)
        # A window ends 200 samples after its middle; 6 hops of 80 more put the middles at 40, 120, 200, 280 of frame
        # t - 2.
        # The samples wait, not their energies: a delay starts with zeros, which as log energy would be full scale.
        self.energy_delay = Delay(1, 6 * config.fine_hop)
        self.stack_points, self.stack_energy = Stack(POINTS), Stack(FINE)
        # Points stand at 400 samples of the frame and 160, 320 and 480 before that, less what YIN's middle lies before
        # the middle of its span; weights of linear interpolation between them, the last one held.
        first = -80 - (config.yin.span // 2 - config.yin.centre)
        samples, quarters = torch.arange(FRAME) + 0.5, torch.arange(FINE) * 80 + 40.0
        self.register_buffer("to_samples", _interpolation((samples - first) / 160), persistent=False)
        self.register_buffer("to_fine", _interpolation((quarters - first) / 160), persistent=False)

    def initial_state(self, batch: int, like: Tensor) -> State:
        one = like.new_zeros(batch, 1, 1)
        return (
            self.yin.initial_state(batch, like), self.smooth.initial_state(batch, one),
            self.smooth.initial_state(batch, one), self.whiten.initial_state(batch, like),
            self.hold.initial_state(batch, like), self.raw_delay.initial_state(batch, like),
            self.point_windows.initial_state(batch, like), self.noise_windows.initial_state(batch, like),
            self.energy.initial_state(batch, like), self.energy_delay.initial_state(batch, like),
        )

    def forward(
        self, samples: Tensor, controls: Tensor, state: State | None = None, register: Tensor | None = None
    ) -> tuple[Prosody, State]:
        """`samples [batch, n * 320]`, `controls` as packed by streamvc.controls.

        `register [batch, 2]` (mean and spread of log f0) replaces both the running whitening and the target's: the
        pitch then comes out as it went in (copy synthesis, training).
        """
        given = samples.dtype
        samples, controls = samples.to(self.to_fine.dtype), controls.to(self.to_fine.dtype)
        s = parts(self.initial_state(samples.shape[0], samples) if state is None else state)
        x = samples.unsqueeze(1)
        estimates, yin = self.yin(x, s[0])

        last = 3 * (self.thresholds - 1)
        pitch, smooth_pitch = self.smooth(estimates[:, last : last + 1], s[1])
        # 0, 1 or 2: nothing, a pitch to follow, voiced. A median of these is one of each decision at once. The votes of
        # the thresholds are only told: on real microphones they find half of the voiced frames.
        depth = estimates[:, last + 2 : last + 3]
        level = (depth < self.sure).to(depth.dtype) + (depth < self.followed).to(depth.dtype)
        vote, smooth_vote = self.smooth(level, s[2])
        log_f0, level = _median3(pitch), _median3(vote)
        voiced, followed = (level > 1.5).to(level.dtype), (level > 0.5).to(level.dtype)

        # The energy of the frame decides nothing here: silence and quiet hum are unvoiced by YIN's floor.
        whitened, whiten = self.whiten(log_f0, voiced, s[3], controls[:, 5:6])
        if register is not None:
            whitened = (log_f0 - register[:, :1]) / register[:, 1:]
        held, hold = self.hold(whitened, followed, s[4])
        mean, spread = controls[:, 0:1], controls[:, 1:2] * controls[:, 4:5]
        if register is not None:
            mean, spread = register[:, :1], register[:, 1:]
        points, point_state = self.point_windows(held.unsqueeze(1), s[6])  # [batch, frames, 4]
        target = mean.unsqueeze(1) + spread.unsqueeze(1) * points + controls[:, 2:3].unsqueeze(1) * SEMITONE
        f0 = torch.exp(target @ self.to_samples).clamp(40.0, 1_000.0)

        raw, raw_state = self.raw_delay(estimates, s[5])
        rough, rough_state = self.noise_windows(estimates[:, last + 2 : last + 3], s[7])
        # CMNDF points are two estimates ahead of the smoothed ones by 160 samples: close enough for a hint.
        fine = torch.stack((points @ self.to_fine, rough @ self.to_fine), dim=1).flatten(2)

        late, energy_wait = self.energy_delay(x, s[9])
        energy, energy_state = self.energy(late, s[8])
        features = torch.cat((self._describe(raw, points), self.stack_energy(energy)[0] / 4 + 1), dim=1)
        after = (
            yin, smooth_pitch, smooth_vote, whiten, hold, raw_state, point_state, rough_state, energy_state, energy_wait
        )
        return Prosody(features.to(given), fine.to(given), energy.to(given), f0), after

    def _describe(self, raw: Tensor, points: Tensor) -> Tensor:
        # The absolute pitch of the source stays out: only its whitened form, gated by each threshold's voicing.
        voiced = self.stack_points(raw[:, 1::3])[0]
        noise = self.stack_points(raw[:, 2::3])[0]
        whitened = points[:, :, 1:3].transpose(1, 2).repeat(1, self.thresholds, 1) * voiced
        return torch.cat((whitened, voiced, noise), dim=1)


class Decoder(StreamingModule):
    """Content, prosody and speaker latent -> speech `[batch, n * 320]`.

    ConvNeXt blocks at 50 Hz, then at 200 Hz, all modulated by the latent (FiLM), predict for every 5 ms the causal
    cepstra of two filters: one for pulses at the target f0, one for white noise.

    The latent may be followed by an adaptation of the voice (`adaptation_dim` values), which is added to what FiLM
    makes of the latent: first the scales of all blocks, then their shifts.
    """

    slope: Tensor

    def __init__(self, config: LiveConfig, transform: Transform = "fft") -> None:
        super().__init__()
        self.config = config
        thresholds = len(config.yin.thresholds)
        inputs = config.content_dim + 3 * thresholds * POINTS + FINE
        wide, narrow = config.decoder_width, config.fine_width
        self.front = CausalConv1d(inputs, wide, 3)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(wide, config.kernel, config.expansion, config.latent_dim)
            for _ in range(config.decoder_blocks)
        )
        self.expand = nn.Linear(wide, FINE * narrow)
        self.hint = nn.Linear(3, narrow)
        self.fine_blocks = nn.ModuleList(
            ConvNeXtBlock(narrow, config.kernel, config.expansion, config.latent_dim) for _ in range(config.fine_blocks)
        )
        self.widths = [wide] * config.decoder_blocks + [narrow] * config.fine_blocks
        self.adaptation_dim = 2 * sum(self.widths)
        self.norm = nn.LayerNorm(narrow)
        self.head = nn.Linear(narrow, config.pulse_cepstrum + config.noise_cepstrum)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)
        # Cepstra of speech fall off with quefrency: start with that slope.
        slope = torch.cat([1 / (1 + torch.arange(n) / 8) for n in (config.pulse_cepstrum, config.noise_cepstrum)])
        self.register_buffer("slope", slope, persistent=False)
        self.pulses, self.noise = PulseTrain(), NoiseTable()
        self.pulse_phase = MinimumPhase(config.pulse_cepstrum, config.spectrum)
        self.noise_phase = MinimumPhase(config.noise_cepstrum, config.spectrum)
        self.filter = TimeVaryingFilter(config.fine_hop, config.response, config.spectrum, transform)

    def initial_state(self, batch: int, like: Tensor, exact: Tensor | None = None) -> State:
        """`exact` sets another precision for the phase of the pulses (see :meth:`LiveModel.analyse_in_double`)."""
        coarse = tuple(b.initial_state(batch, like) for b in self.blocks if isinstance(b, ConvNeXtBlock))
        fine = tuple(b.initial_state(batch, like) for b in self.fine_blocks if isinstance(b, ConvNeXtBlock))
        network = (self.front.initial_state(batch, like), coarse, fine)
        pulses = self.pulses.initial_state(batch, like if exact is None else exact)
        return network, (pulses, self.noise.initial_state(batch, like)), self.filter.initial_state(batch, like)

    def forward(
        self, content: Tensor, prosody: Prosody, latent: Tensor, formant: Tensor, state: State | None = None
    ) -> tuple[Tensor, State]:
        """`content [batch, content, n]`, `latent [batch, 64]` or with an adaptation, `formant [batch, 1]` in semitones.
        """
        network, source, tail = parts(self.initial_state(content.shape[0], content) if state is None else state)
        cepstra, network = self.cepstra(content, prosody, latent, network)
        return self.synthesise(cepstra, prosody, formant, (source, tail), network)

    def cepstra(
        self, content: Tensor, prosody: Prosody, latent: Tensor, state: State | None = None
    ) -> tuple[Tensor, State]:
        """The learned half: `[batch, 4 * n, pulse + noise]` cepstra."""
        if state is None:
            state = parts(self.initial_state(content.shape[0], content))[0]
        first, coarse, fine = parts(state)
        x, first = self.front(torch.cat((content, prosody.features), dim=1), first)
        latent, changes = self._changes(latent)
        x, coarse = _run(self.blocks, x, parts(coarse), latent, changes[: len(self.blocks)])
        batch, _, frames = x.shape
        y = self.expand(x.transpose(1, 2)).reshape(batch, frames * FINE, -1)
        y = y + self.hint(torch.cat((prosody.fine, prosody.energy / 4 + 1), dim=1).transpose(1, 2))
        y, fine = _run(self.fine_blocks, y.transpose(1, 2), parts(fine), latent, changes[len(self.blocks) :])
        return self.head(self.norm(y.transpose(1, 2))), (first, coarse, fine)

    def _changes(self, latent: Tensor) -> tuple[Tensor, list[Tensor | None]]:
        """The latent itself, and what is added to the FiLM of each block."""
        known = self.config.latent_dim
        if latent.shape[-1] == known:
            return latent, [None] * len(self.widths)
        scales, shifts = (torch.split(half, self.widths, dim=-1) for half in latent[..., known:].chunk(2, dim=-1))
        return latent[..., :known], [torch.cat(pair, dim=-1) for pair in zip(scales, shifts, strict=True)]

    def synthesise(
        self, cepstra: Tensor, prosody: Prosody, formant: Tensor | None, state: State | None, network: State
    ) -> tuple[Tensor, State]:
        """The fixed half: excitations through the filters. Runs in at least float32."""
        like = prosody.f0
        if state is None:
            _, source, tail = parts(self.initial_state(like.shape[0], like))
        else:
            source, tail = parts(state)
        phase, position = parts(source)
        pulses, phase = self.pulses(prosody.f0, phase)
        noise, position = self.noise(like.shape[1], position)
        batch, hop = like.shape[0], self.config.fine_hop
        # Loudness is the source's: gain in is gain out, and silence stays silent. Of both gains only the balance is
        # learned; a predicted loudness wavers from segment to segment, and one hears it (docs/experiments.md).
        level = prosody.energy.transpose(1, 2).clamp(max=LOUDEST)
        shaped = cepstra * self.slope
        order = self.config.pulse_cepstrum
        excitations = (pulses.to(cepstra.dtype), noise)
        spectra = [self.pulse_phase(shaped[..., :order]), self.noise_phase(shaped[..., order:])]
        if formant is not None:
            ratio = torch.exp(formant * SEMITONE)
            spectra = [shift_formants(log_magnitude, angle, ratio) for log_magnitude, angle in spectra]
        both = torch.cat([log_magnitude for log_magnitude, _ in spectra], dim=-1)
        power = torch.logsumexp(2 * both, dim=-1, keepdim=True) - math.log(self.config.spectrum // 2 + 1)
        gain = level - power / 2
        branches = [
            (excitation.reshape(batch, -1, hop), log_magnitude + gain, angle)
            for excitation, (log_magnitude, angle) in zip(excitations, spectra, strict=True)
        ]
        audio, tail = self.filter(branches, tail)
        return audio, (network, (phase, position), tail)


class LiveModel(nn.Module):
    """StreamVC in the `live` configuration: `embed` and `step` (see docs/architecture.md)."""

    supports_formant = True

    def __init__(self, config: LiveConfig, transform: Transform = "fft") -> None:
        super().__init__()
        self.config = config
        self.mel = LogMel(config.mel_bands, config.mel_window, config.mel_hop, transform)
        self.content_encoder = ContentEncoder(config)
        self.speech_encoder = _speech_encoder(config)
        self.prosody = ProsodyAnalysis(config, transform)
        self.decoder = Decoder(config, transform)

    def analyse_in_double(self) -> LiveModel:
        """Analyse pitch and count the phase of the pulses in float64, for inference; the network stays as it is.

        The pulses integrate pitch for as long as the stream lasts: in float32 the roundings of two runtimes, or of two
        ways to cut one stream, add up until their high harmonics are apart. A decision of YIN then never flips either.
        """
        self.prosody.double()
        return self

    def initial_state(self, batch: int = 1) -> State:
        """The state before the first sample."""
        like, exact = self.decoder.head.weight.new_zeros(()), self.prosody.to_fine.new_zeros(())
        return (
            self.mel.initial_state(batch, like), self.content_encoder.initial_state(batch, like),
            self.prosody.initial_state(batch, exact), self.decoder.initial_state(batch, like, exact),
        )

    def content_features(self, samples: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Log-mel `[batch, 80, 2 * n]` of samples `[batch, n * 320]`."""
        mel: Tensor
        mel, state = self.mel(samples.unsqueeze(1), state)
        return mel, state

    def embed(self, reference: Tensor, mask: Tensor | None = None) -> Tensor:
        """Speaker latent `[batch, 64]` of reference speech `[batch, samples]`; `mask [batch, samples // 320]`."""
        whole = reference.shape[-1] // FRAME * FRAME
        reference = reference[:, :whole]
        if mask is not None:
            reference = reference.masked_fill(~mask.repeat_interleave(FRAME, dim=1), 0.0)
        latent: Tensor = self.speech_encoder(self.speech_features(reference), mask)
        return latent

    def speech_features(self, reference: Tensor) -> Tensor:
        """What the speech encoder hears of reference speech `[batch, n * 320]`."""
        if isinstance(self.speech_encoder, VerificationEncoder):
            return self.speech_encoder.features(reference)
        return self.content_features(reference)[0]

    def step(
        self, samples: Tensor, latent: Tensor, controls: Tensor, state: State | None = None
    ) -> tuple[Tensor, State]:
        """One step of n frames: samples `[batch, n * 320]` in, as many out, `320 * LOOK_AHEAD_FRAMES` samples late.

        `latent` is `[batch, 64]`, or with an adaptation behind it (see :class:`Decoder`).
        """
        mel_state, encoder_state, prosody_state, decoder_state = parts(
            self.initial_state(samples.shape[0]) if state is None else state
        )
        mel, mel_state = self.content_features(samples, mel_state)
        content, encoder_state = self.content_encoder(mel, encoder_state)
        prosody, prosody_state = self.prosody(samples, controls, prosody_state)
        # Content units answer to the content loss alone (paper, section 2.1).
        audio, decoder_state = self.decoder(content.detach(), prosody, latent, controls[:, 3:4], decoder_state)
        return audio, (mel_state, encoder_state, prosody_state, decoder_state)


LOOK_AHEAD = FRAME * LOOK_AHEAD_FRAMES
"""Samples by which `step`'s output lags its input."""


def _speech_encoder(config: LiveConfig) -> SpeechEncoder | VerificationEncoder:
    if config.speech == "verification":
        return VerificationEncoder(config.latent_dim)
    if config.speech == "convnext":
        return SpeechEncoder(config)
    raise ConfigError(f"No speech encoder is named {config.speech!r}; choose convnext or verification.")


def _run(
    blocks: nn.ModuleList, x: Tensor, states: tuple[State, ...], latent: Tensor, changes: Sequence[Tensor | None]
) -> tuple[Tensor, State]:
    after: list[State] = []
    for block, state, change in zip(blocks, states, changes, strict=True):
        x, new = block(x, state, latent, change)
        after.append(new)
    return x, tuple(after)


def _median3(windows: Tensor) -> Tensor:
    """Median of windows `[batch, n, 3]`."""
    a, b, c = windows.unbind(-1)
    return torch.maximum(torch.minimum(a, b), torch.minimum(torch.maximum(a, b), c))


def _interpolation(position: Tensor) -> Tensor:
    """Weights `[4, n]` of linear interpolation at positions from 0 on; beyond 3 the last point is held."""
    distance = (torch.arange(4).unsqueeze(1) - position.clamp(max=3).unsqueeze(0)).abs()
    return (1 - distance).clamp(min=0)
