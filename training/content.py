"""Stage 1: what the content encoder learns from units of a teacher (paper, section 2.1), and how that is judged.

Two augmented views of each crop go through the encoder. Each must name the teacher's unit of the clean frame (LN,
linear, softmax, as in the paper, once per set of units, and phones where known), and the two must agree, which drives
out what the views differ in: voice, room, band. `training/stages/content.py` trains it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamvc.config import FRAME, LOOK_AHEAD_FRAMES
from streamvc.dsp.mel import LogMel
from streamvc.model.live import ContentEncoder, LiveModel
from streamvc.training.data import IGNORE, NO_PHONE, NO_UNIT, Crops, CropSampler, PackedCorpus, Utterance
from streamvc.training.distributed import world_mean

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


def labels_of(crops: Crops, name: str) -> Tensor:
    """Labels `[batch, frames]` of a set of units, or phones."""
    if name != "phones":
        return crops.units[name]
    assert crops.phones is not None
    return crops.phones


def solve_heads(
    model: LiveModel, heads: UnitHeads, corpus: PackedCorpus, sampler: CropSampler, steps: int, crops: int = 384,
    rate: float = 3e-3,
) -> None:
    """Let heads, and the layer that narrows features down, learn on clean speech with the encoder held still.

    Heads that know nothing would pull the encoder away from what it was started with. Its features are computed once,
    so that a step costs next to nothing; every processor and every process finds the same.

    Args:
        model: whose `content_encoder` hears.
        heads: of all sets of units of the corpus.
        corpus: with labels.
        sampler: of its training crops.
        steps: of Adam, on 2048 frames each.
        crops: that are heard.
        rate: of Adam.
    """
    encoder, device = model.content_encoder, heads.norm.weight.device
    drawn = sampler.one_after_the_other(crops)
    with torch.no_grad():
        heard = [encoder.features(model.content_features(c.samples.to(device))[0])[0][0] for c in drawn]
    features = torch.cat([x[LOOK_AHEAD_FRAMES + WARM_UP_FRAMES :] for x in heard])
    ends = slice(WARM_UP_FRAMES, -LOOK_AHEAD_FRAMES)
    labels = {
        name: torch.cat([labels_of(c, name)[0, ends] for c in drawn]).to(device) for name in heads.heads
    }
    learnt = [*heads.parameters(), *encoder.norm.parameters(), *encoder.project.parameters()]
    kept = [p.requires_grad for p in learnt]
    for parameter in learnt:
        parameter.requires_grad_(True)
    optimiser = torch.optim.Adam(learnt, lr=rate)
    random = torch.Generator().manual_seed(0)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = rate * (1 - step / steps)
        rows = torch.randint(len(features), (2_048,), generator=random).to(device)
        logits = heads(encoder.narrow(features[rows][None]))
        losses = [
            F.cross_entropy(values[0], labels[name][rows], ignore_index=IGNORE, reduction="sum")
            / (labels[name][rows] != IGNORE).sum().clamp(min=1)
            for name, values in logits.items()
        ]
        loss = torch.stack(losses).sum()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    for parameter, before in zip(learnt, kept, strict=True):
        parameter.requires_grad_(before)
        parameter.grad = None


def unit_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of `[batch, n, units]` with `[batch, n]`, look-ahead shifted: output t names frame t - 2."""
    late = logits[:, LOOK_AHEAD_FRAMES + WARM_UP_FRAMES :]
    wanted = labels[:, WARM_UP_FRAMES : labels.shape[1] - LOOK_AHEAD_FRAMES]
    total = F.cross_entropy(late.flatten(0, 1), wanted.flatten(), ignore_index=IGNORE, reduction="sum")
    return total / world_mean((wanted != IGNORE).sum().float()).clamp(min=1e-3)


def accuracy(logits: Tensor, labels: Tensor) -> tuple[int, int]:
    """Frames named right, and frames counted."""
    late = logits[:, LOOK_AHEAD_FRAMES + WARM_UP_FRAMES :].argmax(dim=-1)
    wanted = labels[:, WARM_UP_FRAMES : labels.shape[1] - LOOK_AHEAD_FRAMES]
    counted = wanted != IGNORE
    return int(((late == wanted) & counted).sum()), int(counted.sum())


def labelled(corpus: PackedCorpus, utterance: Utterance) -> bool:
    """Whether an utterance has any label: a corpus may still be under way when training starts."""
    middle = (utterance.start + utterance.length // 2) // FRAME
    known = any(values[middle] != NO_UNIT for values in corpus.units.values())
    return known or (corpus.phones is not None and bool(corpus.phones[middle] != NO_PHONE))


def language_weight(utterance: Utterance) -> float:
    """English first: it is what most sources speak and what words are judged in."""
    return 1.6 if utterance.english else 0.8


@torch.no_grad()
def validate(
    encoder: ContentEncoder, heads: UnitHeads, front: LogMel, corpus: PackedCorpus, limit: int = 12
) -> dict[str, float]:
    """Unit accuracy on held-out speakers, by group of speakers."""
    encoder.eval()
    groups: dict[str, list[Utterance]] = {}
    for u in corpus.select(lambda u: u.split == "valid" and u.length >= 3 * 16_000):
        groups.setdefault(f"{u.corpus}-{u.language}", []).append(u)
    results: dict[str, float] = {}
    for group, members in groups.items():
        chosen = members[:: max(1, len(members) // limit)][:limit]
        right: dict[str, list[int]] = {}
        for u in chosen:
            samples = torch.from_numpy(corpus.samples(u)[: 10 * 16_000 // FRAME * FRAME])
            mel, _ = front(samples.reshape(1, 1, -1))
            logits = heads(encoder(mel.to(heads.norm.weight.device))[0])
            span = slice(u.start // FRAME, u.start // FRAME + samples.shape[0] // FRAME)
            for name, values in logits.items():
                source = corpus.phones if name == "phones" else corpus.units[name]
                if source is None:
                    continue
                labels = torch.from_numpy(source[span].astype("int64"))
                labels[labels == (NO_PHONE if name == "phones" else NO_UNIT)] = IGNORE
                hit, count = accuracy(values.cpu(), labels.unsqueeze(0))
                so_far = right.setdefault(name, [0, 0])
                so_far[0] += hit
                so_far[1] += count
        for name, (hit, count) in right.items():
            if count:
                results[f"{group}/{name}"] = hit / count
    encoder.train()
    return results
