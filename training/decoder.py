"""Stage 2: train decoder and speech encoder on frozen content (paper, section 2.6).

    python -m streamvc.training.decoder --corpus DIR --content runs/content/state.pt --run runs/decoder --minutes 60

The decoder re-speaks a crop from the content of a perturbed view of it, its own pitch and energy, and a speaker latent
from other utterances of the same speaker. Spectral losses first; with `--adversarial` (usually a second run, started
with `--warm-start`) discriminators join. With `--swap` or `--verified` part of each batch is also spoken in another
speaker's voice, and the result has to be recognised as that speaker: by the model's own speech encoder, or by a frozen
verification network that knows thousands of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamvc.checkpoint import load_model, save_model
from streamvc.config import FRAME, LOOK_AHEAD_FRAMES, LiveConfig
from streamvc.model.live import FINE, POINTS, LiveModel, Prosody, Stack
from streamvc.training.augment import SpectralAugment
from streamvc.training.content import WARM_UP_FRAMES, averaged_encoder
from streamvc.training.data import Crops, CropSampler, PackedCorpus, Utterance
from streamvc.training.discriminators import Discriminators
from streamvc.training.loop import Average, Clock, Means, Run, check_finite, learning_rate
from streamvc.training.losses.adversarial import discriminator_loss, feature_loss, generator_loss
from streamvc.training.losses.spectral import SpectralLoss
from streamvc.training.registers import Registers, speaker_registers
from streamvc.training.verifier import Verifier

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
    references: Tensor


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


class Teacher:
    """Turns crops into lessons with the frozen parts of the model."""

    def __init__(
        self, model: LiveModel, registers: Registers, sampler: CropSampler, seed: int, strength: float
    ) -> None:
        self.model = model
        self.augment = SpectralAugment(model.mel, model.config.mel_bands, model.config.mel_window, seed, strength)
        self.stack = Stack(POINTS)
        names = sorted(sampler.speaker_index, key=sampler.speaker_index.__getitem__)
        self.registers = torch.tensor([registers[name] for name in names])
        self.random = torch.Generator().manual_seed(seed)

    def lesson(self, crops: Crops, noise: float, bf16: bool) -> Lesson:
        """Content of a perturbed view, clean prosody, latent of the references (with gradient)."""
        model = self.model
        with torch.no_grad():
            power, _ = model.mel.power(crops.samples.unsqueeze(1))
            view = self.stack(self.augment(power, masks=False))[0]
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                content, _ = model.content_encoder(view)
            content = content.float()
            content = content + noise * torch.randn(content.shape, generator=self.random)
            register = self.registers[crops.speakers // 3].clone()
            register[:, 0] += torch.log(crops.speeds)
            controls = torch.zeros(len(register), 6)
            controls[:, 4] = 1
            prosody, _ = model.prosody(crops.samples, controls, None, register)
        assert crops.references is not None
        mel, _ = model.content_features(crops.references)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            latent = model.speech_encoder(mel)
        late = LOOK_AHEAD_FRAMES * FRAME
        spoken = crops.samples[:, CONTEXT * FRAME - late : crops.samples.shape[1] - late]
        return Lesson(
            content[..., CONTEXT:], _from_frame(prosody, CONTEXT), spoken, latent.float(), register, crops.speakers,
            crops.references,
        )


def speak(model: LiveModel, content: Tensor, latent: Tensor, prosody: Prosody, bf16: bool) -> tuple[Tensor, Tensor]:
    """The decoder's speech, `[batch, frames * 320]`, and the cepstra behind it."""
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        cepstra, network = model.decoder.cepstra(content, prosody, latent)
    audio, _ = model.decoder.synthesise(cepstra.float(), prosody, None, None, network)
    return audio, cepstra.float()


