"""Pitch registers of speakers: mean and spread of log f0, found as for presets (`streamvc.presets.pitch`)."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from streamvc.presets.pitch import voiced_log_f0, within_an_octave
from streamvc.training.data import PackedCorpus, Utterance

Registers = dict[str, tuple[float, float]]


def register_of(samples: Tensor) -> tuple[float, float, int]:
    """Mean and spread of natural-log f0 of samples `[n]`, and the number of voiced estimates they rest on."""
    values = within_an_octave(voiced_log_f0(np.asarray(samples.numpy(), np.float32)))
    if len(values) < 10:
        return 5.08, 0.2, len(values)
    return float(values.mean()), float(max(values.std(), 0.06)), len(values)


def speaker_registers(
    corpus: PackedCorpus, utterances: list[Utterance], cache: Path, seconds: float = 40.0
) -> Registers:
    """Register of every speaker, from up to `seconds` of their speech; kept in `cache`."""
    known: Registers = {k: (v[0], v[1]) for k, v in json.loads(cache.read_text()).items()} if cache.exists() else {}
    by_speaker: dict[str, list[Utterance]] = {}
    for u in utterances:
        by_speaker.setdefault(u.speaker, []).append(u)
    missing = sorted(set(by_speaker) - set(known))
    for speaker in missing:
        pieces, total = [], 0
        for u in by_speaker[speaker][:: max(1, len(by_speaker[speaker]) // 12)]:
            pieces.append(corpus.samples(u))
            total += u.length
            if total > seconds * 16_000:
                break
        mean, spread, _ = register_of(torch.from_numpy(np.concatenate(pieces)))
        known[speaker] = (mean, spread)
    if missing:
        temporary = cache.with_suffix(".tmp")
        temporary.write_text(json.dumps(known, indent=0, sort_keys=True))
        os.replace(temporary, cache)
    return known
