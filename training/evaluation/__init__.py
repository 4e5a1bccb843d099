"""Judging a conversion without listeners: words, speaker, intonation, naturalness, levels.

    from streamvc.training.evaluation import evaluate, format_table
    from streamvc.training.evaluation.convert import model_converter
    from streamvc.training.evaluation.selection import select_pairs

    pairs = select_pairs(PackedCorpus("corpus"), 24, seed=0)
    evaluation = evaluate(pairs, model_converter(model))    # or evaluate_waves(pairs, waves)
    print(format_table(evaluation))

The judges are optional packages that carry their weights: see `streamvc.training.evaluation.optional` and
docs/evaluation.md.
"""

from __future__ import annotations

from streamvc.training.evaluation.judges import Judges
from streamvc.training.evaluation.pairs import Pair
from streamvc.training.evaluation.report import format_table, to_json, write_json
from streamvc.training.evaluation.runner import Evaluation, evaluate, evaluate_waves

__all__ = [
    "Evaluation",
    "Judges",
    "Pair",
    "evaluate",
    "evaluate_waves",
    "format_table",
    "to_json",
    "write_json",
]
