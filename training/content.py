"""Stage 1: train the content encoder against units of a teacher (paper, section 2.1).

    python -m streamvc.training.content --corpus DIR --run runs/content --minutes 30

Two augmented views of each crop go through the encoder. Each must name the teacher's unit of the clean frame (LN,
linear, softmax, as in the paper, once per set of units, and phones where known), and the two must agree, which drives
out what the views differ in: voice, room, band.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamvc.checkpoint import load_model
from streamvc.config import FRAME, LOOK_AHEAD_FRAMES, LiveConfig
from streamvc.dsp.mel import LogMel
from streamvc.model.live import POINTS, ContentEncoder, Stack
from streamvc.training.augment import SpectralAugment, add_rooms, mix_babble
from streamvc.training.data import IGNORE, NO_PHONE, NO_UNIT, CropSampler, PackedCorpus, Utterance
from streamvc.training.loop import Average, Clock, Means, Run, check_finite, learning_rate

WARM_UP_FRAMES = 8
"""Frames at the start of a crop that no loss counts: the encoder has not heard enough yet."""


class UnitHeads(nn.Module):
    """LN + linear + softmax over each set of units (paper, section 2.1): `[batch, dim, n]` -> logits per set."""

    def __init__(self, dim: int, sizes: dict[str, int]) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.heads = nn.ModuleDict({name: nn.Linear(dim, size) for name, size in sizes.items()})

    def forward(self, content: Tensor) -> dict[str, Tensor]:
        x = self.norm(content.transpose(1, 2))
        return {name: head(x) for name, head in self.heads.items()}


def unit_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of `[batch, n, units]` with `[batch, n]`, look-ahead shifted: output t names frame t - 2."""
    late = logits[:, LOOK_AHEAD_FRAMES + WARM_UP_FRAMES :]
    wanted = labels[:, WARM_UP_FRAMES : labels.shape[1] - LOOK_AHEAD_FRAMES]
    if not (wanted != IGNORE).any():
        return logits.sum() * 0
    return F.cross_entropy(late.flatten(0, 1), wanted.flatten(), ignore_index=IGNORE)


def accuracy(logits: Tensor, labels: Tensor) -> tuple[int, int]:
    """Frames named right, and frames counted."""
    late = logits[:, LOOK_AHEAD_FRAMES + WARM_UP_FRAMES :].argmax(dim=-1)
    wanted = labels[:, WARM_UP_FRAMES : labels.shape[1] - LOOK_AHEAD_FRAMES]
    counted = wanted != IGNORE
    return int(((late == wanted) & counted).sum()), int(counted.sum())


