"""The pairs that the options of `svc evaluate` ask for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from streamvc.errors import EvaluationError
from streamvc.training.evaluation.lists import Listed, read_pairs
from streamvc.training.evaluation.noise import noisy
from streamvc.training.evaluation.pairs import Pair


def choose(options: argparse.Namespace) -> Listed:
    """The pairs, with noise where that is wanted, and their conversions where a list brings them along.

    Those of a corpus are real people; `--pairs 0 --pairs-synthetic N` asks for synthetic speakers in their place.

    Raises:
        EvaluationError: the pairs cannot be drawn or read, or the noise is out of range.
        AudioError, CorpusError: as the parts do.
    """
    listed = _undamaged(options)
    if options.noise is None:
        return listed
    if listed.converted is not None:
        raise EvaluationError("Noise needs a conversion to run: leave the converted recordings out of the list.")
    return Listed(tuple(noisy(listed.pairs, options.noise, options.seed)), listed.converted)


def choose_synthetic(options: argparse.Namespace) -> Sequence[Pair]:
    """The pairs of synthetic speakers that are judged apart from real people; raises as `choose`."""
    if not options.pairs_synthetic or not options.pairs:
        return ()
    pairs = _drawn(options, options.pairs_synthetic, synthetic=True)
    return pairs if options.noise is None else noisy(pairs, options.noise, options.seed)


def _undamaged(options: argparse.Namespace) -> Listed:
    if options.list is not None:
        return read_pairs(options.list)
    if options.libritts is not None:
        from streamvc.training.evaluation.protocol import select_protocol_pairs

        speakers = options.target_speakers.split(",") if options.target_speakers else []
        pairs = select_protocol_pairs(
            options.libritts, options.vctk, options.pairs, options.seed, targets=options.targets, speakers=speakers
        )
        return Listed(tuple(pairs), None)
    alone = options.pairs == 0 and options.pairs_synthetic > 0
    count = options.pairs_synthetic if alone else options.pairs
    return Listed(tuple(_drawn(options, count, synthetic=alone)), None)


def _drawn(options: argparse.Namespace, count: int, synthetic: bool) -> list[Pair]:
    from streamvc.presets.store import list_presets
    from streamvc.training.data import PackedCorpus
    from streamvc.training.evaluation.selection import select_own_voice_pairs, select_pairs, select_preset_pairs

    corpus = PackedCorpus(options.corpus)
    if options.own_voice:
        return select_own_voice_pairs(corpus, count, options.seed, synthetic=synthetic)
    if not options.presets:
        return select_pairs(corpus, count, options.seed, synthetic=synthetic)
    presets = [entry.preset for entry in list_presets() if entry.builtin and entry.preset is not None]
    return select_preset_pairs(corpus, presets, count, options.seed, synthetic=synthetic)
