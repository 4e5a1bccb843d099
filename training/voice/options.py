"""The options of `svc train voice`, which is `python -m streamvc.training.voice` too; needs no library."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from streamvc.training.corpora.parsing import Parser, positive

EPILOG = """\
examples:
  {prog} recordings/ -o alice.npz --licence CC0-1.0 --consent "Alice agreed, 2026-01-31"
  {prog} one.wav two.flac --name alice          (in the user's folder, for `svc render -p alice`)
  {prog} recordings/ --check                    (only says what would be used, and why the rest would not)

Give 30 seconds to 10 minutes of one person, without music and without others. Make a voice only of a person who agreed
to it. docs/training-voice.md tells how it works and what to expect.
"""


def parser(prog: str) -> Parser:
    """The parser of the command that is called `prog`."""
    top = Parser(
        prog=prog, epilog=EPILOG.format(prog=prog),
        description="Make a voice from recordings of a person: the zero-shot voice of `svc preset create`, then a fit "
        "to the recordings, which is kept only if it is better on a part of them that it has not heard.",
    )
    top.add_argument("recordings", nargs="+", type=Path, metavar="RECORDING", help="audio files, or folders of them")
    top.add_argument("-o", "--output", type=Path, metavar="FILE", help="write this .npz, not one in the user folder")
    top.add_argument("--name", help="of the voice (default: that of the output file)")
    top.add_argument("--overwrite", action="store_true", help="replace a voice of that name")
    top.add_argument("--check", action="store_true", help="look at the recordings only")
    top.add_argument("--json", action="store_true", help="print the report as one JSON object")
    about = top.add_argument_group("about the person (stays with the voice)")
    about.add_argument("--description", default="", help="one line for `svc preset list`")
    about.add_argument("--source", default="", help="where the recordings come from (default: their file names)")
    about.add_argument("--licence", "--license", default="", help="of the recordings, such as CC-BY-4.0")
    about.add_argument("--consent", default="", help="what the person agreed to")
    about.add_argument("--sex", choices=["f", "m", "other", "unknown"], default="unknown")
    fit = top.add_argument_group("the fit")
    fit.add_argument("--steps", type=positive, default=160, metavar="N", help="of the fit at most (default: 160)")
    fit.add_argument(
        "--minutes", type=_minutes, default=9.0, metavar="M",
        help="for everything, the judging included (default: 9): where the machine is too slow for all steps, as many "
        "are planned as fit in; such a run cannot be repeated exactly",
    )
    fit.add_argument("--batch", type=_batch, default=8, metavar="N", help="crops in a step (default: 8)")
    fit.add_argument("--seed", type=_seed, default=0, metavar="N", help="of everything that is drawn (default: 0)")
    fit.add_argument(
        "--words", type=_weight, default=4.0, metavar="W",
        help="weight of keeping the words (default: 4); more costs likeness",
    )
    fit.add_argument("--corpus", type=Path, metavar="DIR", help="packed corpus whose people are converted as well")
    fit.add_argument("--weights", type=Path, metavar="FILE", help="model to fit for (default: the shipped one)")
    fit.add_argument(
        "--threads", type=positive, default=min(2, os.cpu_count() or 1), metavar="N",
        help="of the processor (default: 2); another number changes the last digits",
    )
    fit.add_argument(
        "--no-verifier", action="store_true", help="do without Resemblyzer even if there is one"
    )
    fit.add_argument(
        "--keep-zero-shot", action="store_true",
        help="write the zero-shot voice before the fit, so that an interrupt leaves that",
    )
    return top


def parse(arguments: list[str] | None, prog: str) -> argparse.Namespace:
    """The options.

    Raises:
        SystemExit: the command was misused (2), or help was asked for (0).
    """
    top = parser(prog)
    options = top.parse_args(arguments)
    if options.output is None and options.name is None and not options.check:
        top.error("give the voice a place (-o FILE.npz) or a name (--name NAME)")
    if options.output is not None and options.output.suffix.lower() != ".npz":
        top.error(f"the output {options.output} must end in .npz")
    if options.name is None and options.output is not None:
        options.name = options.output.stem
    return options


def _minutes(text: str) -> float:
    value = float(text)
    if not 0.0 < value <= 600.0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most 600")
    return value


def _weight(text: str) -> float:
    value = float(text)
    if not 0.0 <= value <= 100.0:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 100")
    return value


def _batch(text: str) -> int:
    value = int(text)
    if not 2 <= value <= 64:
        raise argparse.ArgumentTypeError(f"{value} is not from 2 to 64")
    return value


def _seed(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**31:
        raise argparse.ArgumentTypeError(f"{value} is not from 0 to 2147483647")
    return value
