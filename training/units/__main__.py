"""`python -m streamvc.training.units label FOLDER`"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from streamvc.errors import StreamVCError
from streamvc.training.corpora.pack import read_index
from streamvc.training.units.codebook import Codebook
from streamvc.training.units.extract import features, open_audio
from streamvc.training.units.label import codebook_path, fit_codebooks, label_phones, label_units
from streamvc.training.units.whisper import load_encoder


def label(folder: Path, layers: tuple[int, ...], units: int, frames: int, seed: int) -> None:
    """Label a packed corpus; labels and codebooks that are there already are kept."""
    rows = read_index(folder)
    audio = open_audio(folder)
    print(f"phones.npy: {len(label_phones(folder, rows, audio))} classes", flush=True)
    teacher = partial(features, load_encoder(), audio)
    missing = tuple(layer for layer in layers if not codebook_path(folder, layer).is_file())
    if missing:
        for layer, codebook in zip(missing, fit_codebooks(rows, teacher, missing, units, frames, seed), strict=True):
            codebook.save(codebook_path(folder, layer))
            print(f"{codebook_path(folder, layer).name}: {units} units", flush=True)
    codebooks = [Codebook.load(codebook_path(folder, layer)) for layer in layers]
    label_units(folder, rows, teacher, layers, codebooks, say=partial(print, flush=True))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m streamvc.training.units", description="Content labels of a corpus.")
    commands = top.add_subparsers(dest="command", required=True)
    one = commands.add_parser("label", help="write units and phones beside the audio of a packed corpus")
    one.add_argument("folder", type=Path, help="packed corpus")
    one.add_argument("--layers", type=int, nargs="+", default=[4, 5], choices=range(7), help="of Whisper base")
    one.add_argument("--units", type=int, default=256, help="clusters of each layer (default: 256)")
    one.add_argument("--frames", type=int, default=200_000, help="to fit units on (default: 200000)")
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--threads", type=int, default=1, help="of torch (default: 1)")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    top = parser()
    options = top.parse_args(arguments)
    if not 2 <= options.units < 65535 or options.threads < 1 or options.frames < 1:
        top.error("--units must be from 2 to 65534, and --threads and --frames at least 1")
    torch.set_num_threads(options.threads)
    try:
        label(options.folder, tuple(sorted(set(options.layers))), options.units, options.frames, options.seed)
    except StreamVCError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
