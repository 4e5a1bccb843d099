"""Stage 2: what decoder and speech encoder learn on frozen content (paper, section 2.6).

The decoder re-speaks a crop from the content of a perturbed view of it, its own pitch and energy, and a speaker latent
from other utterances of the same speaker. Part of a batch may also be spoken in another speaker's voice, and the
result then has to be recognised as that speaker: by the model's own speech encoder, or by a frozen verification network
that knows thousands of them. `training/stages/decoder.py` trains it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamvc.config import FRAME, LOOK_AHEAD_FRAMES
from streamvc.model.live import FINE, POINTS, LiveModel, Prosody
from streamvc.training.content import WARM_UP_FRAMES
from streamvc.training.data import Crops, CropSampler, Utterance
from streamvc.training.distributed import world_mean
from streamvc.training.losses.content import content_distance as distance_of_content
from streamvc.training.registers import Registers

CONTEXT = 32
"""Frames that only the content encoder hears before a crop is spoken."""
SKIP = 4 * FRAME
"""Samples at the start of what is spoken that no loss counts: the filters' tails are missing there."""
APERIODIC = 0.5
"""YIN's difference (CMNDF) above which a source is surely unvoiced: hisses have 0.6 to 0.9, vowels under 0.1."""


@dataclass(frozen=True)
class Lesson:
    """What the decoder is given for a batch, lined up: `frames` frames to speak, and the speech they should give."""

    content: Tensor
    prosody: Prosody
    target: Tensor
    latent: Tensor
    registers: Tensor
    speakers: Tensor


class SpeakerHead(nn.Module):
    """Names the training speaker of a latent by cosine (additive margin as in AM-softmax, Wang et al. 2018)."""

    def __init__(self, latent: int, identities: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(identities, latent) * 0.1)

    def forward(self, latent: Tensor, speakers: Tensor, margin: float = 0.1, scale: float = 15.0) -> Tensor:
        """Cross entropy of latents `[batch, latent]` with speaker indices `[batch]`."""
        cosine = F.normalize(latent, dim=-1) @ F.normalize(self.weight, dim=-1).T
        penalty = margin * F.one_hot(speakers, cosine.shape[-1])
        return F.cross_entropy(scale * (cosine - penalty), speakers)


def register_table(registers: Registers, sampler: CropSampler) -> Tensor:
    """Mean and spread of log f0 of the sampler's speakers, `[speakers, 2]`, in the order of their indices."""
    names = sorted(sampler.speaker_index, key=sampler.speaker_index.__getitem__)
    return torch.tensor([registers[name] for name in names])


