"""What `svc train voice` does once its options are known."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from streamvc.errors import ConfigError, OutputError
from streamvc.training.corpora.optional import need
from streamvc.training.corpora.progress import progress, tell
from streamvc.training.voice.options import parse

if TYPE_CHECKING:
    from streamvc.model.live import LiveModel
    from streamvc.presets.format import Preset
    from streamvc.training.losses.verified import SpeakerNetwork
    from streamvc.training.voice.make import Fitting
    from streamvc.training.voice.pace import Pace
    from streamvc.training.voice.segments import Selection


def run(arguments: Sequence[str] | None, prog: str) -> int:
    """Run the command (None: with the arguments of the process); returns the exit code.

    Raises:
        StreamVCError: as the parts do; the message is one sentence.
        SystemExit: the command was misused (2), or help was asked for (0).
    """
    begun = time.monotonic()
    options = parse(None if arguments is None else list(arguments), prog)
    if not options.check:
        _check_free(options)  # before the work, not after it
    need("fitting a voice", "torch", "soundfile", "soxr", "tqdm", "safetensors")
    # Imported here so that --help answers at once.
    import torch

    from streamvc.checkpoint import fingerprint
    from streamvc.runtimes import default_weights
    from streamvc.training.voice import likeness, report
    from streamvc.training.voice.files import recordings_in
    from streamvc.training.voice.pace import outcome
    from streamvc.training.voice.segments import select

    torch.set_num_threads(options.threads)
    files = recordings_in(options.recordings)
    weights = options.weights or default_weights()
    model = _live(weights)
    verifier = None if options.no_verifier else likeness.verifier_or_none(model)
    with progress("recordings", " file", len(files), say=tell) as step:
        selection = select(files, likeness.ear(model, verifier), step)
    told = report.to_json(selection, files)
    if not options.json:
        print("\n".join(report.lines_of(selection, files)), flush=True)
    if not options.check:
        spent = time.monotonic() - begun
        result, pace = _fit(options, model, fingerprint(weights), selection, files, verifier, spent)
        path = _save(result.preset, options.output, options.overwrite or options.keep_zero_shot)
        told |= {"name": options.name, "path": str(path), "seed": options.seed} | report.fit_to_json(result, pace)
        if not options.json:
            lines = [outcome(pace, spent), *report.verdict_lines(result), f"{options.name}: {path}"]
            print("\n".join(lines), flush=True)
    if options.json:
        print(json.dumps(told, ensure_ascii=False))
    return 0


def _fit(
    options: argparse.Namespace, model: LiveModel, fingerprint: str, selection: Selection, files: Sequence[Path],
    verifier: SpeakerNetwork | None, spent: float,
) -> tuple[Fitting, Pace]:
    from streamvc.training.voice.fit import FitSettings
    from streamvc.training.voice.make import make_voice
    from streamvc.training.voice.pace import PROBE, forecast, minutes

    left = max(0.0, options.minutes - spent / 60)
    settings = FitSettings(
        steps=options.steps, minutes=left, batch=options.batch, words=options.words, seed=options.seed
    )
    used = {segment.file for segment in selection.segments}
    source = options.source or ", ".join(file.name for file in files if file in used)

    def began(preset: Preset) -> None:
        if options.keep_zero_shot:
            _save(preset, options.output, options.overwrite)

    paces: list[Pace] = []
    tell(f"fit: measuring the speed of this machine on the first {min(PROBE, options.steps)} of {options.steps} steps")
    with progress("fit", " steps", options.steps, say=tell) as step:

        def told(pace: Pace, losses: dict[str, float]) -> None:
            paces[:] = [pace]
            if pace.done == PROBE:
                tell(forecast(pace))
            step(pace.planned, minutes(pace.left) if pace.done >= PROBE else None)

        result = make_voice(
            model, fingerprint, selection.segments, options.name, settings, verifier, options.corpus, told, began,
            description=options.description,
            source=source if len(source) <= 2000 else f"{source[:1999]}…", licence=options.licence,
            consent=options.consent, sex=options.sex, created=date.today().isoformat(),
        )
    return result, paces[0]


def _live(weights: Path) -> LiveModel:
    from streamvc.checkpoint import load_model
    from streamvc.model.live import LiveModel

    model = load_model(weights)
    if not isinstance(model, LiveModel):
        raise ConfigError(f"{weights} holds the paper's model; voices are fitted for live ones: give other weights.")
    return model


def _check_free(options: argparse.Namespace) -> None:
    from streamvc.presets.checks import checked_name
    from streamvc.presets.store import check_free

    checked_name(options.name)
    if options.output is None:
        check_free(options.name, overwrite=options.overwrite)
    elif not options.output.parent.is_dir():
        raise OutputError(f"The folder {options.output.parent} does not exist: make it, or choose another output.")
    elif options.output.exists() and not options.overwrite:
        raise OutputError(f"{options.output} exists already: choose another file or allow overwriting (--overwrite).")


def _save(preset: Preset, output: Path | None, overwrite: bool) -> Path:
    from streamvc.presets.store import save_to_store

    return preset.save(output, overwrite=overwrite) if output else save_to_store(preset, overwrite=overwrite)
