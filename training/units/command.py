"""What `svc train units` does once its options are known."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamvc.errors import ConfigError
from streamvc.training.corpora.optional import need
from streamvc.training.corpora.progress import tell
from streamvc.training.spread import elsewhere, executor_of
from streamvc.training.units.options import parse

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from streamvc.training.corpora.base import Utterance


def run(arguments: Sequence[str] | None, prog: str) -> int:
    """Run one command (None: with the arguments of the process); returns the exit code.

    Raises:
        StreamVCError: as the parts do; the message is one sentence.
        SystemExit: the command was misused (2), or help was asked for (0).
    """
    options = parse(None if arguments is None else list(arguments), prog)
    need("labelling a corpus", "torch", "tqdm")
    # Imported here so that --help answers at once.
    import torch

    from streamvc.training.corpora.index import read_index
    from streamvc.training.units.extract import open_audio

    torch.set_num_threads(options.threads)
    rows = read_index(options.folder)
    audio = open_audio(options.folder)
    if options.command == "fit":
        fit(options, rows, audio)
    else:
        label(options, rows, audio)
    return 0


def fit(options: argparse.Namespace, rows: Sequence[Utterance], audio: npt.NDArray[np.int16]) -> None:
    """Fit the codebooks that are missing, or all of them anew."""
    from streamvc.training.units.store import codebook_path

    teacher = _teacher(options, audio)
    folder: Path = options.folder
    wanted = tuple(
        layer for layer in options.layers
        if options.overwrite or not codebook_path(folder, f"{teacher.name}{layer}").is_file()
    )  # fmt: skip
    for layer in options.layers:
        if layer not in wanted:
            path = codebook_path(folder, f"{teacher.name}{layer}")
            print(f"{path.name}: there already; --overwrite fits it anew", flush=True)
    _fit(options, teacher, rows, wanted)


def label(options: argparse.Namespace, rows: Sequence[Utterance], audio: npt.NDArray[np.int16]) -> None:
    """Label phones where an alignment is known, then units; what is there already is kept."""
    from streamvc.training.units.label import label_units, phone_units
    from streamvc.training.units.load import units_of
    from streamvc.training.units.spread import LabelWork
    from streamvc.training.units.store import codebook_path

    folder: Path = options.folder
    phones = phone_units(folder, audio, _forced(options, rows, audio))
    unknown = label_units(folder, rows, phones, say=tell)["phones"]
    classes = len(phones.numbers)
    print(f"phones.npy: {classes} classes, {len(rows) - unknown} of {len(rows)} utterances", flush=True)
    if options.teacher == "phones":
        return
    teacher = _teacher(options, audio)
    names = {layer: f"{teacher.name}{layer}" for layer in options.layers}
    if options.codebook is not None:
        _take_published(options, teacher, codebook_path(folder, names[options.layers[0]]))
    missing = tuple(layer for layer in options.layers if not codebook_path(folder, names[layer]).is_file())
    _fit(options, teacher, rows, missing)
    source = units_of(teacher, folder, tuple(options.layers))
    by = None
    if elsewhere(options):
        about = tuple(source.about(name) for name in source.names)
        work = LabelWork(
            folder.absolute(), options.teacher, options.model, options.device, source.layers, options.threads,
            audio.size, about,
        )  # fmt: skip
        by = partial(executor_of(options).map, work)
    unlabelled = label_units(folder, rows, source, say=tell, by=by)
    for name in source.names:
        done = f"{len(rows) - unlabelled[name]} of {len(rows)} utterances"
        print(f"units-{name}.npy: {source.about(name)['units']} units, {done}", flush=True)


def _forced(options: argparse.Namespace, rows: Sequence[Utterance], audio: npt.NDArray[np.int16]) -> dict[str, Any]:
    """The forced alignments: those kept in the folder, and with --align those that are missing."""
    from streamvc.training.corpora.index import ALIGNMENT
    from streamvc.training.units import align
    from streamvc.training.units.label import read_alignments

    if options.align:
        known = set(read_alignments(options.folder / ALIGNMENT))
        return align.force_alignments(options.folder, rows, audio, known, tell)
    kept = align.read_forced(options.folder / align.FORCED)
    return {name: (alignment, align.LEAD) for name, alignment in kept.items() if alignment is not None}


def _teacher(options: argparse.Namespace, audio: npt.NDArray[np.int16]) -> Any:
    from streamvc.training.units.load import load_teacher

    return load_teacher(audio, options.teacher, options.model, options.device, tuple(options.layers))


def _fit(options: argparse.Namespace, teacher: Any, rows: Sequence[Utterance], layers: tuple[int, ...]) -> None:
    from streamvc.training.units.label import fit_codebooks
    from streamvc.training.units.store import codebook_path

    if not layers:
        return
    codebooks = fit_codebooks(
        rows, teacher, layers, options.units, options.frames, options.seed, standardise=teacher.name == "whisper",
        say=tell,
    )  # fmt: skip
    for layer, codebook in zip(layers, codebooks, strict=True):
        path = codebook_path(options.folder, f"{teacher.name}{layer}")
        codebook.save(path)
        print(f"{path.name}: {options.units} units", flush=True)


def _take_published(options: argparse.Namespace, teacher: Any, path: Path) -> None:
    """Put a codebook from elsewhere into the corpus, unless another one is there."""
    from streamvc.training.units.codebook import Codebook
    from streamvc.training.units.published import read_codebook

    codebook = read_codebook(options.codebook)
    codebook.check(f"{teacher.identity} layer {options.layers[0]}", teacher.width)
    if path.is_file() and Codebook.load(path).digest() != codebook.digest():
        raise ConfigError(f"{path} is another codebook than {options.codebook}; delete it and its labels first.")
    codebook.save(path)
