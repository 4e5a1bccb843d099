"""Clips of one speaker each, with the verification network's embedding of them: what the speech encoder learns from.

    python -m streamvc.training.speaker_pool --corpus DIR [DIR ...] --out POOL --clips 16000

A clip is three seconds of one speaker, joined from several utterances, often at another speed, which makes another
person of it. Embedding is the slow half of the work, so it is done once. The pool is a folder: `clips.i16`
(`[clips, samples]`, 16 kHz), `embeddings.npy` (float32 `[clips, 256]`), `speakers.json` (a name for each clip).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from streamvc.config import FRAME
from streamvc.errors import CorpusError
from streamvc.executor import Call, Executor, open_executor
from streamvc.training.data import CropSampler, PackedCorpus, Utterance
from streamvc.training.spread import add_options, executor_of
from streamvc.training.verifier import EMBEDDING, Verifier

Clips: TypeAlias = npt.NDArray[np.float32]

CLIP_FRAMES = 150
"""Frames of 20 ms in a clip: as many as the decoder's training takes of a reference."""
_BATCH = 32
_SPEEDS = (0.80, 1.25)


def _usable(u: Utterance) -> bool:
    # Narrow recordings, and those whose people are not told apart, are no voices to speak with.
    return u.split == "train" and u.band == "wide" and u.length >= FRAME * 50


@dataclass(frozen=True)
class EmbedWork:
    """`streamvc.executor.Work` of batches of clips, float32 `[clips, samples]`: their embeddings `[clips, 256]`."""

    threads: int = 1
    packages: tuple[str, ...] = ("numpy", "torch", "resemblyzer", "librosa")

    def name(self, clips: Clips) -> str:
        """For messages."""
        return f"a batch of {len(clips)} clips"

    def start(self) -> Callable[[Clips, Call], Clips]:
        """Load the verifier; raises RuntimeUnavailableError where it is not installed."""
        torch.set_num_threads(self.threads)
        verifier = Verifier()

        def embed(clips: Clips, call: Call) -> Clips:
            with torch.no_grad():
                found: Clips = verifier(torch.from_numpy(clips)).numpy()
            return found

        return embed


def write_pool(
    folders: Sequence[Path], out: Path, clips: int, seed: int = 0, threads: int = 1, executor: Executor | None = None
) -> None:
    """Draw clips from all corpora, in turns by the root of their hours, and embed them.

    Drawing goes on in this process, one clip after the other, so that the pool does not depend on who embeds.

    Args:
        folders: packed corpora.
        out: folder to write.
        clips: how many.
        seed: of the draws.
        threads: of torch, for each who embeds.
        executor: who embeds; this process by default.

    Raises:
        CorpusError: a corpus has no training speech, or cannot be read.
        RuntimeUnavailableError: resemblyzer is not installed.
    """
    torch.set_num_threads(threads)
    samplers = []
    for number, folder in enumerate(folders):
        corpus = PackedCorpus(folder)
        usable = corpus.select(_usable)
        if not usable:
            raise CorpusError(f"{folder} holds no training speech; choose another corpus.")
        hours: dict[str, float] = {}
        for u in usable:
            hours[u.speaker] = hours.get(u.speaker, 0.0) + u.length
        # Speakers with much speech come more often, but by the root only: it is voices that count.
        samplers.append(CropSampler(
            corpus, usable, 1, seed + number, lambda u, h=hours: h[u.speaker] ** -0.5,  # type: ignore[misc]
            _SPEEDS, 0.5, reference_frames=CLIP_FRAMES,
        ))
    share = np.array([sum(u.length for u in s.utterances) ** 0.5 for s in samplers])
    random = np.random.default_rng(seed)
    out.mkdir(parents=True, exist_ok=True)
    embeddings = np.zeros((clips, EMBEDDING), np.float32)
    names: list[str] = []
    with open(out / "clips.tmp", "wb") as file:

        def drawn() -> Iterator[Clips]:
            for start in range(0, clips, _BATCH):
                sampler = samplers[int(random.choice(len(samplers), p=share / share.sum()))]
                batch = sampler.batch(min(_BATCH, clips - start))
                assert batch.references is not None
                file.write((batch.references.numpy() * 32_767).round().astype("<i2").tobytes())
                known = {index: name for name, index in sampler.speaker_index.items()}
                names.extend(f"{known[int(i) // 3]}/{int(i) % 3}" for i in batch.speakers)
                yield batch.references.numpy()

        with closing((executor or open_executor()).map(EmbedWork(threads), drawn(), ordered=True)) as work:
            for done in work:
                start = done.number * _BATCH
                embeddings[start : start + len(done.item)] = done.value()
                if done.number % 25 == 0:
                    print(f"{start} of {clips} clips", flush=True)
    np.save(out / "embeddings.npy", embeddings)
    (out / "speakers.json").write_text(json.dumps(names))
    (out / "clips.tmp").rename(out / "clips.i16")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write a pool from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, nargs="+", required=True, help="packed corpora")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--clips", type=int, default=16_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    add_options(parser, "processes that embed")
    options = parser.parse_args(arguments)
    write_pool(options.corpus, options.out, options.clips, options.seed, options.threads, executor_of(options))


if __name__ == "__main__":
    main()
