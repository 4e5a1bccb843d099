"""Train the speech encoder to hear who speaks, from a verification network that has heard thousands of people.

    python -m streamvc.training.speaker --pool POOL --corpus DIR --warm-start weights.safetensors --run runs/speaker

The speech encoder's latent must predict the network's embedding of the same clip (distillation), under changes of
microphone, band and noise that do not change the person. Speakers of our corpora are few; embeddings of them, and of
the same speech at other speeds, carry what the network learnt from many. The decoder is then trained on these latents.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamvc.checkpoint import load_model, save_model
from streamvc.config import FRAME, LiveConfig
from streamvc.errors import CorpusError
from streamvc.model.live import POINTS, LiveModel, Stack
from streamvc.training.augment import SpectralAugment
from streamvc.training.data import PackedCorpus
from streamvc.training.loop import Average, Clock, Means, Run, check_finite, learning_rate
from streamvc.training.speaker_pool import CLIP_FRAMES
from streamvc.training.verifier import EMBEDDING, Verifier

VALID_CLIPS = 12
"""Clips of each held-out speaker that the student is judged on."""


class Pool:
    """A folder that `training/speaker_pool.py` wrote, memory-mapped.

    Raises:
        CorpusError: a file is missing or does not fit the others.
    """

    def __init__(self, folder: Path) -> None:
        if not (folder / "clips.i16").is_file():
            raise CorpusError(f"{folder} is no pool; write it with `python -m streamvc.training.speaker_pool`.")
        self.embeddings = torch.from_numpy(np.load(folder / "embeddings.npy"))
        self.speakers: list[str] = json.loads((folder / "speakers.json").read_text())
        flat = np.memmap(folder / "clips.i16", "<i2", "r")
        if len(flat) != len(self.speakers) * CLIP_FRAMES * FRAME or len(self.embeddings) != len(self.speakers):
            raise CorpusError(f"The files of the pool {folder} do not fit each other; write it again.")
        self.clips = flat.reshape(len(self.speakers), -1)

    def batch(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """Speech `[batch, samples]` and embeddings `[batch, 256]` of the clips `rows`."""
        return torch.from_numpy(self.clips[rows].astype(np.float32) / 32_768), self.embeddings[torch.from_numpy(rows)]


class Student(nn.Module):
    """A speech encoder and the embedding that its latent predicts."""

    def __init__(self, model: LiveModel, centre: Tensor) -> None:
        super().__init__()
        self.encoder = model.speech_encoder
        self.predict = nn.Linear(model.config.latent_dim, EMBEDDING)
        # Latents have length 8 and embeddings 1: start near the mean of all voices.
        nn.init.normal_(self.predict.weight, std=0.01)
        with torch.no_grad():
            self.predict.bias.copy_(centre)

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        latent = self.encoder(mel)
        return latent, self.predict(latent)


def agreement(predicted: Tensor, embedding: Tensor, centre: Tensor) -> Tensor:
    """Cosine of predicted and real embeddings `[batch, 256]` about the mean embedding, which all voices share."""
    return F.cosine_similarity(predicted.float() - centre, embedding - centre, dim=-1)


@torch.no_grad()
def held_out_clips(corpus: PackedCorpus, verifier: Verifier) -> tuple[Tensor, Tensor, list[str]]:
    """Speech, embeddings and speakers of clips of the validation speakers."""
    clips, names = [], []
    by_speaker: dict[str, list[np.ndarray]] = {}
    for u in corpus.select(lambda u: u.split == "valid" and u.length >= FRAME * 50):
        by_speaker.setdefault(u.speaker, []).append(corpus.samples(u))
    length = CLIP_FRAMES * FRAME
    for name, pieces in sorted(by_speaker.items()):
        whole = np.concatenate(pieces)
        count = len(whole) // length
        for i in np.linspace(0, count - 1, min(count, VALID_CLIPS)).astype(int):
            clips.append(whole[i * length : (i + 1) * length])
            names.append(name)
    speech = torch.from_numpy(np.stack(clips))
    return speech, torch.cat([verifier(part) for part in torch.split(speech, 32)]), names


def separation(latents: Tensor, names: Sequence[str]) -> dict[str, float]:
    """Cosines of latents `[n, d]` of one speaker and of two, and the rate at which a threshold errs both ways."""
    unit = F.normalize(latents - latents.mean(dim=0), dim=-1)
    cosines = unit @ unit.T
    same = torch.tensor([[a == b for b in names] for a in names])
    upper = torch.ones_like(same).triu(1)
    positive, negative = cosines[same & upper].sort().values, cosines[~same & upper].sort().values
    thresholds = torch.linspace(-1, 1, 401)
    missed = torch.searchsorted(positive, thresholds) / len(positive)
    taken = 1 - torch.searchsorted(negative, thresholds) / len(negative)
    best = int((missed - taken).abs().argmin())
    return {
        "same": float(positive.mean()), "different": float(negative.mean()),
        "equal_error": float((missed[best] + taken[best]) / 2),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the speech encoder from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=Path, required=True, help="folder of training/speaker_pool.py")
    parser.add_argument("--corpus", help="packed corpus whose validation speakers judge; without it nobody does")
    parser.add_argument("--warm-start", help="weights (.safetensors) to start from; all else in them is kept")
    parser.add_argument("--run", required=True, help="folder for the resumable state, the log and model.safetensors")
    parser.add_argument("--minutes", type=float, default=10.0, help="training time, earlier resumed runs included")
    parser.add_argument("--steps", type=int, default=10**9, help="stop after so many, earlier resumed runs included")
    parser.add_argument("--batch", type=int, default=64, help="clips per step")
    parser.add_argument("--rate", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-bf16", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    model = load_model(options.warm_start) if options.warm_start else LiveModel(LiveConfig())
    assert isinstance(model, LiveModel)
    pool = Pool(options.pool)
    centre = pool.embeddings.mean(dim=0)
    student = Student(model, centre)
    run = Run(options.run)
    saved = run.load()
    step = int(saved["step"]) if saved else 0
    clock = Clock(options.minutes, saved["minutes"] if saved else 0.0)
    optimiser = torch.optim.AdamW(student.parameters(), lr=options.rate, betas=(0.9, 0.98), weight_decay=0.02)
    average = Average(student, 0.998)
    if saved:
        student.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        average.load(saved["average"])
    c = model.config
    augment = SpectralAugment(model.mel, c.mel_bands, c.mel_window, options.seed + step, strength=0.5, warp=0.0)
    stack = Stack(POINTS)
    random = np.random.default_rng(options.seed + step)
    held_out = held_out_clips(PackedCorpus(options.corpus), Verifier()) if options.corpus else None
    means = Means()

    def save() -> None:
        run.save({
            "model": student.state_dict(), "optimiser": optimiser.state_dict(), "average": average.state(),
            "step": step, "minutes": clock.elapsed,
        })
        kept = {k: v.clone() for k, v in student.state_dict().items()}
        student.load_state_dict(average.values)
        if held_out:
            run.log(step=step, **_validate(student, model, held_out, centre))
        provenance = {"stage": "speaker", "step": step, "minutes": clock.elapsed}
        save_model(model, run.folder / "model.safetensors", provenance)
        student.load_state_dict(kept)

    while clock.running and step < options.steps:
        rate = learning_rate(clock.progress, options.rate)
        for group in optimiser.param_groups:
            group["lr"] = rate
        speech, embedding = pool.batch(random.integers(len(pool.speakers), size=options.batch))
        with torch.no_grad():
            power, _ = model.mel.power(speech.unsqueeze(1))
            mel = stack(augment(power))[0]
        with torch.autocast("cpu", torch.bfloat16, enabled=not options.no_bf16):
            _, predicted = student(mel)
        alike = agreement(predicted, embedding, centre)
        distance = (predicted.float() - embedding).square().sum(dim=-1)
        loss = (1 - alike).mean() + distance.mean()
        check_finite(loss, step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), 2.0)
        optimiser.step()
        average.update(student)
        means.add(alike=alike.mean(), distance=distance.mean())
        step += 1
        if step % 50 == 0:
            run.log(step=step, minutes=clock.elapsed, rate=rate, **means.take())
        if run.due():
            save()
    save()


@torch.no_grad()
def _validate(
    student: Student, model: LiveModel, held_out: tuple[Tensor, Tensor, list[str]], centre: Tensor
) -> dict[str, float]:
    speech, embedding, names = held_out
    student.eval()
    latents, alike = [], []
    for part, wanted in zip(torch.split(speech, 32), torch.split(embedding, 32), strict=True):
        latent, predicted = student(model.content_features(part)[0])
        latents.append(latent)
        alike.append(agreement(predicted, wanted, centre))
    student.train()
    teacher = separation(embedding, names)
    result = {"valid_alike": float(torch.cat(alike).mean()), **separation(torch.cat(latents), names)}
    return result | {f"teacher_{key}": value for key, value in teacher.items()}


if __name__ == "__main__":
    main()
