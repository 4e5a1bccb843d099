"""Is a fitted voice better than a zero-shot one? On held-out people of a packed corpus, by judges that no fit asks.

    python -m streamvc.training.voice_trial --corpus DIR --out runs/voices [--weights FILE]

For each speaker, recordings are written to files and given to `svc preset create` and to `svc train voice`, as a person
would; both voices then speak the same sentences of other held-out speakers through the streaming engine. Likeness is
measured against recordings that neither has heard. What is done is kept in the folder, so that a run that was
interrupted goes on; `trial.json` in it holds all results for `streamvc.training.evaluation.tables --voices`. Needs the
`eval` extra and Resemblyzer.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from streamvc.config import FRAME, SAMPLE_RATE
from streamvc.engine import Engine
from streamvc.errors import AudioError, CorpusError
from streamvc.presets.create import create_preset
from streamvc.presets.files import write_whole
from streamvc.presets.format import Preset, check_model
from streamvc.presets.recordings import Samples
from streamvc.runtimes import Runtime, default_weights, load_runtime
from streamvc.training.data import PackedCorpus, Utterance
from streamvc.training.evaluation.convert import padded_to_frames
from streamvc.training.evaluation.judges import Judges
from streamvc.training.evaluation.selection import held_out_people, related
from streamvc.training.evaluation.speaker import cosine
from streamvc.training.evaluation.text import count_errors
from streamvc.training.voice.command import run as train_voice

SPEAKERS = 6
"""How many people are tried, if none are named."""
REFERENCE_SECONDS = 40.0
"""Of each speaker, kept from both voices: what likeness is measured against."""
LEAST_SECONDS = REFERENCE_SECONDS + 60.0
"""Of recordings of a second or more that a speaker must have."""
VOICES = ("zero-shot", "fitted")


@dataclass(frozen=True)
class Result:
    """One speaker.

    Args:
        speaker: of the corpus.
        seconds: of recordings given.
        share: of the fit that was kept; 0 for none.
        secs, dvector: mean cosine to the reference, zero-shot and fitted.
        errors: words wrong, zero-shot and fitted, of `words`.
    """

    speaker: str
    seconds: float
    share: float
    secs: tuple[float, float]
    dvector: tuple[float, float]
    errors: tuple[int, int]
    words: int


def trial(
    speaker: str, corpus: PackedCorpus, sources: Sequence[Utterance], folder: Path, weights: Path, runtime: Runtime,
    judges: Judges, options: argparse.Namespace,
) -> Result:
    """Make both voices of a speaker and judge them.

    Raises:
        CorpusError: the corpus has too little of the speaker.
        StreamVCError: as `svc train voice` does.
    """
    recordings, reference = _recordings(corpus, speaker, folder / speaker, options.seconds)
    seconds = sum(soundfile.info(path).duration for path in recordings)
    made = folder / speaker / "fitted.npz"
    if not made.is_file():
        train_voice(
            [*map(str, recordings), "-o", str(made), "--steps", str(options.steps), "--minutes", "600", "--threads",
             str(options.threads), "--seed", str(options.seed), "--weights", str(weights),
             "--words", str(options.words), *["--no-verifier"] * options.no_verifier],
            "svc train voice",
        )  # fmt: skip
    fitted = Preset.load(made)
    zero_shot = create_preset("zero-shot", recordings, weights).preset
    scores: dict[str, list[Any]] = {"secs": [], "dvector": [], "errors": []}
    words = 0
    said = [u.text or judges.transcript(corpus.samples(u)) for u in sources]
    for preset in (zero_shot, fitted):
        spoken = [_convert(runtime, preset, corpus.samples(u)) for u in sources]
        scores["secs"].append(_mean([cosine(judges.speaker(wave), judges.speaker(reference)) for wave in spoken]))
        scores["dvector"].append(_mean([cosine(judges.dvector(wave), judges.dvector(reference)) for wave in spoken]))
        counts = [count_errors(text, judges.transcript(wave)) for text, wave in zip(said, spoken, strict=True)]
        scores["errors"].append(sum(count.word_errors for count in counts))
        words = sum(count.words for count in counts)
    pairs = {name: (values[0], values[1]) for name, values in scores.items()}
    return Result(speaker, round(seconds, 1), fitted.fitted.share if fitted.fitted else 0.0, words=words, **pairs)


def choose_speakers(corpus: PackedCorpus, count: int = SPEAKERS) -> list[str]:
    """Real held-out people of whom there are 100 s or more: women and men, and corpora, in turns, most speech first.

    Raises:
        CorpusError: the corpus has none.
    """
    seconds: dict[tuple[str, str, str | None], float] = {}
    for u in held_out_people(corpus.utterances):
        if u.length >= SAMPLE_RATE:
            key = u.speaker, u.corpus, u.sex
            seconds[key] = seconds.get(key, 0.0) + u.length / SAMPLE_RATE
    left = sorted((one for one in seconds if seconds[one] >= LEAST_SECONDS), key=lambda one: (-seconds[one], one[0]))
    chosen: list[tuple[str, str, str | None]] = []
    while left and len(chosen) < count:
        sexes, corpora = Counter(sex for _, _, sex in chosen), Counter(name for _, name, _ in chosen)
        best = min(left, key=lambda one: (sexes[one[2]], corpora[one[1]]))
        chosen.append(best)
        left.remove(best)
    if not chosen:
        raise CorpusError(
            f"The corpus has no held-out person with {LEAST_SECONDS:g} s of English speech: name --speakers, or give "
            "another corpus (docs/corpora.md)."
        )
    return [speaker for speaker, _, _ in chosen]


def table(results: Sequence[Result]) -> str:
    """The results as a Markdown table, with a line of what holds."""
    rows = [
        "| speaker | recordings | kept | SECS, zero-shot | fitted | d-vector | fitted | WER | fitted |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for r in results:
        wer = [100 * wrong / max(1, r.words) for wrong in r.errors]
        rows.append(
            f"| {r.speaker} | {r.seconds:.0f} s | {100 * r.share:g} % | {r.secs[0]:.3f} | {r.secs[1]:.3f} |"
            f" {r.dvector[0]:.3f} | {r.dvector[1]:.3f} | {wer[0]:.1f} | {wer[1]:.1f} |"
        )
    better = {name: sum(getattr(r, name)[1] > getattr(r, name)[0] for r in results) for name in ("secs", "dvector")}
    words = max(1, sum(r.words for r in results))
    wer = [100 * sum(r.errors[i] for r in results) / words for i in (0, 1)]
    rows.append(
        f"\nFitted better than zero-shot: SECS on {better['secs']} of {len(results)}, d-vector on {better['dvector']}"
        f" of {len(results)}. WER of all {words} words: {wer[0]:.1f} and {wer[1]:.1f} ({wer[1] - wer[0]:+.1f} points)."
    )
    return "\n".join(rows)


def choose_sources(corpus: PackedCorpus, speaker: str, count: int, seed: int) -> list[Utterance]:
    """Sentences of 3 to 7 s by other real held-out people, evenly from all who have text for them."""
    by_speaker: dict[str, list[Utterance]] = {}
    for u in held_out_people(corpus.utterances):
        fitting = u.text is not None and 3 * SAMPLE_RATE <= u.length <= 7 * SAMPLE_RATE
        if fitting and not related(u.speaker, speaker):
            by_speaker.setdefault(u.speaker, []).append(u)
    random = np.random.default_rng(seed)
    queues = [[them[i] for i in random.permutation(len(them))] for _, them in sorted(by_speaker.items())]
    chosen: list[Utterance] = []
    while len(chosen) < count and any(queues):
        chosen += [queue.pop() for queue in queues if queue]
    if len(chosen) < count:
        raise CorpusError(f"The corpus has {len(chosen)} sentences of others to convert, not {count}: lower --sources.")
    return chosen[:count]


def _recordings(corpus: PackedCorpus, speaker: str, folder: Path, seconds: float) -> tuple[list[Path], Samples]:
    """Files of the speaker's utterances, evenly chosen, and a reference of other ones."""
    mine = corpus.select(lambda u: u.speaker == speaker and u.length >= SAMPLE_RATE)
    random = np.random.default_rng(1)
    order = [mine[i] for i in random.permutation(len(mine))]
    if sum(u.length for u in order) < LEAST_SECONDS * SAMPLE_RATE:
        raise CorpusError(f"The corpus has too little of {speaker}: name speakers with a hundred seconds or more.")
    reference, rest = _take(order, REFERENCE_SECONDS)
    given, _ = _take(rest, seconds)
    folder = folder / "recordings"
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, u in enumerate(sorted(given, key=lambda u: u.id)):
        paths.append(folder / f"{number:03}.wav")
        soundfile.write(paths[-1], corpus.samples(u), SAMPLE_RATE, subtype="PCM_16")
    return paths, np.concatenate([corpus.samples(u) for u in reference])


