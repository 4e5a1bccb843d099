"""Voices to speak with, as embeddings of a speaker verifier: those of a pool, and mixtures of two.

What the decoder's training needs of a voice is its embedding, so that a pool (`training/speaker_pool.py`) stands for
hours of references that would have to be heard again and again. Mixtures are voices that nobody has: the decoder then
learns what lies between the few people of a corpus.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from streamvc.errors import CorpusError
from streamvc.training.speaker import Pool

BANDS = 3
"""Slower, as it is, faster: what a speaker at another speed is named apart (`CropSampler`)."""
BAND_SPEED = (0.88, 1.0, 1.13)
"""Their speeds in the middle."""
HEARD = 3
"""Clips of three seconds that a voice is heard from at most."""


@dataclass(frozen=True)
class Heard:
    """A voice as it was heard, and as it is on average.

    heard, wanted: embeddings `[256]` of length 1: of a few clips, and of all there are.
    register: mean and spread of log f0, `[2]`.
    """

    heard: Tensor
    wanted: Tensor
    register: Tensor


class Voices:
    """Draws voices.

    Args:
        pool: whose speakers are named as in `speaker_index`.
        speaker_index: numbers of the speakers of a sampler.
        registers: `[speakers, 2]`, mean and spread of log f0, in their order.

    Raises:
        CorpusError: a speaker has no clip in the pool.
    """

    def __init__(self, pool: Pool, speaker_index: dict[str, int], registers: Tensor) -> None:
        self.embeddings, self.registers = pool.embeddings, registers
        rows: dict[str, list[int]] = {}
        for row, name in enumerate(pool.speakers):
            rows.setdefault(name, []).append(row)
        self.rows: list[np.ndarray] = []
        for speaker in sorted(speaker_index, key=speaker_index.__getitem__):
            own = [rows.get(f"{speaker}/{band}") for band in range(BANDS)]
            known = [found for found in own if found]
            if not known:
                raise CorpusError(
                    f"The pool has no clip of {speaker}: write it again from this corpus, with more --clips."
                )
            # A pool may lack a speaker at one speed; another speed is nearer than another speaker.
            self.rows += [np.array(found or known[0]) for found in own]
        self.means = torch.stack([F.normalize(self.embeddings[r].mean(dim=0), dim=0) for r in self.rows])

    def of(self, identity: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """An identity of the sampler (three times the speaker, and the band) as heard and on average, `[256]` each."""
        chosen = random.choice(self.rows[identity], int(random.integers(1, HEARD + 1)))
        return F.normalize(self.embeddings[torch.from_numpy(chosen)].mean(dim=0), dim=0), self.means[identity]

    def any(self, random: np.random.Generator, mixed: float = 0.0) -> Heard:
        """Some voice, with the probability `mixed` a mixture of two."""
        first = self._whole(int(random.integers(len(self.rows))), random)
        if random.random() >= mixed:
            return first
        second, share = self._whole(int(random.integers(len(self.rows))), random), float(random.uniform(0.25, 0.75))
        heard, wanted, register = (
            share * a + (1 - share) * b for a, b in (
                (first.heard, second.heard), (first.wanted, second.wanted), (first.register, second.register),
            )
        )
        return Heard(F.normalize(heard, dim=0), F.normalize(wanted, dim=0), register)

    def _whole(self, identity: int, random: np.random.Generator) -> Heard:
        heard, wanted = self.of(identity, random)
        register = self.registers[identity // BANDS].clone()
        register[0] += float(np.log(BAND_SPEED[identity % BANDS]))
        return Heard(heard, wanted, register)
