"""The options of `svc evaluate`, which is `python -m streamvc.training.evaluation` too."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from streamvc.training.spread import add_options

EPILOG = """\
examples:
  svc evaluate --corpus corpus --pairs 60 --report report.html --json zero.json
  svc evaluate --corpus corpus --pairs 60 --presets --json presets.json
  svc evaluate --corpus corpus --pairs 60 --noise 10 --json noise.json
  svc evaluate --corpus corpus --pairs 60 --own-voice --json own.json
  svc evaluate --list pairs.csv --report report.html
  svc evaluate --libritts LibriTTS --vctk VCTK-Corpus-0.92 --pairs 60
  svc evaluate --corpus corpus --pairs 12 --robustness

docs/evaluation.md describes the measures, the lists and the folders.
"""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def add_usage(
        self, usage: str | None, actions: Iterable[argparse.Action], groups: Iterable[argparse._ArgumentGroup],
        prefix: str | None = None,
    ) -> None:  # fmt: skip
        # As the other sub-commands of `svc` write it.
        super().add_usage(usage, actions, groups, "Usage: " if prefix is None else prefix)  # type: ignore[arg-type]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"{self.format_usage()}\nError: {message[:1].upper()}{message[1:]}.", file=sys.stderr)
        sys.exit(2)


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of the command that is called `prog`; needs nothing but the standard library."""
    it = _Parser(
        prog=prog,
        formatter_class=_Formatter,
        description=(
            "Judge conversions: words, speaker, intonation, naturalness, latency and speed, with the untouched source "
            "and the real target beside them."
        ),
        epilog=EPILOG,
    )
    what = it.add_argument_group("what is judged (one of --corpus, --list, --libritts with --vctk)")
    where = what.add_mutually_exclusive_group(required=True)
    where.add_argument("--corpus", type=Path, metavar="DIR", help="held-out real people of a packed corpus")
    where.add_argument("--list", type=Path, metavar="PATH", help="pairs of a .csv, .toml or .json list, or of a folder")
    where.add_argument("--libritts", type=Path, metavar="DIR", help="sources of the paper's protocol, as unpacked")
    what.add_argument("--vctk", type=Path, metavar="DIR", help="targets of the paper's protocol, as unpacked")
    what.add_argument("--targets", type=int, default=6, metavar="N", help="speakers of VCTK, half women (default: 6)")
    what.add_argument("--target-speakers", metavar="A,B", help="these speakers of VCTK instead, such as p225,p226")
    what.add_argument("--presets", action="store_true", help="convert to the built-in voices that the corpus holds")
    what.add_argument(
        "--own-voice",
        action="store_true",
        help="convert people of --corpus to their own voices (copy synthesis): what the model itself costs",
    )
    what.add_argument(
        "--noise",
        type=float,
        nargs="?",
        const=10.0,
        metavar="DB",
        help="let the conversion hear the sources with pink noise that far below the speech (10 where DB is left out)",
    )
    what.add_argument(
        "--pairs", type=int, metavar="N", help="how many, but all of a --list (default: 60; with --robustness 12)"
    )
    what.add_argument(
        "--pairs-synthetic",
        type=int,
        default=0,
        metavar="N",
        help="judge so many pairs of the corpus's synthetic speakers too, apart from the real people (default: 0); "
        "with --pairs 0 alone",
    )
    what.add_argument("--seed", type=int, default=0, metavar="N", help="of the choice of pairs (default: 0)")
    what.add_argument(
        "--robustness",
        action="store_true",
        help="judge the same pairs with damaged sources instead: noise, rooms, levels, whisper, other languages",
    )
    how = it.add_argument_group("the conversion")
    which = how.add_mutually_exclusive_group()
    which.add_argument("--weights", type=Path, metavar="FILE", help="weights file (default: the shipped one)")
    which.add_argument("--identity", action="store_true", help="judge the sources untouched, without a model")
    how.add_argument(
        "--backend",
        choices=("auto", "onnx", "torch", "model"),
        default="auto",
        help="runtime of the streaming engine (default: auto); model: one offline step of the model instead",
    )
    judging = it.add_argument_group("the judges")
    judging.add_argument("--measures", metavar="A,B", help="of wer,secs,dvector,pitch,mos (default: all)")
    judging.add_argument(
        "--reference", choices=("auto", "text", "asr"), default="auto", help="what words are held against"
    )
    judging.add_argument("--memory", type=Path, metavar="DIR", help="keep the judges' answers there for the next run")
    judging.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads of the judges (default: 1)")
    add_options(judging, "processes that convert and judge")
    results = it.add_argument_group("the results")
    results.add_argument("--json", "--out", dest="out", type=Path, metavar="FILE", help="everything, for programs")
    results.add_argument("--report", type=Path, metavar="FILE", help="a page with tables, plots and players (.html)")
    results.add_argument(
        "--report-audio",
        choices=("opus", "flac"),
        default="opus",
        help="sound in the page: opus is small, flac is exact and plays in older browsers (default: opus)",
    )
    results.add_argument("--save-waves", type=Path, metavar="DIR", help="write the converted waves there")
    return it


def parse(arguments: list[str] | None, prog: str) -> argparse.Namespace:
    """Parse and check what depends on several options; leaves with exit code 2 when the command is misused."""
    it = parser(prog)
    options = it.parse_args(arguments)
    if (options.libritts is None) != (options.vctk is None):
        it.error("--libritts and --vctk belong together: give both")
    if options.presets and options.corpus is None:
        it.error("--presets needs --corpus; a list names presets in a column of its own")
    if options.own_voice and options.corpus is None:
        it.error("--own-voice needs --corpus, which knows who speaks")
    if options.own_voice and options.presets:
        it.error("--own-voice converts people to their own voices, --presets to built-in ones: choose one")
    if options.pairs_synthetic and options.corpus is None:
        it.error("--pairs-synthetic needs --corpus")
    if options.pairs_synthetic < 0:
        it.error(f"the number of synthetic pairs must be at least 0, not {options.pairs_synthetic}")
    if options.robustness and (options.noise is not None or options.own_voice or options.pairs_synthetic):
        it.error("--robustness has conditions of its own; leave out --noise, --own-voice and --pairs-synthetic")
    if options.pairs is None:
        options.pairs = 12 if options.robustness else 60
    if options.robustness and (options.report or options.save_waves):
        it.error("--robustness writes a table and --json; --report and --save-waves are for conversions as such")
    if options.robustness and (options.cluster is not None or options.jobs > 1):
        it.error("--robustness is judged by one process; leave out --jobs and --cluster")
    return options