def _labelled(corpus: PackedCorpus, utterance: Utterance) -> bool:
    """Whether an utterance has any label: a corpus may still be under way when training starts."""
    middle = (utterance.start + utterance.length // 2) // FRAME
    known = any(values[middle] != NO_UNIT for values in corpus.units.values())
    return known or (corpus.phones is not None and bool(corpus.phones[middle] != NO_PHONE))


def language_weight(utterance: Utterance) -> float:
    """English first: it is what most sources speak and what words are judged in."""
    return 1.6 if utterance.english else 0.8


@torch.no_grad()
def validate(
    encoder: ContentEncoder, heads: UnitHeads, front: LogMel, corpus: PackedCorpus, limit: int = 24
) -> dict[str, float]:
    """Unit accuracy on held-out speakers, by group of speakers, and how far two views of a crop are apart."""
    encoder.eval()
    groups: dict[str, list[Utterance]] = {}
    for u in corpus.select(lambda u: u.split == "valid" and u.length >= 3 * 16_000):
        groups.setdefault(f"{u.corpus}-{u.language}", []).append(u)
    results: dict[str, float] = {}
    stack = Stack(POINTS)
    for group, members in groups.items():
        chosen = members[:: max(1, len(members) // limit)][:limit]
        right: dict[str, list[int]] = {}
        for u in chosen:
            samples = torch.from_numpy(corpus.samples(u)[: 10 * 16_000 // FRAME * FRAME])
            mel, _ = front(samples.reshape(1, 1, -1))
            logits = heads(encoder(stack(mel)[0])[0])
            span = slice(u.start // FRAME, u.start // FRAME + samples.shape[0] // FRAME)
            for name, values in logits.items():
                source = corpus.phones if name == "phones" else corpus.units[name]
                if source is None:
                    continue
                labels = torch.from_numpy(source[span].astype("int64"))
                labels[labels == (NO_PHONE if name == "phones" else NO_UNIT)] = IGNORE
                hit, count = accuracy(values, labels.unsqueeze(0))
                so_far = right.setdefault(name, [0, 0])
                so_far[0] += hit
                so_far[1] += count
        for name, (hit, count) in right.items():
            if count:
                results[f"{group}/{name}"] = hit / count
    encoder.train()
    return results


def main(arguments: Sequence[str] | None = None) -> None:
    """Run stage 1 from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", required=True, help="packed and labelled corpus")
    parser.add_argument("--run", required=True, help="folder for the resumable state and the log")
    parser.add_argument("--minutes", type=float, default=30.0, help="training time, earlier resumed runs included")
    parser.add_argument("--steps", type=int, default=10**9, help="stop after so many, earlier resumed runs included")
    parser.add_argument("--batch", type=int, default=16, help="crops per step (each gives two views)")
    parser.add_argument("--frames", type=int, default=128, help="crop length in frames of 20 ms")
    parser.add_argument("--rate", type=float, default=1.2e-3, help="peak learning rate")
    parser.add_argument("--units", nargs="+", default=["whisper4", "whisper5"], help="sets of unit labels")
    parser.add_argument("--agreement", type=float, default=0.5, help="weight of the two views' agreement")
    parser.add_argument("--strength", type=float, default=1.0, help="strength of the spectral perturbation")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--warm-start", help="weights (.safetensors; heads start anew) or a state.pt to start from")
    options = parser.parse_args(arguments)

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    device = torch.device(options.device)
    config = LiveConfig()
    corpus = PackedCorpus(options.corpus, tuple(options.units))
    train = corpus.select(lambda u: u.split == "train" and _labelled(corpus, u))
    sizes = {name: int(values[values != NO_UNIT].max()) + 1 for name, values in corpus.units.items()}
    if corpus.phones is not None:
        sizes["phones"] = len(corpus.phone_symbols)

    encoder = ContentEncoder(config, dropout=0.1).to(device)
    heads = UnitHeads(config.content_dim, sizes).to(device)
    both = nn.ModuleDict({"encoder": encoder, "heads": heads})
    run = Run(options.run)
    saved = run.load()
    clock = Clock(options.minutes, saved["minutes"] if saved else 0.0)
    decay = [p for p in both.parameters() if p.ndim > 1]
    rest = [p for p in both.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0.0}],
        lr=options.rate,
        betas=(0.9, 0.98),
    )
    average = Average(both, 0.999)
    step = 0
    if saved:
        both.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        average.load(saved["average"])
        step = saved["step"]
    elif options.warm_start:
        _warm_start(Path(options.warm_start), both)
        average = Average(both, 0.999)

    # A resumed run draws other crops than the first: seeds count its steps in.
    sampler = CropSampler(
        corpus, train, options.frames, options.seed + step, language_weight, (0.82, 1.22), 0.6
    )
    front = LogMel(config.mel_bands, config.mel_window, config.mel_hop)
    augment = SpectralAugment(front, config.mel_bands, config.mel_window, options.seed + step, options.strength)
    random = torch.Generator().manual_seed(options.seed + step)
    stack = Stack(POINTS)
    means = Means()
    heard = 0.0

    def state() -> dict[str, object]:
        return {
            "model": both.state_dict(), "optimiser": optimiser.state_dict(), "average": average.state(), "step": step,
            "minutes": clock.elapsed, "sizes": sizes,
        }

    both.train()
    while clock.running and step < options.steps:
        crops = sampler.batch(options.batch)
        samples = add_rooms(mix_babble(crops.samples, random), random)
        power, _ = front.power(samples.unsqueeze(1))
        views = torch.cat([stack(augment(power))[0] for _ in range(2)]).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            content, _ = encoder(views)
            logits = heads(content)
        content = content.float()
        losses = {}
        for name, values in logits.items():
            labels = crops.phones if name == "phones" else crops.units[name]
            assert labels is not None
            losses[name] = unit_loss(values.float(), labels.repeat(2, 1).to(device))
        first, second = content.chunk(2)
        losses["agreement"] = (first - second).square()[..., LOOK_AHEAD_FRAMES + WARM_UP_FRAMES :].mean()
        loss = sum(
            (options.agreement * value if name == "agreement" else value for name, value in losses.items()),
            torch.zeros((), device=device),
        )
        check_finite(loss, step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(both.parameters(), 2.0)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(clock.progress, options.rate)
        optimiser.step()
        average.update(both)
        step += 1
        heard += options.batch * options.frames * FRAME / 16_000 / 3_600
        means.add(**losses)
        if step % 100 == 0:
            run.log(step=step, minutes=clock.elapsed, hours=heard, **means.take())
        if step % 500 == 0:
            run.log(step=step, **_averaged_validation(both, average, front, corpus))
        if run.due():
            run.save(state())
    run.save(state())
    run.log(step=step, minutes=clock.elapsed, **_averaged_validation(both, average, front, corpus))


def _warm_start(path: Path, both: nn.ModuleDict) -> None:
    """Take the encoder of shipped weights, or encoder and heads of another run of this stage."""
    if path.suffix == ".safetensors":
        both["encoder"].load_state_dict(load_model(path).content_encoder.state_dict())
    else:
        both.load_state_dict(torch.load(path, map_location="cpu", weights_only=True)["average"]["values"])


def _averaged_validation(
    both: nn.ModuleDict, average: Average, front: LogMel, corpus: PackedCorpus
) -> dict[str, float]:
    kept = {k: v.clone() for k, v in both.state_dict().items()}
    both.load_state_dict(average.values)
    encoder, heads = both["encoder"], both["heads"]
    assert isinstance(encoder, ContentEncoder)
    assert isinstance(heads, UnitHeads)
    results = validate(encoder, heads, front, corpus)
    both.load_state_dict(kept)
    return results


def averaged_encoder(path: str | Path, config: LiveConfig) -> ContentEncoder:
    """The averaged encoder of a stage-1 run (`state.pt`), for stage 2."""
    values = torch.load(path, map_location="cpu", weights_only=True)["average"]["values"]
    encoder = ContentEncoder(config)
    encoder.load_state_dict({k.removeprefix("encoder."): v for k, v in values.items() if k.startswith("encoder.")})
    return encoder.eval()


if __name__ == "__main__":
    main()