def buzz(model: LiveModel, cepstra: Tensor, prosody: Prosody) -> Tensor:
    """How loud the pulses are beside the noise where the source is unvoiced, in nepers, down to -2 (17 dB below).

    Log spectra of a hiss and of pulses with its envelope differ little, so that spectral losses leave fricatives to the
    pulses: measured, most of their energy, and the reason why they sounded like a machine.
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
    # agree as well.
    last = 3 * len(model.config.yin.thresholds) * POINTS
    rough = prosody.features[:, last - POINTS : last].transpose(1, 2).flatten(1)
    least = -F.max_pool1d(F.pad(-rough.unsqueeze(1), (1, 4), value=-1.0), 6, 1).squeeze(1)
    unvoiced = (least.repeat_interleave(FINE // POINTS, dim=1) > APERIODIC).float()
    excess = F.softplus(levels[0] - levels[1] + 2)
    return (excess * unvoiced).sum() / unvoiced.sum().clamp(min=1)


def as_spoken_by(lesson: Lesson, order: Tensor) -> tuple[Tensor, Prosody]:
    """Latent and prosody of the first rows of a batch in the voices of the rows in `order`: pitch moves register."""
    rows = len(order)
    p = lesson.prosody
    first = Prosody(p.features[:rows], p.fine[:rows], p.energy[:rows], p.f0[:rows])
    return lesson.latent[order], in_register(first, lesson.registers[:rows], lesson.registers[order])


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


def main(arguments: Sequence[str] | None = None) -> None:
    """Run stage 2 from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", required=True, help="packed corpus")
    parser.add_argument("--content", help="state.pt of a stage-1 run; else the warm start's encoder is kept")
    parser.add_argument("--warm-start", help="weights (.safetensors) to start from")
    parser.add_argument("--head", help="state.pt of an earlier run on the same corpus, for its names of speakers")
    parser.add_argument("--critics", help="state.pt of an earlier adversarial run, for its discriminators")
    parser.add_argument("--keep-speakers", action="store_true", help="freeze speech encoder and names of speakers")
    parser.add_argument("--run", required=True, help="folder for the resumable state, the log and model.safetensors")
    parser.add_argument("--minutes", type=float, default=60.0, help="training time, earlier resumed runs included")
    parser.add_argument("--steps", type=int, default=10**9, help="stop after so many, earlier resumed runs included")
    parser.add_argument("--batch", type=int, default=12, help="crops per step")
    parser.add_argument("--frames", type=int, default=64, help="frames of 20 ms spoken per crop")
    parser.add_argument("--rate", type=float, default=8e-4, help="peak learning rate")
    parser.add_argument("--strength", type=float, default=0.6, help="perturbation of the content's view")
    parser.add_argument("--noise", type=float, default=0.1, help="spread of the noise added to content")
    parser.add_argument("--speaker", type=float, default=0.05, help="weight of naming the speaker from the latent")
    parser.add_argument("--adversarial", action="store_true", help="train with discriminators")
    parser.add_argument("--critic-rate", type=float, default=3e-4, help="learning rate of the discriminators")
    parser.add_argument("--critic-every", type=int, default=1, help="steps between those with discriminators")
    parser.add_argument("--critic-samples", type=int, default=8_000, help="samples of each crop that they judge")
    parser.add_argument("--reconstruction", type=float, default=2.0, help="weight of the spectral loss beside them")
    parser.add_argument("--fooling", type=float, default=0.6, help="weight of fooling the discriminators")
    parser.add_argument("--features", type=float, default=6.0, help="weight of feature matching beside them")
    parser.add_argument("--swap", type=float, default=0.0, help="weight of being recognised as another speaker")
    parser.add_argument("--verified", type=float, default=0.0, help="weight of being verified as another speaker")
    parser.add_argument("--buzz", type=float, default=0.0, help="weight against pulses in unvoiced speech")
    parser.add_argument("--words", type=float, default=0.0, help="weight of converted speech keeping its content")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-bf16", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    bf16 = not options.no_bf16
    model = load_model(options.warm_start) if options.warm_start else LiveModel(LiveConfig())
    assert isinstance(model, LiveModel)
    if options.content:
        model.content_encoder.load_state_dict(averaged_encoder(options.content, model.config).state_dict())
    model.content_encoder.eval().requires_grad_(False)

    corpus = PackedCorpus(options.corpus)
    train = corpus.select(lambda u: u.split == "train" and u.band == "wide" and u.length >= FRAME * 100)
    run = Run(options.run)
    saved = run.load()
    step = int(saved["step"]) if saved else 0
    sampler = CropSampler(
        corpus, train, CONTEXT + options.frames, options.seed + step, corpus_weight, (0.84, 1.19), 0.4,
        reference_frames=150,
    )
    registers = speaker_registers(corpus, train, run.folder / "registers.json")
    teacher = Teacher(model, registers, sampler, options.seed + step, options.strength)
    head = SpeakerHead(model.config.latent_dim, sampler.identities)
    if options.head:
        earlier = torch.load(options.head, map_location="cpu", weights_only=True)["average"]["values"]
        head.load_state_dict({"weight": earlier["head.weight"]})
    learned = nn.ModuleDict({"decoder": model.decoder, "speech": model.speech_encoder, "head": head})
    clock = Clock(options.minutes, saved["minutes"] if saved else 0.0)
    if options.keep_speakers:
        nn.ModuleList((model.speech_encoder, head)).requires_grad_(False)
    trained = [p for p in learned.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=options.rate, betas=(0.8, 0.98), weight_decay=0.01)
    critics = Discriminators() if options.adversarial else None
    critic_optimiser = None
    if critics:
        critic_optimiser = torch.optim.AdamW(
            critics.parameters(), lr=options.critic_rate, betas=(0.5, 0.9), weight_decay=0.0
        )
    if critics and options.critics and not saved:
        critics.load_state_dict(torch.load(options.critics, map_location="cpu", weights_only=True)["critics"])
    average = Average(learned, 0.998)
    if saved:
        learned.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        average.load(saved["average"])
        if critics and critic_optimiser and saved["critics"]:
            critics.load_state_dict(saved["critics"])
            critic_optimiser.load_state_dict(saved["critic_optimiser"])
    spectral = SpectralLoss()
    verifier = Verifier() if options.verified else None
    means = Means()
    # Half of a batch is also spoken by its other half.
    order = torch.arange(options.batch // 2) + options.batch // 2

    def save() -> None:
        run.save({
            "model": learned.state_dict(), "optimiser": optimiser.state_dict(), "average": average.state(),
            "step": step, "minutes": clock.elapsed, "critics": critics.state_dict() if critics else None,
            "critic_optimiser": critic_optimiser.state_dict() if critic_optimiser else None,
        })
        kept = {k: v.clone() for k, v in learned.state_dict().items()}
        learned.load_state_dict(average.values)
        provenance = {"stage": 2, "step": step, "minutes": clock.elapsed, "corpora": sorted({u.corpus for u in train})}
        save_model(model, run.folder / "model.safetensors", provenance)
        learned.load_state_dict(kept)

    learned.train()
    while clock.running and step < options.steps:
        rate = learning_rate(clock.progress, options.rate)
        for group in optimiser.param_groups:
            group["lr"] = rate
        lesson = teacher.lesson(sampler.batch(options.batch), options.noise, bf16)
        output, cepstra = speak(model, lesson.content, lesson.latent, lesson.prosody, bf16)
        output = output[:, SKIP:]
        target = lesson.target[:, SKIP:]
        converted = None
        if options.swap or options.verified:
            latent, prosody = as_spoken_by(lesson, order)
            converted, _ = speak(model, lesson.content[: len(order)], latent.detach(), prosody, bf16)
            converted = converted[:, SKIP:]

        # Discriminators cost more than the decoder: they judge a piece of each crop, the same of real and fake.
        begin = int(torch.randint(max(1, output.shape[1] - options.critic_samples), (1,)))
        piece = slice(begin, begin + options.critic_samples)
        judged, fakes = target[:, piece], output if converted is None else torch.cat((output, converted))
        fakes = fakes[:, piece]
        judging = step % options.critic_every == 0
        if critics and critic_optimiser and judging:
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                real, fake = critics(judged), critics(fakes.detach())
            critic_loss = discriminator_loss(_floats(real), _floats(fake))
            check_finite(critic_loss, step)
            critic_optimiser.zero_grad(set_to_none=True)
            critic_loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(critics.parameters(), 5.0)
            critic_optimiser.step()
            means.add(critic=critic_loss)

        distance = spectral(output, target)
        named = head(lesson.latent, lesson.speakers)
        loss = (options.reconstruction if critics else 1.0) * distance + options.speaker * named
        means.add(spectral=distance, named=named)
        if options.buzz:
            buzzing = buzz(model, cepstra, lesson.prosody)
            loss = loss + options.buzz * buzzing
            means.add(buzz=buzzing)
        if critics and judging:
            critics.requires_grad_(False)
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                fake = critics(fakes)
                with torch.no_grad():
                    real = critics(judged)
            own = [(logits[: len(output)], [x[: len(output)] for x in inner]) for logits, inner in _floats(fake)]
            fooled, alike = generator_loss(_floats(fake)), feature_loss(_floats(real), own)
            critics.requires_grad_(True)
            loss = loss + options.fooling * fooled + options.features * alike
            means.add(fooled=fooled, alike=alike)
        if options.swap and converted is not None:
            recognised = _recognised(model, head, converted, lesson.speakers[order], bf16)
            loss = loss + options.swap * recognised
            means.add(recognised=recognised)
        if verifier and converted is not None:
            with torch.no_grad():
                wanted = verifier(lesson.references[order])
            verified = 1 - (verifier(converted) * wanted).sum(dim=-1).mean()
            loss = loss + options.verified * verified
            means.add(verified=verified)
        if options.words:
            kept_words = content_distance(model, output if converted is None else converted, lesson.content, bf16)
            loss = loss + options.words * kept_words
            means.add(words=kept_words)
        check_finite(loss, step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(learned.parameters(), 5.0)
        optimiser.step()
        average.update(learned)
        step += 1
        if step % 50 == 0:
            run.log(step=step, minutes=clock.elapsed, rate=rate, **means.take())
        if run.due():
            save()
    save()


def _recognised(model: LiveModel, head: SpeakerHead, converted: Tensor, speakers: Tensor, bf16: bool) -> Tensor:
    """How well converted speech is named as its target; only the speech is to blame, not those who name it."""
    judges = [p for p in nn.ModuleList((model.speech_encoder, head)).parameters() if p.requires_grad]
    for parameter in judges:
        parameter.requires_grad_(False)
    mel, _ = model.content_features(converted)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        latent = model.speech_encoder(mel)
    loss: Tensor = head(latent.float(), speakers, margin=0.0)
    for parameter in judges:
        parameter.requires_grad_(True)
    return loss


def content_distance(model: LiveModel, speech: Tensor, content: Tensor, bf16: bool) -> Tensor:
    """How far the content of what was spoken is from what was to be spoken; the encoder is frozen.

    Output t of the encoder describes frame t - 2 of the speech, which begins `SKIP` after the content does.
    """
    mel, _ = model.content_features(speech)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        heard, _ = model.content_encoder(mel)
    first = WARM_UP_FRAMES + LOOK_AHEAD_FRAMES
    begin = SKIP // FRAME + first - LOOK_AHEAD_FRAMES
    heard = heard.float()[..., first:]
    wanted = content[: len(heard), :, begin : begin + heard.shape[-1]]
    distance: Tensor = (heard - wanted).square().mean()
    return distance


def _floats(judgements: list[tuple[Tensor, list[Tensor]]]) -> list[tuple[Tensor, list[Tensor]]]:
    return [(logits.float(), [x.float() for x in inner]) for logits, inner in judgements]


if __name__ == "__main__":
    main()
