"""The options of `svc train units`, which is `python -m streamvc.training.units` too."""

from __future__ import annotations

import argparse
from pathlib import Path

from streamvc.training.corpora.parsing import Parser, positive
from streamvc.training.spread import add_options

EPILOG = """\
examples:
  {prog} label corpus
  {prog} fit corpus --teacher hubert --model hubert-base-ls960
  {prog} label corpus --teacher hubert --model hubert-base-ls960
  {prog} label corpus --teacher hubert --model hubert-base-ls960 --codebook km.npy
  {prog} label corpus --teacher phones --align

docs/corpora.md describes the teachers, where they come from, and the files of labels.
"""
LAYERS = {"whisper": [4, 5], "hubert": [7]}
UNITS = {"whisper": 256, "hubert": 100}


def parser(prog: str) -> Parser:
    """The parser of the command that is called `prog`; needs no library."""
    top = Parser(prog=prog, description="Content labels of a packed corpus.", epilog=EPILOG.format(prog=prog))
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    one = commands.add_parser(
        "fit",
        help="fit the units of a teacher by k-means",
        description="Cluster features of a teacher, evenly drawn from the speakers of a corpus, and save the codebook.",
    )
    _teacher(one, ["whisper", "hubert"])
    one.add_argument("--overwrite", action="store_true", help="fit codebooks anew that are there already")
    one = commands.add_parser(
        "label",
        help="label every frame of a corpus",
        description="Write one label for each 20 ms beside the audio. Codebooks that are missing are fitted first. "
        "Labels that are there are kept, so that a run that was interrupted goes on and a longer corpus gets labels "
        "for what is new. Phones are labelled too, where an alignment is known.",
    )
    _teacher(one, ["whisper", "hubert", "phones"])
    one.add_argument(
        "--codebook", type=Path, metavar="FILE", help="units of one layer: from `fit`, or published centroids"
    )
    add_options(one, "processes that run the teacher")
    one.add_argument("--align", action="store_true", help="align English texts first, for phones (needs pocketsphinx)")
    return top


def _teacher(one: argparse.ArgumentParser, names: list[str]) -> None:
    one.add_argument("folder", type=Path, help="packed corpus")
    one.add_argument("--teacher", choices=names, default="whisper", help="what is clustered (default: whisper)")
    one.add_argument("--model", metavar="DIR", help="HuBERT: a folder, or its name on the hub (default: Base)")
    one.add_argument("--layers", type=int, nargs="+", metavar="N", help="of the teacher (default: 4 5, or 7 of HuBERT)")
    one.add_argument("--units", type=int, metavar="N", help="clusters of each layer (default: 256, or 100 of HuBERT)")
    one.add_argument("--frames", type=positive, default=200_000, metavar="N", help="to fit units on (default: 200000)")
    one.add_argument("--seed", type=int, default=0, metavar="N", help="of the clustering (default: 0)")
    one.add_argument("--threads", type=positive, default=1, metavar="N", help="of torch (default: 1)")
    one.add_argument("--device", default="cpu", help="cpu, cuda or auto (default: cpu)")


def parse(arguments: list[str] | None, prog: str) -> argparse.Namespace:
    """The options, with the defaults of the teacher filled in.

    Raises:
        SystemExit: the command was misused (2), or help was asked for (0).
    """
    top = parser(prog)
    options = top.parse_args(arguments)
    if options.teacher == "phones":
        return options
    options.layers = sorted(set(options.layers or LAYERS[options.teacher]))
    options.units = options.units if options.units is not None else UNITS[options.teacher]
    if not 2 <= options.units < 65_535:
        top.error("--units must be from 2 to 65534")
    if options.model is not None and options.teacher != "hubert":
        top.error("--model is for --teacher hubert")
    if options.command == "label" and options.codebook is not None and len(options.layers) > 1:
        top.error("--codebook is for one layer: name it with --layers")
    return options
