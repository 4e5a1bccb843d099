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
from streamvc.training.evaluation.refusals import SilentWhereRefused
from streamvc.training.evaluation.runner import (
    Evaluation,
    Judged,
    Reference,
    check_pairs,
    convert_pair,
    judge_pair,
)


@dataclass(frozen=True)
class Answer:
    """What came of a pair.

    Attributes:
        wave: the conversion, [samples].
        judged: its scores.
        refused: why its target was refused, if it was.
    """

    wave: Wave
    judged: Judged
    refused: tuple[str, ...]


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
        forgiving: a target that is refused is judged as silence.
    """

    measures: tuple[str, ...]
    memory: Path | None
    reference: Reference
    conversion: Conversion | None
    fingerprint: str | None
    threads: int
    forgiving: bool = False

    @property
    def packages(self) -> tuple[str, ...]:
        """What converts, and the judges."""
        from streamvc.training.evaluation.optional import JUDGES

        return ("numpy", "torch", "onnxruntime", *JUDGES)

    def name(self, item: tuple[Pair, Wave | None]) -> str:
        """Of the pair."""
        return f"the pair {item[0].name}"

    def start(self) -> Callable[[tuple[Pair, Wave | None], Call], Answer]:
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

        def judge(item: tuple[Pair, Wave | None], call: Call) -> Answer:
            pair, wave = item
            reasons: list[str] = []
            if wave is None:
                assert convert is not None
                run = SilentWhereRefused(convert, lambda line: None) if self.forgiving else None
                wave = convert_pair(pair, run or convert)
                reasons = [] if run is None else run.reasons
            call.tell(0.5)
            judged = judge_pair(pair, wave, judges, self.reference)
            call.tell(0.5)
            return Answer(wave, judged, tuple(reasons))

        return judge


def evaluate_by(
    executor: Executor,
    work: JudgeWork,
    pairs: Sequence[Pair],
    converted: Sequence[Wave] | None,
    progress: Callable[[str], None],
    refuse: Callable[[str], object] = lambda reason: None,
) -> tuple[list[Wave], Evaluation]:
    """`convert_all`, where nothing is converted yet, and `evaluate_waves`, by an executor; the same result.

    Args:
        executor: who works.
        work: what is done with each pair.
        pairs: what is judged.
        converted: what came out of it already, or None.
        progress: called with a line of text after every pair.
        refuse: called with the reason for every target that was refused, in the order of the pairs.

    Raises:
        StreamVCError: as those two do.
    """
    check_pairs(pairs, converted, work.reference)
    items = zip(pairs, converted if converted is not None else [None] * len(pairs), strict=True)
    waves, judged = [], []
    with closing(executor.map(work, items, ordered=True)) as found:
        for done in found:
            answer = done.value()
            for reason in answer.refused:
                refuse(reason)
            progress(f"judge {done.number + 1}/{len(pairs)}: {pairs[done.number].name}")
            waves.append(answer.wave)
            judged.append(answer.judged)
    return waves, Evaluation(tuple(judged))
