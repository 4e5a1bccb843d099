"""What `svc train corpus` does once its options are known."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from streamvc.config import SAMPLE_RATE
from streamvc.errors import CorpusError
from streamvc.training.corpora.condition import Conditioning
from streamvc.training.corpora.hub import Columns
from streamvc.training.corpora.index import read_index
from streamvc.training.corpora.optional import need
from streamvc.training.corpora.options import parser
from streamvc.training.corpora.pack import carry_labels, join, write_part
from streamvc.training.corpora.progress import tell
from streamvc.training.corpora.sources import open_source
from streamvc.training.corpora.synthesis import Shard
from streamvc.training.corpora.table import table
from streamvc.training.spread import executor_of

say = partial(print, flush=True)


def run(arguments: Sequence[str] | None, prog: str) -> int:
    """Run one command (None: with the arguments of the process); returns the exit code.

    Raises:
        StreamVCError: as the parts do; the message is one sentence.
        SystemExit: the command was misused (2), or help was asked for (0).
    """
    options = parser(prog).parse_args(None if arguments is None else list(arguments))
    if options.command == "build":
        build(options)
    elif options.command == "check":
        return check(options.folder, options.json, options.strict, max(0, options.examples))
    elif options.command == "speak":
        speak(options.sentences, options.out, options.minutes, options.backwards)
    elif options.command == "kokoro":
        shard = Shard(options.shard, options.shards)
        kokoro(options.work, options.out, options.rounds, options.blends, options.seed, shard)
    else:
        print(table(read_index(options.folder)))
    return 0


def build(options: argparse.Namespace) -> None:
    """Pack sources into one corpus, after `base` if there is one; parts that are there already are kept."""
    need("building a corpus", "scipy", "tqdm")
    columns = Columns(
        options.audio_column, options.speaker_column, options.text_column, options.sex_column, options.one_speaker,
        options.language, options.licence,
    )  # fmt: skip
    out: Path = options.out
    base: Path | None = options.base
    if base is not None:
        read_index(base)  # before the work, not after it
        if base.resolve() == out.resolve():
            raise CorpusError(f"--base and --out are both {out}; give another folder to write.")
    opened = [open_source(source, columns) for source in options.sources]
    names = [corpus.name for corpus in opened]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise CorpusError(f"two sources are named {twice}; give one of them, or another name in its corpus.toml.")
    executor = executor_of(options)
    parts = [
        write_part(corpus, out / "parts", Conditioning(), executor, say, skip_unreadable=options.skip_unreadable)
        for corpus in opened
    ]
    rows = join([base, *parts] if base else parts, out)
    if base:
        carry_labels(base, out)
    hours = sum(row.length for row in rows) / SAMPLE_RATE / 3600
    print(f"{out}: {len(rows)} utterances, {hours:.2f} hours, {len({row.speaker for row in rows})} speakers")


def check(folder: Path, as_json: bool, strict: bool, examples: int) -> int:
    """Report what is wrong with a corpus; returns 8, the code of a `CorpusError`, when it is wrong enough."""
    from streamvc.training.corpora.audit import audit
    from streamvc.training.corpora.findings import format_audit, to_dict

    need("checking a corpus", "tqdm")
    result = audit(folder, examples, tell)
    print(json.dumps(to_dict(result), ensure_ascii=False) if as_json else format_audit(result))
    return CorpusError.exit_code if result.failed(strict) else 0


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
