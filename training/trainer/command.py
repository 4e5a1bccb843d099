"""What `svc train run`, `recipes` and `export` do once their options are known."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from streamvc.training.corpora.optional import need
from streamvc.training.trainer.options import export_parser, recipes_parser, run_parser


def run(arguments: Sequence[str] | None, prog: str) -> int:
    """Train a recipe; returns the exit code: 0, or 128 and the signal that stopped it.

    Raises:
        StreamVCError: as the parts do; the message is one sentence.
        SystemExit: the command was misused (2), or help was asked for (0).
    """
    options = run_parser(prog).parse_args(None if arguments is None else list(arguments))
    need("training", "torch", "accelerate", "tqdm")
    from streamvc.training.trainer.launch import train
    from streamvc.training.trainer.recipe import load_recipe

    recipe = load_recipe(options.recipe, overrides(options))
    # Accelerate says on every start that it found no GPU and that it will use the CPU.
    logging.getLogger("accelerate").setLevel(logging.ERROR)
    folder: Path = options.folder or Path("runs") / recipe.run.name
    signal = train(
        recipe, folder, fresh=options.fresh, resume=options.resume, only=options.stage, until=options.until
    )
    return 128 + signal if signal else 0


def overrides(options: argparse.Namespace) -> list[str]:
    """`--set` and the options that stand for one; those of every stage begin with `*.`."""
    found = list(options.overrides)
    if options.corpus is not None:
        found.append(f"corpus={_quoted(options.corpus)}")
    each = "*" if options.stage is None else options.stage
    if options.minutes is not None:
        found += [f"{each}.minutes={options.minutes}", *([] if options.steps else [f"{each}.steps=0"])]
    if options.steps is not None:
        found += [f"{each}.steps={options.steps}", *([] if options.minutes else [f"{each}.minutes=0"])]
    return found


def _quoted(text: str) -> str:
    from streamvc.training.trainer.keys import to_toml

    return to_toml(text)


def recipes(arguments: Sequence[str] | None, prog: str) -> int:
    """List recipes and keys, or write one out."""
    options = recipes_parser(prog).parse_args(None if arguments is None else list(arguments))
    need("recipes", "torch")
    from streamvc.training.trainer.listing import list_keys, list_recipes, write_out

    if options.recipe:
        print(write_out(options.recipe))
    else:
        print(list_recipes() + "\n\n" + list_keys())
    return 0


def export(arguments: Sequence[str] | None, prog: str) -> int:
    """Export the weights of a run."""
    options = export_parser(prog).parse_args(None if arguments is None else list(arguments))
    need("exporting weights", "torch", "safetensors")
    from streamvc.training.trainer.export import export_run

    written = export_run(
        options.source, options.output, name=options.name, last=options.last, precision=options.precision,
        graphs=not options.no_onnx, training=options.training,
    )
    for path in written:
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    return 0
