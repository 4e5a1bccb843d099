"""The `paper` configuration: StreamVC as published (arXiv 2401.03078, sections 2 and 3.1).

At step t (0-based frames of 20 ms) the model has heard samples up to `320 * (t + 1)` and speaks frame `t - 2`. The
content encoder is trained to describe that frame; pitch and energy wait for it in declared delays.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from streamvc.config import FRAME, LOOK_AHEAD_FRAMES, PaperConfig
from streamvc.dsp.dft import Transform
from streamvc.dsp.energy import LogEnergy
from streamvc.dsp.whitening import RunningWhitening
from streamvc.dsp.yin import Yin
from streamvc.layers.base import StreamingModule
from streamvc.layers.conv import Delay
from streamvc.layers.pooling import LearnablePooling
from streamvc.layers.soundstream import SoundStreamDecoder, SoundStreamEncoder
from streamvc.state import State, parts

SEMITONE = math.log(2) / 12
ENERGY_WINDOW = 2 * FRAME
"""Samples of the Hann window that measures a frame's energy: the frame and half of each neighbour."""
EMBED_FRAMES = 500
"""Frames of a reference that the speech encoder takes at a time, so that memory does not grow with its length."""
_MIDDLE = FRAME * LOOK_AHEAD_FRAMES + FRAME // 2
"""Samples from the middle of the frame that is spoken to the newest sample that was heard."""


class PaperContentEncoder(SoundStreamEncoder):
    """Samples `[batch, 1, n * 320]` -> soft content units `[batch, 64, n]`, 2 frames late (paper, sections 2.1, 2.5).

    Output t describes frame t - 2: training shifts the labels, nothing is padded.
    """

    def __init__(self, config: PaperConfig) -> None:
        super().__init__(
            config.content_channels, config.content_dim, config.strides, config.kernel, config.dilations
        )


class PaperSpeechEncoder(nn.Module):
    """Reference samples `[batch, 1, n * 320]` -> speaker latent `[batch, 64]` (paper, section 2.2)."""

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        self.encoder = SoundStreamEncoder(
            config.speech_channels, config.latent_dim, config.strides, config.kernel, config.dilations
        )
        self.pool = LearnablePooling(config.latent_dim)

    def forward(self, samples: Tensor, mask: Tensor | None = None) -> Tensor:
        """`mask [batch, n]` is True where a frame counts; every row needs one such frame."""
        pieces: list[Tensor] = []
        state: State | None = None
        for start in range(0, samples.shape[-1], EMBED_FRAMES * FRAME):
            piece, state = self.encoder(samples[..., start : start + EMBED_FRAMES * FRAME], state)
            pieces.append(piece)
        latent: Tensor = self.pool(torch.cat(pieces, dim=-1), mask)
        return latent


