"""What the speech encoder learns of who speaks, from a verification network that has heard thousands of people.

Its latent must predict the network's embedding of the same clip (distillation), under changes of microphone, band and
noise that do not change the person. Speakers of our corpora are few; embeddings of them, and of the same speech at
other speeds, carry what the network learnt from many. `training/stages/speaker.py` trains it; the decoder is then
trained on these latents.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from streamvc.config import FRAME
from streamvc.errors import CorpusError
from streamvc.training.data import PackedCorpus
from streamvc.training.speaker_pool import CLIP_FRAMES
from streamvc.training.verifier import Verifier

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
        self.folder = folder
        try:
            self.embeddings = torch.from_numpy(np.load(folder / "embeddings.npy"))
            self.speakers: list[str] = json.loads((folder / "speakers.json").read_text())
            flat = np.memmap(folder / "clips.i16", "<i2", "r")
        except (OSError, ValueError) as error:
            raise CorpusError(f"The pool {folder} cannot be read ({error}); write it again.") from error
        if len(flat) != len(self.speakers) * CLIP_FRAMES * FRAME or len(self.embeddings) != len(self.speakers):
            raise CorpusError(f"The files of the pool {folder} do not fit each other; write it again.")
        self.clips = flat.reshape(len(self.speakers), -1)

    def __reduce__(self) -> tuple[type[Pool], tuple[Path]]:
        return Pool, (self.folder,)  # a worker process opens the files itself

    def batch(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """Speech `[batch, samples]` and embeddings `[batch, 256]` of the clips `rows`."""
        return torch.from_numpy(self.clips[rows].astype(np.float32) / 32_768), self.embeddings[torch.from_numpy(rows)]


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
