"""The options of `svc train run`, `svc train recipes` and `svc train export`; needs no library."""

from __future__ import annotations

import argparse
from pathlib import Path

from streamvc.training.corpora.parsing import Parser, positive

RUN_EPILOG = """\
examples:
  {prog} smoke
  {prog} live-packages --corpus corpus --set pool=pool
  {prog} paper-libritts --corpus corpus --set paper.batch=32 --set device=cuda
  {prog} mine.toml --stage decoder --minutes 30
  accelerate launch -m streamvc.training paper-libritts --corpus corpus      (several GPUs)
  torchrun --nproc-per-node 2 -m streamvc.training smoke                     (several processes on CPUs)

A run that was stopped, killed, or ended by an error goes on from its last checkpoint when the same command is run
again. Ctrl-C and SIGTERM end the step that is under way and leave a checkpoint; at most five minutes are lost to a
kill. `svc train recipes` lists the recipes and every key of them; docs/training.md explains them.
"""

EXPORT_EPILOG = """\
examples:
  {prog} runs/smoke -o exported
  svc render speech.wav -o out.wav --preset NAME --weights exported/live.safetensors
"""


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """The options of a run."""
    parser.add_argument("recipe", metavar="RECIPE", help="name of a shipped recipe, or the path of a .toml file")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="of the run (default: runs/NAME of the recipe)")
    parser.add_argument("--corpus", metavar="DIR", help="packed corpus; the same as --set corpus=DIR")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
        help="another value for a key: STAGE.key, model.key, or a key at the top of the recipe; may be given often",
    )
    parser.add_argument(
        "--steps", type=positive, metavar="N",
        help="steps of every stage that is trained, earlier resumed runs included; the schedule ends there",
    )
    parser.add_argument(
        "--minutes", type=_minutes, metavar="N",
        help="training time of every stage that is trained, earlier resumed runs included; without --steps, the "
        "schedule follows the clock, and steps of the recipe do not count",
    )
    parser.add_argument("--stage", metavar="NAME", help="train this stage only")
    parser.add_argument(
        "--until", type=positive, metavar="STEP",
        help="stop at this step with a checkpoint, as a signal would; the schedule stays as it is",
    )
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="refuse to begin: go on with what is in the folder")
    again.add_argument("--fresh", action="store_true", help="begin anew; an older run in the folder is renamed")


def run_parser(prog: str) -> Parser:
    """The parser of `svc train run`."""
    parser = Parser(
        prog=prog, epilog=RUN_EPILOG.format(prog=prog),
        description="Train the stages of a recipe one after the other, each from the weights of the one before.",
    )
    add_run_options(parser)
    return parser


def recipes_parser(prog: str) -> Parser:
    """The parser of `svc train recipes`."""
    parser = Parser(prog=prog, description="List the shipped recipes, and what every key of a recipe means.")
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help="print this recipe with every key written out")
    return parser


def export_parser(prog: str) -> Parser:
    """The parser of `svc train export`."""
    parser = Parser(
        prog=prog, epilog=EXPORT_EPILOG.format(prog=prog),
        description="Write the weights of a run (float16, with their origin) and their ONNX graphs, for --weights.",
    )
    parser.add_argument(
        "source", type=Path, metavar="RUN",
        help="folder of a run (its last stage with weights), of a stage, a state.pt, or a .safetensors file",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder to write")
    parser.add_argument("--name", metavar="NAME", help="of the files (default: name of the model configuration)")
    parser.add_argument(
        "--last", action="store_true", help="take the last weights, where those best on held-out speech are taken else"
    )
    parser.add_argument(
        "--training", action="store_true",
        help="also write heads and discriminators, from which the next training goes on (heads_start, critics_start)",
    )
    parser.add_argument("--precision", choices=("int8", "fp32"), help="of the graph (default: int8 for live)")
    parser.add_argument("--no-onnx", action="store_true", help="write the weights only")
    return parser


def _minutes(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value