def register_of_crops(table: Tensor, crops: Crops) -> Tensor:
    """Registers `[batch, 2]` of the speakers of crops, moved by the speed of each."""
    register = table[crops.speakers // 3].clone()
    register[:, 0] += torch.log(crops.speeds)
    return register


def make_lesson(
    model: LiveModel, samples: Tensor, view: Tensor, blur: Tensor, register: Tensor, speakers: Tensor,
    latent: Tensor, bf16: bool,
) -> Lesson:
    """A lesson from a batch of crops.

    Args:
        model: content encoder and prosody are not trained.
        samples: `[batch, frames * 320]`, the first `CONTEXT` frames of which are only heard.
        view: log-mel `[batch, 80, 2 * frames]` that the content encoder hears.
        blur: `[batch, content, frames]`, added to the content.
        register: `[batch, 2]`, mean and spread of log f0.
        speakers: `[batch]`, indices of the speakers of training.
        latent: of the same speakers, `[batch, 64]`.
        bf16: whether the networks run in bfloat16.
    """
    device = samples.device.type
    with torch.no_grad():
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            content, _ = model.content_encoder(view)
        content = content.float() + blur
        controls = samples.new_zeros(len(register), 6)
        controls[:, 4] = 1
        prosody, _ = model.prosody(samples, controls, None, register)
    late = LOOK_AHEAD_FRAMES * FRAME
    spoken = samples[:, CONTEXT * FRAME - late : samples.shape[1] - late]
    return Lesson(
        content[..., CONTEXT:], _from_frame(prosody, CONTEXT), spoken, latent, register, speakers
    )


def speak(model: LiveModel, content: Tensor, latent: Tensor, prosody: Prosody, bf16: bool) -> tuple[Tensor, Tensor]:
    """The decoder's speech, `[batch, frames * 320]`, and the cepstra behind it."""
    with torch.autocast(content.device.type, torch.bfloat16, enabled=bf16):
        cepstra, network = model.decoder.cepstra(content, prosody, latent)
    audio, _ = model.decoder.synthesise(cepstra.float(), prosody, None, None, network)
    return audio, cepstra.float()


def buzz(model: LiveModel, cepstra: Tensor, prosody: Prosody, valid: Tensor | None = None) -> Tensor:
    """How loud the pulses are beside the noise where the source is unvoiced, in nepers, down to -2 (17 dB below).

    Log spectra of a hiss and of pulses with its envelope differ little, so that spectral losses leave fricatives to the
    pulses: measured, most of their energy, and the reason why they sounded like a machine. Frames that are padding
    (`valid [batch, frames]` is False) are not counted.
    """
    decoder, order = model.decoder, model.config.pulse_cepstrum
    shaped = cepstra * decoder.slope
    levels = []
    for phases, part in (
        (decoder.pulse_phase, shaped[..., :order]), (decoder.noise_phase, shaped[..., order:])
    ):
        log_magnitude, _ = phases(part)
        levels.append(0.5 * torch.logsumexp(2 * log_magnitude, dim=-1))
    # Aperiodicity at the two points of each frame. YIN's own votes would not do: it calls weak voicing (0.15 to 0.4)
    # unvoiced, and vowels without pulses are hoarse. It also hears a vowel begin 40 ms late, so the next points have to
    # agree as well; behind the speech none is asked.
    last = 3 * len(model.config.yin.thresholds) * POINTS
    rough = prosody.features[:, last - POINTS : last].transpose(1, 2).flatten(1)
    if valid is not None:
        rough = rough.masked_fill(~valid.repeat_interleave(POINTS, dim=1), 1.0)
    least = -F.max_pool1d(F.pad(-rough.unsqueeze(1), (1, 4), value=-1.0), 6, 1).squeeze(1)
    unvoiced = (least.repeat_interleave(FINE // POINTS, dim=1) > APERIODIC).float()
    if valid is not None:
        unvoiced = unvoiced * valid.repeat_interleave(FINE, dim=1)
    excess = F.softplus(levels[0] - levels[1] + 2)
    return (excess * unvoiced).sum() / world_mean(unvoiced.sum()).clamp(min=1)


def latent_of(model: LiveModel, references: Tensor, bf16: bool) -> Tensor:
    """Speaker latents `[batch, 64]` of speech `[batch, samples]`."""
    heard = model.speech_features(references)
    with torch.autocast(references.device.type, torch.bfloat16, enabled=bf16):
        latent: Tensor = model.speech_encoder(heard)
    return latent.float()


def in_other_register(lesson: Lesson, registers: Tensor) -> Prosody:
    """Prosody of every second row of a batch, with the pitch moved into registers `[batch / 2, 2]`."""
    p = lesson.prosody
    first = Prosody(p.features[::2], p.fine[::2], p.energy[::2], p.f0[::2])
    return in_register(first, lesson.registers[::2], registers)


def in_register(prosody: Prosody, source: Tensor, target: Tensor) -> Prosody:
    """Prosody with f0 moved from one register to another: mean and spread of log f0, `[batch, 2]` each."""
    ratio = (target[:, 1] / source[:, 1]).reshape(-1, 1, 1)
    log_f0 = torch.log(prosody.f0)
    moved = (log_f0 - source[:, 0].reshape(-1, 1, 1)) * ratio + target[:, 0].reshape(-1, 1, 1)
    return Prosody(prosody.features, prosody.fine, prosody.energy, torch.exp(moved).clamp(40.0, 1_000.0))


def _from_frame(p: Prosody, first: int) -> Prosody:
    return Prosody(p.features[..., first:], p.fine[..., first * FINE :], p.energy[..., first * FINE :], p.f0[:, first:])


def corpus_weight(utterance: Utterance) -> float:
    """English and many speakers first."""
    return 1.5 if utterance.english else 0.7


def recognised(model: LiveModel, head: SpeakerHead, converted: Tensor, speakers: Tensor, bf16: bool) -> Tensor:
    """How well converted speech is named as its target; only the speech is to blame, not those who name it."""
    judges = [p for p in nn.ModuleList((model.speech_encoder, head)).parameters() if p.requires_grad]
    for parameter in judges:
        parameter.requires_grad_(False)
    latent = latent_of(model, converted, bf16)
    loss: Tensor = head(latent, speakers, margin=0.0)
    for parameter in judges:
        parameter.requires_grad_(True)
    return loss


def content_distance(
    model: LiveModel, speech: Tensor, content: Tensor, bf16: bool, valid: Tensor | None = None
) -> Tensor:
    """How far the content of what was spoken is from what was to be spoken; the encoder is frozen.

    `speech [batch, samples]` and `content [batch, content, frames]` have equal rows; the speech begins `SKIP` after the
    content does. Frames that are padding (`valid [batch, frames]` is False) are not counted.
    """
    mel, _ = model.content_features(speech)
    with torch.autocast(speech.device.type, torch.bfloat16, enabled=bf16):
        heard, _ = model.content_encoder(mel)
    return distance_of_content(heard.float(), content, SKIP // FRAME, WARM_UP_FRAMES, valid)
