"""The options of `svc train corpus`, which is `python -m streamvc.training.corpora` too."""

from __future__ import annotations

from pathlib import Path

from streamvc.training.corpora.parsing import Parser
from streamvc.training.corpora.sources import NAMES
from streamvc.training.spread import add_options

EPILOG = """\
examples:
  {prog} build --out corpus libritts=LibriTTS/train-clean-100 vctk=VCTK-Corpus-0.92
  {prog} build --out corpus folder=recordings
  {prog} build --out corpus --speaker-column speaker_id datasets=parler-tts/libritts_r_filtered:clean:train.clean.100
  {prog} check corpus

docs/corpora.md describes the sources, what is done to a recording, and the findings of `check`.
"""


def parser(prog: str) -> Parser:
    """The parser of the command that is called `prog`; needs no library."""
    top = Parser(prog=prog, description="Build, check and describe training corpora.", epilog=EPILOG.format(prog=prog))
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)

    one = commands.add_parser(
        "build",
        help="pack recordings into one corpus",
        description="Pack recordings into one corpus: 16 kHz, silence trimmed, one loudness, one index. A build that "
        "was interrupted goes on where it stopped when the same command is run again.",
        epilog=f"names of sources: {', '.join(NAMES)}",
    )
    one.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    one.add_argument("--base", type=Path, metavar="DIR", help="packed corpus that comes first, with its labels")
    add_options(one, "processes that decode")
    one.add_argument(
        "--skip-unreadable",
        action="store_true",
        help="leave out recordings that cannot be decoded and list them, where the build would stop with a message",
    )
    hub = one.add_argument_group("of every datasets=NAME[:CONFIG][:SPLIT]")
    hub.add_argument("--audio-column", default="audio", metavar="NAME", help="recordings (default: audio)")
    hub.add_argument("--speaker-column", metavar="NAME", help="who speaks (default: speaker_id and the like)")
    hub.add_argument("--text-column", metavar="NAME", help="what is said (default: text and the like)")
    hub.add_argument("--sex-column", metavar="NAME", help="of the speaker (default: gender or sex)")
    hub.add_argument("--one-speaker", action="store_true", help="all recordings are of one person")
    hub.add_argument("--language", default="en", help="of the recordings (default: en)")
    hub.add_argument("--licence", "--license", default="unknown", help="of the recordings, such as CC-BY-4.0")
    one.add_argument("sources", nargs="+", metavar="NAME=FOLDER", help="what to pack, in this order")

    one = commands.add_parser(
        "check",
        help="find what is wrong with a corpus",
        description="Measure every utterance and report clipping, missing bandwidth, duplicates, tiny speakers, "
        "silence, odd loudness and missing labels, with an advice for each. The exit code is 8 when something is "
        "wrong enough to hurt a training.",
    )
    one.add_argument("folder", type=Path, help="packed corpus")
    one.add_argument("--json", action="store_true", help="print one JSON object")
    one.add_argument("--strict", action="store_true", help="let warnings count as errors in the exit code")
    one.add_argument("--examples", type=int, default=3, metavar="N", help="utterances named for each finding")

    one = commands.add_parser("table", help="hours, speakers and licences as a Markdown table")
    one.add_argument("folder", type=Path, help="packed corpus")

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
    return top
