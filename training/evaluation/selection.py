"""Which pairs are judged: held-out English speech of real people, and the voices that it shall take on.

Synthetic speakers are judged apart and never beside real people: a model that was tuned on them looked four times as
good as it was.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

import numpy as np

from streamvc.config import SAMPLE_RATE
from streamvc.errors import EvaluationError
from streamvc.presets.format import Preset
from streamvc.training.corpora.synthetic import is_synthetic
from streamvc.training.data import PackedCorpus, Utterance
from streamvc.training.evaluation.material import (
    Load,
    Material,
    Target,
    can_be_target,
    choose_material,
    choose_own,
)
from streamvc.training.evaluation.pairs import Pair

T = TypeVar("T")

SOURCE_SECONDS: Final = (2.0, 16.0)

_SAME_PERSON: Final = {"asterisk-es": "asterisk-en"}
"""One person who recorded prompts in two languages: a target under one of the names only."""

_WORD_LISTS: Final = re.compile(r"/(digits|letters|phonetic)/")
"""Folders of prompts with single words, which the corpus joins: no sentence that an ASR could follow."""


_OTHERWISE: Final = "judge synthetic speakers alone (--pairs 0 --pairs-synthetic 24)"


def select_pairs(corpus: PackedCorpus, count: int, seed: int = 0, *, synthetic: bool = False) -> list[Pair]:
    """Draw pairs of held-out people (split `valid`), the same ones for the same corpus, count and seed.

    All speak English on wide-band recordings and are of known sex: real people, or with `synthetic` none but synthetic
    speakers. Sources are of 2 to 16 s. References are 8 to 16 s of the target (10 s or more where there is that much),
    and the ceiling 3 to 8 s of other speech. Source and target are never the same person, nor two blends that share a
    voice. The four combinations of sex take turns; within each, whoever was used least comes first, then the corpus,
    then the utterance that was used least.

    Raises:
        EvaluationError: count is not positive, or the corpus lacks such sources or targets of one sex.
    """
    people = _people(corpus, synthetic)
    return draw_pairs(corpus.samples, _sources(people), _targets(people), count, seed, _kind(synthetic))


def select_preset_pairs(
    corpus: PackedCorpus, presets: Iterable[Preset], count: int, seed: int = 0, *, synthetic: bool = False
) -> list[Pair]:
    """Draw pairs of the sources of `select_pairs` and presets, for the presets whose speaker the corpus holds.

    A preset's speaker is found by name in the preset's `source` field. References and ceiling are recordings of that
    speaker (of either split, synthetic or not: a built-in voice may have been trained on); the conversion itself uses
    the preset.

    Raises:
        EvaluationError: count is not positive, no preset's speaker is known, or sources of one sex are missing.
    """
    by_speaker = _by_speaker(corpus.utterances)
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
    usable = [one for one in targets if can_be_target(one)]
    sources = _sources(_people(corpus, synthetic))
    return draw_pairs(corpus.samples, sources, usable, count, seed, _kind(synthetic))


def select_own_voice_pairs(corpus: PackedCorpus, count: int, seed: int = 0, *, synthetic: bool = False) -> list[Pair]:
    """Draw pairs for copy synthesis: the sources of `select_pairs`, each to be converted to the speaker's own voice.

    References are other recordings of the same person where there are 3 s or more of them, else the source itself. A
    ceiling is there where enough is left. The sexes take turns.

    Raises:
        EvaluationError: count is not positive, or sources of one sex are missing.
    """
    _check_count(count)
    people = _people(corpus, synthetic)
    sources, by_speaker = _sources(people), _by_speaker(people)
    _check_sexes(sources, ("f", "m"), _kind(synthetic))
    turns, rng = Turns(), np.random.default_rng(seed)
    pairs = []
    for sex in itertools.islice(itertools.cycle(("f", "m")), count):
        source = turns.next([one for one in sources if one.sex == sex], rng, _source_key)
        own = by_speaker[source.speaker]
        target = Target(source.speaker, source.sex, source.corpus, tuple(own))
        pairs.append(_pair(corpus.samples, source, target, choose_own(source, own, rng), own_voice=True))
    return pairs


def select_foreign_pairs(corpus: PackedCorpus, count: int, seed: int = 0) -> list[Pair]:
    """Draw pairs of held-out real sources that do not speak English and held-out real targets of any language.

    As `select_pairs`, but the sexes do not take turns: few corpora have both in other languages. None where there are
    no such sources.
    """
    held_out = [one for one in corpus.utterances if one.split == "valid" and not is_synthetic(one.corpus)]
    low, high = SOURCE_SECONDS
    sources = [one for one in held_out if not one.english and low <= one.length / SAMPLE_RATE <= high]
    sources = [one for one in sources if not _WORD_LISTS.search(one.id)]
    targets = _targets(one for one in held_out if one.band == "wide")
    rng, turns = np.random.default_rng(seed), Turns()
    pairs = []
    for _ in range(count if sources else 0):
        source = turns.next(sources, rng, lambda one: ("source " + one.language, "from " + one.speaker, one.id))
        wanted = [one for one in targets if not related(one.speaker, source.speaker)]
        if wanted:
            target = turns.next(wanted, rng, lambda one: (f"target {one.sex}", f"to {one.corpus}", f"to {one.speaker}"))
            pairs.append(_pair(corpus.samples, source, target, choose_material(target, rng)))
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


def held_out_people(utterances: Iterable[Utterance], *, synthetic: bool = False) -> list[Utterance]:
    """The wide-band English utterances of held-out real people, or with `synthetic` those of synthetic speakers."""
    return [
        one
        for one in utterances
        if one.split == "valid" and one.english and one.band == "wide" and is_synthetic(one.corpus) == synthetic
    ]


def draw_pairs(
    load: Load, sources: Sequence[Utterance], targets: Sequence[Target], count: int, seed: int,
    kind: str = "held-out English",
) -> list[Pair]:  # fmt: skip
    """Pair sources with targets: the sexes take turns, and within them whatever was used least comes first.

    `kind` says in messages what the sources are.

    Raises:
        EvaluationError: count is not positive, or sources or targets of one sex are missing.
    """
    _check_count(count)
    rng = np.random.default_rng(seed)
    sexes_of_targets = [sex for sex in ("f", "m", None) if any(one.sex == sex for one in targets)]
    _check_sexes(sources, sexes_of_targets, kind)
    sexes = itertools.cycle(itertools.product(("f", "m"), sexes_of_targets))
    turns = Turns()
    pairs = []
    for source_sex, target_sex in itertools.islice(sexes, count):
        wanted = [one for one in targets if one.sex == target_sex]
        target = turns.next(wanted, rng, lambda one: ("target " + (one.preset or one.speaker), "to " + one.corpus))
        candidates = [one for one in sources if one.sex == source_sex and not related(one.speaker, target.speaker)]
        if not candidates:
            raise EvaluationError(f"The corpus has no {kind} source of the sex {source_sex} beside {target.speaker}.")
        source = turns.next(candidates, rng, _source_key)
        pairs.append(_pair(load, source, target, choose_material(target, rng)))
    return pairs


class Turns:
    """Whoever was used least comes next; ties are broken by the next part of the key, and at last by chance."""

    def __init__(self) -> None:
        self._used: Counter[str] = Counter()

    def next(self, candidates: Sequence[T], rng: np.random.Generator, key: Callable[[T], tuple[str, ...]]) -> T:
        """The candidate with the least used first part of its key; of several, that with the least used second."""
        shuffled = [candidates[index] for index in rng.permutation(len(candidates))]
        chosen: T = min(shuffled, key=lambda one: [self._used[part] for part in key(one)])
        self._used.update(key(chosen))
        return chosen


def _source_key(one: Utterance) -> tuple[str, ...]:
    # People before corpora: as many different people as there are, and corpora evenly as far as their people reach.
    return "source " + one.speaker, "from " + one.corpus, one.id


def _people(corpus: PackedCorpus, synthetic: bool) -> list[Utterance]:
    return [one for one in held_out_people(corpus.utterances, synthetic=synthetic) if one.sex in ("f", "m")]


def _kind(synthetic: bool) -> str:
    return "held-out English synthetic" if synthetic else "held-out English real"


def _check_count(count: int) -> None:
    if count < 1:
        raise EvaluationError(f"The number of pairs must be at least 1, not {count}.")


def _check_sexes(sources: Sequence[Utterance], sexes_of_targets: Sequence[str | None], kind: str) -> None:
    for sex in ("f", "m"):
        if not any(one.sex == sex for one in sources) or sex not in sexes_of_targets:
            raise EvaluationError(
                f"There are no {kind} sources or no targets of the sex {sex}: give a corpus with more of them "
                "(docs/corpora.md)" + (f", or {_OTHERWISE}." if kind == _kind(False) else ".")
            )


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
        if not _WORD_LISTS.search(one.id) and low <= one.length / SAMPLE_RATE <= high
    ]


def _targets(utterances: Iterable[Utterance]) -> list[Target]:
    by_speaker = _by_speaker(one for one in utterances if one.speaker not in _SAME_PERSON)
    targets = [Target(name, own[0].sex, own[0].corpus, tuple(own)) for name, own in sorted(by_speaker.items())]
    return [one for one in targets if can_be_target(one)]


def _by_speaker(utterances: Iterable[Utterance]) -> dict[str, list[Utterance]]:
    found: dict[str, list[Utterance]] = defaultdict(list)
    for one in utterances:
        found[one.speaker].append(one)
    return found


def _pair(load: Load, source: Utterance, target: Target, material: Material, own_voice: bool = False) -> Pair:
    return Pair(
        source_id=source.id,
        source_speaker=source.speaker,
        source=load(source),
        target_speaker=target.speaker,
        references=tuple(one.load(load) for one in material.references),
        reference_ids=tuple(one.id for one in material.references),
        ceiling=np.concatenate([one.load(load) for one in material.ceiling]) if material.ceiling else None,
        ceiling_ids=tuple(one.id for one in material.ceiling),
        text=source.text,
        ceiling_text=material.ceiling_text,
        preset=target.preset,
        source_sex=source.sex,
        target_sex=target.sex,
        source_corpus=source.corpus,
        target_corpus=target.corpus,
        own_voice=own_voice,
    )
