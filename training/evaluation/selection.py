"""Which pairs are judged: held-out English speech, held-out or built-in voices, both sexes on both sides."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

import numpy as np

from streamvc.config import SAMPLE_RATE
from streamvc.errors import EvaluationError
from streamvc.presets.format import Preset
from streamvc.training.data import PackedCorpus, Utterance
from streamvc.training.evaluation.pairs import Pair, Wave

T = TypeVar("T")

Load: TypeAlias = Callable[[Utterance], Wave]
"""Gives the samples of an utterance, [samples] at 16 kHz."""

SOURCE_SECONDS: Final = (3.0, 8.0)
REFERENCE_SECONDS: Final = (5.0, 10.0)
CEILING_SECONDS: Final = (3.0, 8.0)
SHORTEST_SECONDS: Final = 1.0
"""Shorter recordings (single words) are never part of a reference."""

_SAME_PERSON: Final = {"asterisk-es": "asterisk-en"}
"""One person who recorded prompts in two languages: a target under one of the names only."""

_WORD_LISTS: Final = re.compile(r"/(digits|letters|phonetic)/")
"""Folders of prompts with single words, which the corpus joins: no sentence that an ASR could follow."""


@dataclass(frozen=True)
class Target:
    """A voice to convert to: a speaker's recordings and, for a preset, its name."""

    speaker: str
    sex: str | None
    corpus: str
    utterances: tuple[Utterance, ...]
    preset: str | None = None


def select_pairs(corpus: PackedCorpus, count: int, seed: int = 0) -> list[Pair]:
    """Draw pairs of held-out speakers (split `valid`), the same ones for the same corpus, count and seed.

    Sources are English utterances of 3 to 8 s by speakers of known sex. References are 5 to 10 s of other utterances
    of the target, and the ceiling 3 to 8 s of yet others. Source and target are never the same person, nor two
    blends that share a voice. The four combinations of sex take turns (with targets of unknown sex as a third kind);
    within each, corpora are used equally often, then speakers, then utterances.

    Raises:
        EvaluationError: count is not positive, or the corpus lacks sources or targets of one sex.
    """
    held_out = [one for one in corpus.utterances if one.split == "valid"]
    return draw_pairs(corpus.samples, _sources(held_out), _targets(held_out), count, seed)


def select_preset_pairs(corpus: PackedCorpus, presets: Iterable[Preset], count: int, seed: int = 0) -> list[Pair]:
    """Draw pairs of held-out sources and presets, for the presets whose speaker the corpus holds.

    A preset's speaker is found by name in the preset's `source` field. References and ceiling are real recordings of
    that speaker (of either split: a built-in voice may have been trained on); the conversion itself uses the preset.
    For the rest as `select_pairs`.

    Raises:
        EvaluationError: count is not positive, no preset's speaker is known, or sources of one sex are missing.
    """
    by_speaker: dict[str, list[Utterance]] = defaultdict(list)
    for one in corpus.utterances:
        by_speaker[one.speaker].append(one)
    targets = []
    for preset in presets:
        speaker = speaker_of(preset, by_speaker)
        if speaker is not None:
            recordings = tuple(by_speaker[speaker])
            sex = preset.sex if preset.sex in ("f", "m") else recordings[0].sex
            targets.append(Target(speaker, sex, recordings[0].corpus, recordings, preset.name))
    if not targets:
        raise EvaluationError(
            "No preset names a speaker of this corpus in its source field: judge pairs of speakers instead."
        )
    held_out = [one for one in corpus.utterances if one.split == "valid"]
    usable = [one for one in targets if can_be_target(one)]
    return draw_pairs(corpus.samples, _sources(held_out), usable, count, seed)


def select_foreign_pairs(corpus: PackedCorpus, count: int, seed: int = 0) -> list[Pair]:
    """Draw pairs of held-out sources that do not speak English and held-out targets; none where there are no such.

    As `select_pairs`, but the sexes do not take turns: few corpora have both in other languages.
    """
    held_out = [one for one in corpus.utterances if one.split == "valid"]
    low, high = SOURCE_SECONDS
    sources = [one for one in held_out if not one.english and low <= one.length / SAMPLE_RATE <= high]
    sources = [one for one in sources if not _WORD_LISTS.search(one.id)]
    targets = _targets(held_out)
    rng = np.random.default_rng(seed)
    used: Counter[tuple[str, ...]] = Counter()
    pairs = []
    for _ in range(count if sources else 0):
        source = _least_used(sources, used, rng, lambda one: ("source " + one.language, one.speaker, one.id))
        wanted = [one for one in targets if not related(one.speaker, source.speaker)]
        if wanted:
            target = _least_used(wanted, used, rng, lambda one: ("target " + str(one.sex), one.corpus, one.speaker))
            pairs.append(_pair(corpus.samples, source, target, rng))
    return pairs


def speaker_of(preset: Preset, speakers: Iterable[str]) -> str | None:
    """The one of `speakers` that the preset's `source` field names (the longest, where names overlap), or None."""
    found = [one for one in speakers if re.search(rf"(?<![\w+-]){re.escape(one)}(?![\w+-])", preset.source)]
    return max(found, key=len, default=None)


def related(first: str, second: str) -> bool:
    """Whether two speakers share a voice.

    That is: they are the same, or the same person under two names, or blends (`kokoro-A+B`, `kokoro-A__B`) with a
    common half.
    """
    return not _voices(first).isdisjoint(_voices(second))


