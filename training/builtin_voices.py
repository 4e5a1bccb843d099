"""Make the built-in voices from a packed corpus, whenever the weights change.

    python -m streamvc.training.builtin_voices --corpus DIR --weights FILE --out presets/data

The table beside this file (`builtin_voices.toml`) says which speaker stands behind which name. All speech of a speaker
is used, in the order of the utterances' names, so that equal weights and an equal corpus give equal files. With
`--fit-steps` the voices are then fitted to the speakers (see `training/voice/`).
"""

from __future__ import annotations

import argparse
import multiprocessing
import tomllib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from streamvc.checkpoint import fingerprint, load_model
from streamvc.config import SAMPLE_RATE
from streamvc.errors import CorpusError
from streamvc.model import Model
from streamvc.presets.checks import Sex, checked_sex
from streamvc.presets.create import speaker_latent
from streamvc.presets.format import Preset
from streamvc.presets.pitch import f0_statistics
from streamvc.runtimes.speech import TorchSpeechEncoder
from streamvc.training.corpora.splits import split_of
from streamvc.training.data import PackedCorpus, Utterance
from streamvc.training.voice.fit import FitSettings

TABLE = Path(__file__).with_name("builtin_voices.toml")
WORDS = 4.0
"""Weight of a fit's keeping the content: words come before likeness in voices that everybody gets."""
SHARE = 1.0
"""Of the change that a fit finds."""
SHORTEST_SECONDS = 20.0
"""Speech below which a speaker is no model for a voice that everybody gets."""
_KEYS = {"name", "speaker", "sex", "description", "origin"}


@dataclass(frozen=True)
class BuiltinVoice:
    """One row of the table."""

    name: str
    speaker: str
    sex: Sex
    description: str
    origin: str
    licence: str
    consent: str


