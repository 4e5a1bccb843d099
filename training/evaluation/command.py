"""What `svc evaluate` does once its options are known."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamvc.errors import EvaluationError
from streamvc.training.evaluation.conversion import Conversion, fingerprint_of
from streamvc.training.evaluation.options import parse
from streamvc.training.spread import elsewhere, executor_of

if TYPE_CHECKING:
    from streamvc.training.evaluation.judges import Judges
    from streamvc.training.evaluation.lists import Listed
    from streamvc.training.evaluation.pairs import Pair, Wave
    from streamvc.training.evaluation.runner import Convert, Evaluation
    from streamvc.training.evaluation.speed import Speed


def run(arguments: Sequence[str] | None, prog: str) -> None:
    """Parse the arguments (None: those of the process) and judge. Tables go to standard output, progress to the other.

    Raises:
        StreamVCError: as the parts do; the message is one sentence.
        SystemExit: the command was misused (2), or help was asked for (0).
    """
    options = parse(None if arguments is None else list(arguments), prog)
    from streamvc.training.evaluation.optional import require

    # Imported only now, so that --help answers at once.
    torch: Any = require("torch", "conversions")
    from streamvc.training.evaluation.choice import choose, choose_synthetic
    from streamvc.training.evaluation.judges import FAMILIES, Judges

    torch.set_num_threads(max(1, options.threads))
    judges = Judges(options.measures.split(",") if options.measures else FAMILIES, options.memory)
    listed = choose(options)
    apart = choose_synthetic(options)
    convert = None if listed.converted is not None else _conversion(options).load()
    if not elsewhere(options):
        judges.prepare()
    if options.robustness:
        _run_robustness(options, listed, convert, judges)
    else:
        _run_pairs(options, listed, apart, convert, judges)


def _run_pairs(
    options: argparse.Namespace, listed: Listed, apart: Sequence[Pair], convert: Convert | None, judges: Judges
) -> None:
    from streamvc.training.evaluation.lists import Listed
    from streamvc.training.evaluation.report import format_groups, format_table, write_json

    if options.report:
        from streamvc.training.evaluation.page import check_packages, write_report

        check_packages()
    speed = _speed(convert, listed)
    run, refused = _forgiving(options, convert)
    judge = _by_others if elsewhere(options) else _here
    waves, evaluation = judge(options, listed, run, judges, options.save_waves)
    synthetic = None
    if apart and run is not None:
        _, synthetic = judge(options, Listed(tuple(apart), None), run, judges, None)
    about = _about(options, convert) | {"refused": refused}
    if options.out:
        write_json(options.out, evaluation, about, speed, synthetic)
    if options.report:
        write_report(options.report, evaluation, waves, judges, about, speed, options.report_audio)
    if about["sources"] == "synthetic":
        print("synthetic speakers only: these numbers say little about real people")
    print(format_table(evaluation), end="")
    print("\n" + format_groups(evaluation), end="")
    if synthetic is not None:
        print("\nsynthetic speakers, apart from all numbers above\n" + format_table(synthetic), end="")
    if speed is not None:
        print(f"\n{speed}")


def _here(
    options: argparse.Namespace, listed: Listed, run: Convert | None, judges: Judges, folder: Path | None
) -> tuple[list[Wave], Evaluation]:
    """Convert and judge in this process; the waves are in the folder before they are judged."""
    from streamvc.training.evaluation.runner import convert_all, evaluate_waves
    from streamvc.training.evaluation.waves import save_waves

    waves = list(listed.converted or ()) if run is None else convert_all(listed.pairs, run, _progress)
    if folder is not None:
        save_waves(folder, listed.pairs, waves)
    return waves, evaluate_waves(
        listed.pairs, waves, judges=judges, reference=options.reference, progress=_progress
    )


def _by_others(
    options: argparse.Namespace, listed: Listed, run: Convert | None, judges: Judges, folder: Path | None
) -> tuple[list[Wave], Evaluation]:
    """The same by other processes, which load what `run` is made of for themselves."""
    from streamvc.training.evaluation.refusals import SilentWhereRefused
    from streamvc.training.evaluation.spread import JudgeWork, evaluate_by
    from streamvc.training.evaluation.waves import save_waves

    forgiving = run if isinstance(run, SilentWhereRefused) else None
    work = JudgeWork(
        measures=tuple(sorted(judges.measures)),
        memory=None if options.memory is None else options.memory.absolute(),
        reference=options.reference,
        conversion=None if run is None else _conversion(options),
        fingerprint=fingerprint_of(run if forgiving is None else forgiving.convert),
        threads=max(1, options.threads),
        forgiving=forgiving is not None,
    )
    refuse = _progress if forgiving is None else forgiving.refuse
    waves, evaluation = evaluate_by(executor_of(options), work, listed.pairs, listed.converted, _progress, refuse)
    if folder is not None:
        save_waves(folder, listed.pairs, waves)
    return waves, evaluation


def _run_robustness(options: argparse.Namespace, listed: Listed, convert: Convert | None, judges: Judges) -> None:
    from streamvc.training.evaluation.robustness import format_robustness, judge_robustness, write_robustness

    run, refused = _forgiving(options, convert)
    if run is None:
        raise EvaluationError("Robustness needs a conversion to run: leave the converted recordings out of the list.")
    foreign: Sequence[Any] = ()
    if options.corpus:
        from streamvc.training.data import PackedCorpus
        from streamvc.training.evaluation.selection import select_foreign_pairs

        foreign = select_foreign_pairs(PackedCorpus(options.corpus), options.pairs, options.seed)
    result = judge_robustness(listed.pairs, foreign, run, judges, progress=_progress)
    if options.out:
        write_robustness(options.out, result, _about(options, convert) | {"refused": refused})
    print(format_robustness(result), end="")
    if result.failures:
        raise EvaluationError(f"The conversion fails where it must not: {'; '.join(result.failures)}.")


def _forgiving(options: argparse.Namespace, convert: Convert | None) -> tuple[Convert | None, list[str]]:
    """The conversion that goes on where a target is refused, and the reasons, which fill while it runs.

    Pairs that somebody listed are another matter: there a recording that cannot be used is a mistake to be mended.
    """
    if convert is None or options.list is not None:
        return convert, []
    from streamvc.training.evaluation.refusals import SilentWhereRefused

    run = SilentWhereRefused(convert, _progress)
    return run, run.reasons


def _conversion(options: argparse.Namespace) -> Conversion:
    weights: Path | None = options.weights
    return Conversion(options.identity, options.backend, None if weights is None else weights.absolute())


def _speed(convert: Convert | None, listed: Listed) -> Speed | None:
    """Of the streaming engine; another conversion has no frames whose time would mean anything."""
    from streamvc.training.evaluation.speed import measure_speed
    from streamvc.training.evaluation.streaming import EngineConverter

    return measure_speed(convert.runtime, listed.pairs[0].source) if isinstance(convert, EngineConverter) else None


def _about(options: argparse.Namespace, convert: Convert | None) -> dict[str, Any]:
    from streamvc.training.evaluation.optional import versions
    from streamvc.training.evaluation.streaming import EngineConverter

    engine = isinstance(convert, EngineConverter)
    kind = "engine" if engine else "identity" if options.identity else "given" if convert is None else "model"
    from_corpus = "synthetic" if options.pairs == 0 else "real"
    places = [options.corpus, options.list, options.libritts, options.vctk]
    return {
        "pairs_from": " and ".join(place.resolve().name for place in places if place is not None),
        "seed": options.seed,
        "conversion": kind,
        "weights": None if options.weights is None else options.weights.name,
        "fingerprint": fingerprint_of(convert),
        "backend": convert.runtime.name if isinstance(convert, EngineConverter) else options.backend,
        "sources": from_corpus if options.corpus is not None else "given",
        "presets": options.presets,
        "own_voice": options.own_voice,
        "noise_db": options.noise,
        "reference": options.reference,
        "judges": versions(),
    }


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