def _voices(speaker: str) -> set[str]:
    corpus, dash, voice = speaker.partition("-")
    if corpus != "kokoro" or not dash:
        return {_SAME_PERSON.get(speaker, speaker)}
    return set(voice.replace("__", "+").split("+"))


def _sources(utterances: Iterable[Utterance]) -> list[Utterance]:
    low, high = SOURCE_SECONDS
    return [
        one
        for one in utterances
        if one.english
        and one.sex in ("f", "m")
        and not _WORD_LISTS.search(one.id)
        and low <= one.length / SAMPLE_RATE <= high
    ]


def _targets(utterances: Iterable[Utterance]) -> list[Target]:
    by_speaker: dict[str, list[Utterance]] = defaultdict(list)
    for one in utterances:
        if one.speaker not in _SAME_PERSON:
            by_speaker[one.speaker].append(one)
    targets = [Target(name, own[0].sex, own[0].corpus, tuple(own)) for name, own in sorted(by_speaker.items())]
    return [one for one in targets if can_be_target(one)]


def can_be_target(target: Target) -> bool:
    """Enough recordings for a reference and a ceiling, whatever the order in which they are drawn."""
    usable = [one.length / SAMPLE_RATE for one in target.utterances if _usable(one)]
    return sum(usable) >= CEILING_SECONDS[1] + REFERENCE_SECONDS[1] and len(usable) > 3


def _usable(one: Utterance) -> bool:
    return SHORTEST_SECONDS <= one.length / SAMPLE_RATE <= CEILING_SECONDS[1]


def draw_pairs(
    load: Load, sources: Sequence[Utterance], targets: Sequence[Target], count: int, seed: int
) -> list[Pair]:
    """Pair sources with targets: the sexes take turns, and within them whatever was used least comes first.

    Raises:
        EvaluationError: count is not positive, or sources or targets of one sex are missing.
    """
    if count < 1:
        raise EvaluationError(f"The number of pairs must be at least 1, not {count}.")
    rng = np.random.default_rng(seed)
    sexes_of_targets = [sex for sex in ("f", "m", None) if any(one.sex == sex for one in targets)]
    for sex in ("f", "m"):
        if not any(one.sex == sex for one in sources) or sex not in sexes_of_targets:
            raise EvaluationError(
                f"There are no held-out English sources or no targets of the sex {sex}: give more recordings."
            )
    sexes = itertools.cycle(itertools.product(("f", "m"), sexes_of_targets))
    used: Counter[tuple[str, ...]] = Counter()
    pairs = []
    for source_sex, target_sex in itertools.islice(sexes, count):
        wanted = [one for one in targets if one.sex == target_sex]
        target = _least_used(wanted, used, rng, lambda one: ("target " + one.corpus, one.preset or one.speaker))
        candidates = [one for one in sources if one.sex == source_sex and not related(one.speaker, target.speaker)]
        if not candidates:
            raise EvaluationError(f"The corpus has no held-out source of the sex {source_sex} beside {target.speaker}.")
        source = _least_used(candidates, used, rng, lambda one: ("source " + one.corpus, one.speaker, one.id))
        pairs.append(_pair(load, source, target, rng))
    return pairs


def _least_used(
    candidates: Sequence[T],
    used: Counter[tuple[str, ...]],
    rng: np.random.Generator,
    key: Callable[[T], tuple[str, ...]],
) -> T:
    """The candidate whose kind was drawn least: compared by the first part of its key, then the first two, and on."""
    shuffled = [candidates[index] for index in rng.permutation(len(candidates))]
    chosen: T = min(shuffled, key=lambda one: [used[key(one)[: depth + 1]] for depth in range(len(key(one)))])
    used.update(key(chosen)[: depth + 1] for depth in range(len(key(chosen))))
    return chosen


def _pair(load: Load, source: Utterance, target: Target, rng: np.random.Generator) -> Pair:
    others = [one for one in target.utterances if _usable(one) and one.id != source.id]
    shuffled = [others[index] for index in rng.permutation(len(others))]
    ceiling = _collect(shuffled, CEILING_SECONDS)
    taken = {one.id for one in ceiling}
    references = _collect([one for one in shuffled if one.id not in taken], REFERENCE_SECONDS)
    texts = [one.text for one in ceiling if one.english and one.text]
    return Pair(
        source_id=source.id,
        source_speaker=source.speaker,
        source=load(source),
        target_speaker=target.speaker,
        references=tuple(load(one) for one in references),
        reference_ids=tuple(one.id for one in references),
        ceiling=np.concatenate([load(one) for one in ceiling]),
        ceiling_ids=tuple(one.id for one in ceiling),
        text=source.text,
        ceiling_text=" ".join(texts) if len(texts) == len(ceiling) else None,
        preset=target.preset,
        source_sex=source.sex,
        target_sex=target.sex,
        source_corpus=source.corpus,
        target_corpus=target.corpus,
    )


def _collect(utterances: Sequence[Utterance], seconds: tuple[float, float]) -> list[Utterance]:
    """Utterances in their order, those left out that would exceed the upper limit, until the lower one is reached."""
    chosen: list[Utterance] = []
    total = 0.0
    for one in utterances:
        if total >= seconds[0]:
            break
        if total + one.length / SAMPLE_RATE <= seconds[1]:
            chosen.append(one)
            total += one.length / SAMPLE_RATE
    return chosen