def read_table(path: Path = TABLE) -> list[BuiltinVoice]:
    """The table of built-in voices.

    Raises:
        CorpusError: the table is malformed, or two rows share a name or a speaker.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        rows = [
            BuiltinVoice(
                **{key: str(row[key]) for key in _KEYS - {"sex"}},
                sex=checked_sex(row["sex"]),
                licence=str(row.get("licence", table["licence"])),
                consent=str(row.get("consent", table["consent"])),
            )
            for row in table["voice"]
        ]
    except FileNotFoundError as error:
        raise CorpusError(
            f"There is no table of built-in voices {path}: run from a checkout of the project."
        ) from error
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise CorpusError(f"The table of built-in voices {path} is malformed ({error}): correct it.") from error
    for key in ("name", "speaker"):
        values = [getattr(row, key) for row in rows]
        if len(set(values)) < len(values):
            twice = next(value for value in values if values.count(value) > 1)
            raise CorpusError(f"The table of built-in voices {path} has the {key} {twice!r} twice: remove one.")
    return rows


def speech_of(voice: BuiltinVoice, corpus: PackedCorpus) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """All of a speaker's wide-band speech in the corpus, one utterance after the other, [samples].

    Raises:
        CorpusError: the speaker is held back for validation, or has less than twenty seconds in the training split.
    """
    mine = corpus.select(lambda u: u.speaker == voice.speaker and u.split == "train" and u.band == "wide")
    if split_of(voice.speaker) != "train":
        raise CorpusError(f"{voice.speaker} is held back for validation: choose another speaker for {voice.name}.")
    seconds = sum(u.length for u in mine) / SAMPLE_RATE
    if seconds < SHORTEST_SECONDS:
        raise CorpusError(
            f"The corpus has {seconds:.0f} s of {voice.speaker}, and {voice.name} needs {SHORTEST_SECONDS:g} s: choose"
            " another speaker or add to the corpus."
        )
    return np.concatenate([corpus.samples(u) for u in sorted(mine, key=_id)])


def make_preset(voice: BuiltinVoice, corpus: PackedCorpus, model: Model, model_fingerprint: str) -> Preset:
    """The preset of one row of the table; raises as `speech_of`."""
    speech = speech_of(voice, corpus)
    mean, std = f0_statistics(speech)
    return Preset(
        name=voice.name,
        latent=speaker_latent(TorchSpeechEncoder(model), speech),
        log_f0_mean=mean,
        log_f0_std=std,
        model=model_fingerprint,
        description=voice.description,
        source=voice.origin,
        licence=voice.licence,
        consent=voice.consent,
        sex=voice.sex,
    )


def fitted(voice: BuiltinVoice, preset: Preset, corpus: Path, weights: Path, settings: FitSettings) -> Preset:
    """A preset fitted to the recordings of its speaker, as `svc train voice --corpus` fits a voice.

    All speech of the speaker is learnt from and the fit is kept as it is: what fits do to words and likeness is
    measured on other people (training/voice_trial.py), and the built-in voices are evaluated together.

    Raises:
        RuntimeUnavailableError: resemblyzer is not installed.
        TrainingError: a loss is not finite.
    """
    from streamvc.model.live import LiveModel
    from streamvc.presets.fitted import Fitted
    from streamvc.training.verifier import Verifier
    from streamvc.training.voice.fit import fit
    from streamvc.training.voice.likeness import verified, verifier_or_none
    from streamvc.training.voice.make import Both
    from streamvc.training.voice.material import CorpusSpeech, OwnSpeech

    torch.set_num_threads(1)
    model = load_model(weights)
    assert isinstance(model, LiveModel)
    speech = speech_of(voice, PackedCorpus(corpus))
    register = (preset.log_f0_mean, preset.log_f0_std)
    others = Both(OwnSpeech(speech, register, settings.seed + 1), CorpusSpeech(corpus, settings.seed + 2))
    own = OwnSpeech(speech, register, settings.seed)
    change = fit(model, preset, own, others, verified(verifier_or_none(model) or Verifier(), speech), settings)
    print(f"{voice.name} fitted", flush=True)
    return replace(
        change.applied(preset, SHARE), fitted=Fitted(change.seconds, 0.0, change.steps, settings.seed, SHARE)
    )


def _id(utterance: Utterance) -> str:
    return utterance.id


def main(arguments: Sequence[str] | None = None) -> None:
    """Make all built-in voices from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="packed corpus")
    parser.add_argument("--weights", type=Path, required=True, help="weights (.safetensors) that the voices are for")
    parser.add_argument("--out", type=Path, required=True, help="folder of the presets")
    parser.add_argument("--table", type=Path, default=TABLE, help="another table of voices")
    parser.add_argument("--fit-steps", type=int, default=0, help="steps of fitting each voice to its speaker")
    parser.add_argument("--jobs", type=int, default=1, help="voices that are fitted at once")
    options = parser.parse_args(arguments)

    torch.set_num_threads(1)  # sums in another order would change the last bits
    voices = read_table(options.table)
    corpus = PackedCorpus(options.corpus)
    model, model_fingerprint = load_model(options.weights), fingerprint(options.weights)
    # All of them before the first is written: a set of voices for two models would be worse than none.
    presets = [make_preset(voice, corpus, model, model_fingerprint) for voice in voices]
    if options.fit_steps:
        settings = FitSettings(steps=options.fit_steps, minutes=600.0, words=WORDS)
        # Each in a process of one thread: the result does not depend on how many there are.
        with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn")) as pool:
            rows = [(voice, preset, options.corpus, options.weights, settings) for voice, preset in
                    zip(voices, presets, strict=True)]
            presets = list(pool.map(fitted, *zip(*rows, strict=True)))
    options.out.mkdir(parents=True, exist_ok=True)
    for preset in sorted(presets, key=lambda preset: preset.log_f0_mean):
        low, high = preset.f0_range_hz
        path = preset.save(options.out / f"{preset.name}.npz", overwrite=True)
        print(f"{preset.name:10} {preset.sex}  {low:4.0f}-{high:4.0f} Hz  {preset.description}  {path}")
    for path in sorted(options.out.glob("*.npz")):
        if path.stem not in {voice.name for voice in voices}:
            print(f"{path} is not in the table: delete it if it belongs to an older one")


if __name__ == "__main__":
    main()
