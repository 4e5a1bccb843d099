"""Judging pairs as pieces of work: a worker loads the conversion and the judges once, and converts and judges pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from streamvc.errors import CheckpointError
from streamvc.executor import Call, Executor
from streamvc.training.evaluation.conversion import Conversion, fingerprint_of
from streamvc.training.evaluation.pairs import Pair, Wave
from streamvc.training.evaluation.runner import (
    Evaluation,
    Judged,
    Reference,
    check_pairs,
    convert_pair,
    judge_pair,
)


@dataclass(frozen=True)
class JudgeWork:
    """`streamvc.executor.Work` of pairs, each with its converted wave or None: then it is converted here.

    Attributes:
        measures: of the judges.
        memory: folder of their answers, by a path that all workers see, or None.
        reference: what words are held against.
        conversion: what converts; None where all waves are given.
        fingerprint: of its weights, where it has any: the same for all workers.
        threads: of torch.
    """

    measures: tuple[str, ...]
    memory: Path | None
    reference: Reference
    conversion: Conversion | None
    fingerprint: str | None
    threads: int

    @property
    def packages(self) -> tuple[str, ...]:
        """What converts, and the judges."""
        from streamvc.training.evaluation.optional import JUDGES

        return ("numpy", "torch", "onnxruntime", *JUDGES)

    def name(self, item: tuple[Pair, Wave | None]) -> str:
        """Of the pair."""
        return f"the pair {item[0].name}"

    def start(self) -> Callable[[tuple[Pair, Wave | None], Call], tuple[Wave, Judged]]:
        """Load the conversion and the judges.

        Raises:
            StreamVCError: one cannot be loaded.
            CheckpointError: the weights are others than those of the command.
        """
        import torch

        from streamvc.training.evaluation.judges import Judges

        torch.set_num_threads(self.threads)
        judges = Judges(self.measures, self.memory)
        judges.prepare()
        convert = None if self.conversion is None else self.conversion.load()
        if fingerprint_of(convert) != self.fingerprint:
            raise CheckpointError(
                f"The weights found here have the fingerprint {fingerprint_of(convert)} and those of this command "
                f"{self.fingerprint}: give all workers the same."
            )

        def judge(item: tuple[Pair, Wave | None], call: Call) -> tuple[Wave, Judged]:
            pair, wave = item
            if wave is None:
                assert convert is not None
                wave = convert_pair(pair, convert)
            call.tell(0.5)
            judged = judge_pair(pair, wave, judges, self.reference)
            call.tell(0.5)
            return wave, judged

        return judge


def evaluate_by(
    executor: Executor,
    work: JudgeWork,
    pairs: Sequence[Pair],
    converted: Sequence[Wave] | None,
    progress: Callable[[str], None],
) -> tuple[list[Wave], Evaluation]:
    """`convert_all`, where nothing is converted yet, and `evaluate_waves`, by an executor; the same result.

    Raises:
        StreamVCError: as those two do.
    """
    check_pairs(pairs, converted, work.reference)
    items = zip(pairs, converted if converted is not None else [None] * len(pairs), strict=True)
    waves, judged = [], []
    with closing(executor.map(work, items, ordered=True)) as found:
        for done in found:
            wave, one = done.value()
            progress(f"judge {done.number + 1}/{len(pairs)}: {pairs[done.number].name}")
            waves.append(wave)
            judged.append(one)
    return waves, Evaluation(tuple(judged))
