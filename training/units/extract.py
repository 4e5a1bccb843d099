"""Run the teacher over a packed corpus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from streamvc.config import FRAME
from streamvc.training.corpora.base import Utterance
from streamvc.training.corpora.pack import AUDIO
from streamvc.training.units.mel import log_mel
from streamvc.training.units.whisper import WhisperEncoder


def open_audio(folder: Path) -> npt.NDArray[np.int16]:
    """The samples of a packed corpus, mapped, not read."""
    return np.memmap(folder / AUDIO, dtype="<i2", mode="r")


def balanced(rows: Sequence[Utterance], frames: int, seed: int) -> list[Utterance]:
    """Utterances with about `frames` frames in all, as evenly spread over speakers as their recordings allow.

    Every speaker gives utterances in random order until the same quota is reached; the quota is the largest for
    which the total stays within `frames`.
    """
    rng = np.random.default_rng(seed)
    by_speaker: dict[str, list[Utterance]] = {}
    for row in rows:
        by_speaker.setdefault(row.speaker, []).append(row)
    sums = sorted(sum(row.length for row in group) // FRAME for group in by_speaker.values())
    left, quota = frames, 0
    for number, size in enumerate(sums):
        quota = left // (len(sums) - number)
        if size > quota:
            break
        left -= size
        quota = size
    chosen = []
    for group in by_speaker.values():
        count = 0
        for number in rng.permutation(len(group)):
            if count >= quota:
                break
            chosen.append(group[number])
            count += group[number].length // FRAME
    return chosen


def batches(rows: Sequence[Utterance], frames: int) -> list[list[Utterance]]:
    """Utterances of similar length together, at most about `frames` frames in each batch, padding included."""
    ordered = sorted(rows, key=lambda row: row.length)
    found: list[list[Utterance]] = []
    for row in ordered:
        if found and (len(found[-1]) + 1) * row.length <= frames * FRAME:
            found[-1].append(row)
        else:
            found.append([row])
    return found


@torch.inference_mode()
def features(
    encoder: WhisperEncoder,
    audio: npt.NDArray[np.int16],
    rows: Sequence[Utterance],
    layers: tuple[int, ...],
    frames: int = 1500,
    half: bool = True,
) -> Iterator[tuple[Utterance, list[Tensor]]]:
    """Features of each utterance, [frames, 512] float32 for each of `layers`, in order of length.

    Args:
        frames: of one batch, padding included.
        half: compute matrix products in bfloat16 (relative error 0.5 %).
    """
    for batch in batches(rows, frames):
        mels = [
            log_mel(torch.from_numpy(np.array(audio[r.start : r.start + r.length], np.float32) / 32768)) for r in batch
        ]
        # zeros are what the convolutions pad with, so a padded row gives what it gives alone
        mel = torch.nn.utils.rnn.pad_sequence([m.T for m in mels], batch_first=True).transpose(1, 2)
        lengths = torch.tensor([row.length // FRAME for row in batch])
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            found = encoder(mel, layers, lengths if int(lengths.min()) < int(lengths.max()) else None)
        for number, row in enumerate(batch):
            yield row, [layer[number, : row.length // FRAME].float() for layer in found]
