"""`python -m streamvc.training.corpora build --out DIR NAME=FOLDER...` and its companions."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from streamvc.config import SAMPLE_RATE
from streamvc.errors import CorpusError, StreamVCError
from streamvc.training.corpora.condition import Conditioning
from streamvc.training.corpora.pack import carry_labels, join, read_index, write_part
from streamvc.training.corpora.sources import SOURCES, open_source
from streamvc.training.corpora.synthesis import Shard
from streamvc.training.corpora.table import table


def build(out: Path, base: Path | None, jobs: int, sources: Sequence[str]) -> None:
    """Pack sources into one corpus, after `base` if there is one; parts that are there already are kept."""
    opened = [open_source(source) for source in sources]
    parts = [write_part(corpus, out / "parts", Conditioning(), jobs, print) for corpus in opened]
    rows = join([base, *parts] if base else parts, out)
    if base:
        carry_labels(base, out)
    hours = sum(row.length for row in rows) / SAMPLE_RATE / 3600
    print(f"{out}: {len(rows)} utterances, {hours:.2f} hours, {len({row.speaker for row in rows})} speakers")


def speak(sentences: Path, out: Path, minutes: float, backwards: bool) -> None:
    """Speak sentences, one a line, with hibari-tts; pack them with the source `folder=OUT`."""
    from streamvc.training.corpora import hibari

    if not sentences.is_file():
        raise CorpusError(f"{sentences} is missing; give a file with one sentence on each line.")
    lines = [line.strip() for line in sentences.read_text(encoding="utf-8").splitlines() if line.strip()]
    hibari.speak(lines[::-1] if backwards else lines, out, minutes, print)


def kokoro(work: Path, out: Path, rounds: int, blends: int, seed: int, shard: Shard) -> None:
    """Synthesise English speech of many voices; docs/corpora.md says what `work` must hold."""
    from streamvc.training.corpora import austen, kokoro_graph, synthesis

    graph = work / "kokoro-float.onnx"
    if not graph.is_file():
        print(f"{graph}: {kokoro_graph.rewrite(work / 'kokoro-int8.onnx', graph)} products in float32", flush=True)
    voices = synthesis.with_blends(synthesis.load_voices(work / "voices"), blends)
    synthesiser = synthesis.Synthesiser(graph, work / "vocab.json")
    sentences = austen.sentences(work / "austen")
    made = synthesis.synthesise(synthesiser, voices, sentences, out, rounds, seed, shard, print)
    print(f"{out}: {made} new utterances")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m streamvc.training.corpora", description="Packed training corpora.")
    commands = top.add_subparsers(dest="command", required=True)

    one = commands.add_parser("build", help="pack sources into one corpus")
    one.add_argument("--out", type=Path, required=True, help="folder to write")
    one.add_argument("--base", type=Path, help="packed corpus that comes first, with its labels")
    one.add_argument("--jobs", type=int, default=1, help="processes that decode (default: 1)")
    one.add_argument("sources", nargs="+", metavar="NAME=FOLDER", help=f"names: {', '.join(sorted(SOURCES))}")

    one = commands.add_parser("speak", help="synthesise sentences in one voice")
    one.add_argument("--sentences", type=Path, required=True, help="file with one sentence a line")
    one.add_argument("--out", type=Path, required=True, help="folder to write")
    one.add_argument("--minutes", type=float, default=45.0, help="of audio (default: 45)")
    one.add_argument("--backwards", action="store_true", help="begin with the last sentence")

    one = commands.add_parser("kokoro", help="synthesise English speech of many voices")
    one.add_argument("work", type=Path, help="folder with kokoro-int8.onnx, vocab.json, voices/ and austen/")
    one.add_argument("--out", type=Path, required=True, help="folder to write")
    one.add_argument("--rounds", type=int, default=25, help="sentences for each voice (default: 25)")
    one.add_argument("--blends", type=int, default=42, help="mixed voices (default: 42)")
    one.add_argument("--seed", type=int, default=1, help="of the choice of sentences")
    one.add_argument("--shard", type=int, default=0, help="number of this process (default: 0)")
    one.add_argument("--shards", type=int, default=1, help="processes in all (default: 1)")

    one = commands.add_parser("table", help="hours, speakers and licences as a Markdown table")
    one.add_argument("folder", type=Path, help="packed corpus")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        if options.command == "build":
            build(options.out, options.base, max(1, options.jobs), options.sources)
        elif options.command == "speak":
            speak(options.sentences, options.out, options.minutes, options.backwards)
        elif options.command == "kokoro":
            shard = Shard(options.shard, options.shards)
            kokoro(options.work, options.out, options.rounds, options.blends, options.seed, shard)
        else:
            print(table(read_index(options.folder)))
    except StreamVCError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
