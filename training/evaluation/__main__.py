"""Judge weights: `python -m streamvc.training.evaluation --corpus DIR --weights FILE --out result.json`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from streamvc.errors import EvaluationError, StreamVCError

if TYPE_CHECKING:
    from streamvc.training.evaluation.runner import Convert


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code. The table goes to standard output, progress to standard error."""
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except StreamVCError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m streamvc.training.evaluation", description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="a packed corpus")
    parser.add_argument("--pairs", type=int, default=24, help="how many conversions to judge (default: 24)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of pairs (default: 0)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--weights", type=Path, help="a .safetensors file (default: the shipped weights)")
    what.add_argument("--identity", action="store_true", help="judge the sources untouched, without a model")
    parser.add_argument("--presets", action="store_true", help="convert to the built-in presets")
    parser.add_argument(
        "--backend",
        choices=("auto", "onnx", "torch", "model"),
        default="auto",
        help="runtime of the streaming engine; model: one offline step of the model instead",
    )
    parser.add_argument(
        "--reference", choices=("auto", "text", "asr"), default="auto", help="what words are held against"
    )
    parser.add_argument("--measures", help="families of measures, separated by commas (default: all)")
    parser.add_argument("--memory", type=Path, metavar="DIR", help="keep the judges' answers there for the next run")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of the judges (default: 1)")
    parser.add_argument("--save-waves", type=Path, metavar="DIR", help="write the converted waves there")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    return parser


def _run(options: argparse.Namespace) -> None:
    # Imported here so that --help answers at once.
    import torch

    from streamvc.presets.store import list_presets
    from streamvc.training.data import PackedCorpus
    from streamvc.training.evaluation.judges import FAMILIES, Judges
    from streamvc.training.evaluation.optional import versions
    from streamvc.training.evaluation.report import format_table, write_json
    from streamvc.training.evaluation.runner import convert_all, evaluate_waves
    from streamvc.training.evaluation.selection import select_pairs, select_preset_pairs
    from streamvc.training.evaluation.waves import save_waves

    torch.set_num_threads(options.threads)
    corpus = PackedCorpus(options.corpus)
    if options.presets:
        presets = [entry.preset for entry in list_presets() if entry.builtin and entry.preset is not None]
        pairs = select_preset_pairs(corpus, presets, options.pairs, options.seed)
    else:
        pairs = select_pairs(corpus, options.pairs, options.seed)
    judges = Judges(options.measures.split(",") if options.measures else FAMILIES, options.memory)
    convert = _converter(options)
    judges.prepare()
    converted = convert_all(pairs, convert, _progress)
    if options.save_waves:
        save_waves(options.save_waves, pairs, converted)
    evaluation = evaluate_waves(pairs, converted, judges=judges, reference=options.reference, progress=_progress)
    about = {
        "corpus": options.corpus.name,
        "seed": options.seed,
        "conversion": "identity" if options.identity else "model" if options.backend == "model" else "engine",
        "weights": None if options.weights is None else options.weights.name,
        "backend": options.backend,
        "presets": options.presets,
        "reference": options.reference,
        "judges": versions(),
    }
    if options.out:
        write_json(options.out, evaluation, about)
    print(format_table(evaluation), end="")


def _converter(options: argparse.Namespace) -> Convert:
    if options.identity:
        from streamvc.training.evaluation.convert import identity

        return identity
    if options.backend == "model":
        from streamvc.checkpoint import load_model
        from streamvc.training.evaluation.convert import model_converter

        if options.weights is None:
            raise EvaluationError("The backend model needs a checkpoint: give --weights FILE.")
        return model_converter(load_model(options.weights))
    from streamvc.training.evaluation.streaming import engine_converter

    return engine_converter(options.weights, options.backend)


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