def _take(utterances: Sequence[Utterance], seconds: float) -> tuple[list[Utterance], list[Utterance]]:
    total = np.cumsum([u.length for u in utterances])
    count = int(np.searchsorted(total, seconds * SAMPLE_RATE)) + 1
    return list(utterances[:count]), list(utterances[count:])


def _convert(runtime: Runtime, preset: Preset, source: Samples) -> Samples:
    check_model(preset, runtime.fingerprint)
    engine = Engine(runtime, preset.voice(), preset.controls())
    late = engine.latency.look_ahead
    padded = padded_to_frames(source, late)
    frames = [engine.process(padded[at : at + FRAME]) for at in range(0, padded.size, FRAME)]
    return np.clip(np.concatenate(frames)[late : late + source.size], -1.0, 1.0)


def results_from(trial: Mapping[str, Any]) -> list[Result]:
    """The results that `trial.json` holds."""
    return [_result(one) for one in trial["results"]]


def _result(data: Mapping[str, Any]) -> Result:
    kept = dict(data)
    pairs: dict[str, Any] = {key: tuple(kept.pop(key)) for key in ("secs", "dvector", "errors")}
    return Result(**kept, **pairs)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the trial from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="packed corpus")
    parser.add_argument("--out", type=Path, required=True, help="folder for recordings, voices and results")
    parser.add_argument("--weights", type=Path, default=default_weights(), help="model (default: the shipped one)")
    parser.add_argument(
        "--speakers", nargs="+", help=f"of the validation split (default: {SPEAKERS} real people with much speech)"
    )
    parser.add_argument("--seconds", type=float, default=150.0, help="of recordings given (default: 150)")
    parser.add_argument("--sources", type=int, default=12, help="sentences of others to convert (default: 12)")
    parser.add_argument("--steps", type=int, default=160, help="of the fit (default: 160)")
    parser.add_argument("--threads", type=int, default=1, help="of the processor (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="of the fit and of the choice of sentences (default: 0)")
    parser.add_argument("--words", type=float, default=4.0, help="weight of keeping the words (default: 4)")
    parser.add_argument("--no-verifier", action="store_true", help="fit as where Resemblyzer is not installed")
    options = parser.parse_args(arguments)

    corpus, runtime = PackedCorpus(options.corpus), load_runtime("auto", options.weights)
    settings = f"{runtime.fingerprint}-{options.seconds:g}-{options.sources}-{options.steps}-{options.seed}"
    settings += f"-{options.words:g}" + "-alone" * options.no_verifier
    folder: Path = options.out / settings
    folder.mkdir(parents=True, exist_ok=True)
    judges = Judges(("wer", "secs", "dvector"), options.out / "memory")
    judges.prepare()
    results: list[Result] = []
    refused = {}
    for speaker in options.speakers or choose_speakers(corpus):
        path = folder / f"{speaker}.json"
        if not path.is_file():
            sources = choose_sources(corpus, speaker, options.sources, options.seed)
            try:
                result = trial(speaker, corpus, sources, folder, options.weights, runtime, judges, options)
            except AudioError as error:  # of this person's recordings; others may do
                refused[speaker] = str(error)
                print(f"{speaker}: no voice was made: {error}", file=sys.stderr, flush=True)
                continue
            write_whole(path, json.dumps(asdict(result)).encode(), overwrite=True)
        results.append(_result(json.loads(path.read_text())))
        print(table(results), flush=True)
    about = {"fingerprint": runtime.fingerprint, "refused": refused}
    trial_file = {"about": about, "results": [asdict(one) for one in results]}
    write_whole(folder / "trial.json", json.dumps(trial_file, indent=1).encode(), overwrite=True)
    print(f"{folder / 'trial.json'}", flush=True)


if __name__ == "__main__":
    main()