class PaperProsody(StreamingModule):
    """Source samples -> side information `[batch, 3 * thresholds + 1, n]`, lined up 2 frames late (paper, section 2.4).

    For each YIN threshold whitened log f0 (0 where unvoiced), voiced and CMNDF; then log energy.
    """

    def __init__(self, config: PaperConfig, transform: Transform = "fft") -> None:
        super().__init__()
        if config.yin.hop != FRAME:
            raise ValueError(f"one pitch estimate per frame needs YIN hops of {FRAME} samples, not {config.yin.hop}")
        self.thresholds = len(config.yin.thresholds)
        self.min_std = config.whitening.min_std
        # An analysis window describes its middle; what is missing to the middle of the spoken frame is waited for.
        self.pitch_delay = Delay(1, _MIDDLE - (config.yin.span - config.yin.centre))
        self.energy_delay = Delay(1, _MIDDLE - ENERGY_WINDOW // 2)
        self.yin = Yin(config.yin, transform)
        self.energy = LogEnergy(ENERGY_WINDOW, FRAME)
        self.whiten = RunningWhitening(config.whitening)

    def initial_state(self, batch: int, like: Tensor) -> State:
        return (
            self.pitch_delay.initial_state(batch, like), self.energy_delay.initial_state(batch, like),
            self.yin.initial_state(batch, like), self.energy.initial_state(batch, like),
            self.whiten.initial_state(batch * self.thresholds, like),
        )

    def forward(
        self, samples: Tensor, controls: Tensor, state: State | None = None, register: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """`samples [batch, n * 320]`, `controls` as packed by streamvc.controls.

        The decoder was trained on whitened pitch alone, so a pitch shift is an offset of the whitened value in units of
        the target's spread, and intonation is its factor. `register [batch, 2]` (mean and spread of log f0) replaces
        the running whitening (training: statistics of the whole utterance) and the controls.
        """
        s = parts(self.initial_state(samples.shape[0], samples) if state is None else state)
        x = samples.unsqueeze(1)
        late, pitch_delay = self.pitch_delay(x, s[0])
        estimates, yin = self.yin(late, s[2])
        late, energy_delay = self.energy_delay(x, s[1])
        energy, energy_state = self.energy(late, s[3])

        batch, _, count = estimates.shape
        log_f0, voiced, aperiodicity = (estimates[:, i::3] for i in range(3))
        # Each threshold is a stream of its own, with statistics over the frames that it calls voiced.
        locked = controls[:, 5:6].expand(-1, self.thresholds).reshape(-1, 1)
        whitened, whiten = self.whiten(log_f0.reshape(-1, count), voiced.reshape(-1, count), s[4], locked)
        pitch = whitened.reshape(batch, self.thresholds, count)
        if register is None:
            spread = controls[:, 1:2].clamp(min=self.min_std)
            pitch = pitch * controls[:, 4:5].unsqueeze(1) + (controls[:, 2:3] * SEMITONE / spread).unsqueeze(1)
        else:
            pitch = (log_f0 - register[:, :1].unsqueeze(1)) / register[:, 1:].unsqueeze(1)
        features = torch.stack((pitch * voiced, voiced, aperiodicity), dim=2).flatten(1, 2)
        after = (pitch_delay, energy_delay, yin, energy_state, whiten)
        return torch.cat((features, energy / 4 + 1), dim=1), after


class PaperDecoder(SoundStreamDecoder):
    """74 inputs `[batch, 74, n]` and the speaker latent `[batch, 64]` -> speech `[batch, 1, n * 320]` (section 2.3)."""

    def __init__(self, config: PaperConfig) -> None:
        inputs = config.content_dim + 3 * len(config.yin.thresholds) + 1
        super().__init__(
            inputs, config.decoder_channels, config.latent_dim, config.strides, config.kernel, config.dilations
        )


class PaperModel(nn.Module):
    """StreamVC in the `paper` configuration: `embed` and `step` (see docs/architecture.md).

    The decoder gives out samples, not an envelope, so there are no formants to move: `controls` may hold a formant
    shift, which has no effect. Hosts look at `supports_formant` and refuse one.
    """

    supports_formant = False

    def __init__(self, config: PaperConfig, transform: Transform = "fft") -> None:
        super().__init__()
        if math.prod(config.strides) != FRAME:
            raise ValueError(f"strides {config.strides} do not multiply to the {FRAME} samples of a frame")
        self.config = config
        self.content_encoder = PaperContentEncoder(config)
        self.speech_encoder = PaperSpeechEncoder(config)
        self.prosody = PaperProsody(config, transform)
        self.decoder = PaperDecoder(config)

    def initial_state(self, batch: int = 1) -> State:
        """The state before the first sample."""
        like = next(self.decoder.parameters()).new_zeros(())
        return (
            self.content_encoder.initial_state(batch, like), self.prosody.initial_state(batch, like),
            self.decoder.initial_state(batch, like),
        )

    def content_features(self, samples: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """What the content encoder reads: here the samples themselves, `[batch, 1, n * 320]`."""
        return samples.unsqueeze(1), ()

    def embed(self, reference: Tensor, mask: Tensor | None = None) -> Tensor:
        """Speaker latent `[batch, 64]` of reference speech `[batch, samples]`; `mask [batch, samples // 320]`.

        Raises:
            ValueError: the reference is shorter than one frame.
        """
        whole = reference.shape[-1] // FRAME * FRAME
        if not whole:
            raise ValueError(f"a reference needs at least {FRAME} samples, not {reference.shape[-1]}")
        latent: Tensor = self.speech_encoder(reference[:, :whole].unsqueeze(1), mask)
        return latent

    def step(
        self, samples: Tensor, latent: Tensor, controls: Tensor, state: State | None = None
    ) -> tuple[Tensor, State]:
        """One step of n frames: samples `[batch, n * 320]` in, as many out, `320 * LOOK_AHEAD_FRAMES` samples late."""
        encoder_state, prosody_state, decoder_state = parts(
            self.initial_state(samples.shape[0]) if state is None else state
        )
        features, _ = self.content_features(samples)
        content, encoder_state = self.content_encoder(features, encoder_state)
        prosody, prosody_state = self.prosody(samples, controls, prosody_state)
        # Content units answer to the content loss alone (paper, section 2.1).
        inputs = torch.cat((content.detach(), prosody), dim=1)
        audio, decoder_state = self.decoder(inputs, decoder_state, latent)
        return audio.squeeze(1), (encoder_state, prosody_state, decoder_state)
