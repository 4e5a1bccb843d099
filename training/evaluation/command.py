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
    from streamvc.training.evaluation.runner import Convert
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
    from streamvc.training.evaluation.judges import FAMILIES, Judges

    torch.set_num_threads(max(1, options.threads))
    judges = Judges(options.measures.split(",") if options.measures else FAMILIES, options.memory)
    listed = _choose(options)
    convert = None if listed.converted is not None else _conversion(options).load()
    if not elsewhere(options):
        judges.prepare()
    if options.robustness:
        _run_robustness(options, listed, convert, judges)
    else:
        _run_pairs(options, listed, convert, judges)


def _run_pairs(options: argparse.Namespace, listed: Listed, convert: Convert | None, judges: Judges) -> None:
    from streamvc.training.evaluation.report import format_groups, format_table, write_json
    from streamvc.training.evaluation.runner import convert_all, evaluate_waves
    from streamvc.training.evaluation.spread import JudgeWork, evaluate_by
    from streamvc.training.evaluation.waves import save_waves

    if options.report:
        from streamvc.training.evaluation.page import check_packages, write_report

        check_packages()
    speed = _speed(convert, listed)
    if elsewhere(options):
        work = JudgeWork(
            tuple(sorted(judges.measures)), None if options.memory is None else options.memory.absolute(),
            options.reference, None if convert is None else _conversion(options), fingerprint_of(convert),
            max(1, options.threads),
        )  # fmt: skip
        waves, evaluation = evaluate_by(executor_of(options), work, listed.pairs, listed.converted, _progress)
        if options.save_waves:
            save_waves(options.save_waves, listed.pairs, waves)
    else:
        waves = list(listed.converted or ()) if convert is None else convert_all(listed.pairs, convert, _progress)
        if options.save_waves:
            save_waves(options.save_waves, listed.pairs, waves)
        evaluation = evaluate_waves(listed.pairs, waves, judges=judges, reference=options.reference, progress=_progress)
    about = _about(options, convert)
    if options.out:
        write_json(options.out, evaluation, about, speed)
    if options.report:
        write_report(options.report, evaluation, waves, judges, about, speed, options.report_audio)
    print(format_table(evaluation), end="")
    print("\n" + format_groups(evaluation), end="")
    if speed is not None:
        print(f"\n{speed}")


def _run_robustness(options: argparse.Namespace, listed: Listed, convert: Convert | None, judges: Judges) -> None:
    from streamvc.training.evaluation.robustness import format_robustness, judge_robustness, write_robustness

    if convert is None:
        raise EvaluationError("Robustness needs a conversion to run: leave the converted recordings out of the list.")
    foreign: Sequence[Any] = ()
    if options.corpus:
        from streamvc.training.data import PackedCorpus
        from streamvc.training.evaluation.selection import select_foreign_pairs

        foreign = select_foreign_pairs(PackedCorpus(options.corpus), options.pairs, options.seed)
    result = judge_robustness(listed.pairs, foreign, convert, judges, progress=_progress)
    if options.out:
        write_robustness(options.out, result, _about(options, convert))
    print(format_robustness(result), end="")
    if result.failures:
        raise EvaluationError(f"The conversion fails where it must not: {'; '.join(result.failures)}.")


def _choose(options: argparse.Namespace) -> Listed:
    """The pairs, and their conversions where a list brings them along."""
    from streamvc.training.evaluation.lists import Listed, read_pairs

    if options.list is not None:
        return read_pairs(options.list)
    if options.libritts is not None:
        from streamvc.training.evaluation.protocol import select_protocol_pairs

        speakers = options.target_speakers.split(",") if options.target_speakers else []
        return Listed(
            tuple(
                select_protocol_pairs(
                    options.libritts, options.vctk, options.pairs, options.seed, targets=options.targets,
                    speakers=speakers,
                )
            ),
            None,
        )  # fmt: skip
    from streamvc.presets.store import list_presets
    from streamvc.training.data import PackedCorpus
    from streamvc.training.evaluation.selection import select_pairs, select_preset_pairs

    corpus = PackedCorpus(options.corpus)
    if not options.presets:
        return Listed(tuple(select_pairs(corpus, options.pairs, options.seed)), None)
    presets = [entry.preset for entry in list_presets() if entry.builtin and entry.preset is not None]
    return Listed(tuple(select_preset_pairs(corpus, presets, options.pairs, options.seed)), None)


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
    places = [options.corpus, options.list, options.libritts, options.vctk]
    return {
        "pairs_from": " and ".join(place.resolve().name for place in places if place is not None),
        "seed": options.seed,
        "conversion": kind,
        "weights": None if options.weights is None else options.weights.name,
        "fingerprint": fingerprint_of(convert),
        "backend": convert.runtime.name if isinstance(convert, EngineConverter) else options.backend,
        "presets": options.presets,
        "reference": options.reference,
        "judges": versions(),
    }


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
