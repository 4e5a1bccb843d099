"""Which pairs are drawn: never a person to themselves, both sexes, enough material, nothing that was trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streamvc.errors import EvaluationError
from streamvc.presets.format import Preset
from streamvc.training.corpora.synthetic import is_synthetic
from streamvc.training.data import PackedCorpus, Utterance
from streamvc.training.evaluation.material import Piece, choose_own
from streamvc.training.evaluation.pairs import Pair
from streamvc.training.evaluation.selection import (
    related,
    select_own_voice_pairs,
    select_pairs,
    select_preset_pairs,
    speaker_of,
)


@pytest.fixture(scope="module")
def corpus(corpus_folder: Path) -> PackedCorpus:
    return PackedCorpus(corpus_folder)


@pytest.fixture(scope="module", params=[0, 1, 2])
def pairs(request: pytest.FixtureRequest, corpus: PackedCorpus) -> list[Pair]:
    return select_pairs(corpus, 24, seed=request.param)


@pytest.fixture(scope="module")
def apart(corpus: PackedCorpus) -> list[Pair]:
    return select_pairs(corpus, 24, synthetic=True)


def test_as_many_as_asked_for(corpus: PackedCorpus) -> None:
    assert [len(select_pairs(corpus, count)) for count in (1, 5, 24)] == [1, 5, 24]


def test_source_and_target_never_share_a_voice(pairs: list[Pair], apart: list[Pair]) -> None:
    assert not any(related(pair.source_speaker, pair.target_speaker) for pair in pairs + apart)


def test_nobody_was_trained_on(pairs: list[Pair], apart: list[Pair]) -> None:
    assert all("trained" not in pair.source_speaker + pair.target_speaker for pair in pairs + apart)


def test_the_headline_is_real_people_and_synthetic_ones_stand_apart(pairs: list[Pair], apart: list[Pair]) -> None:
    real = {"readers", "volunteers", "learners", "prompts"}
    assert {pair.source_corpus for pair in pairs} == real
    assert {pair.target_corpus for pair in pairs} == {"readers", "learners", "prompts"}, "volunteers speak too little"
    assert {pair.source_corpus for pair in apart} | {pair.target_corpus for pair in apart} == {"kokoro"}
    assert [is_synthetic(name) for name in ("kokoro", "kokoro2", "hibari", "synthetic-mine", "ls-clean", "lj")] == [
        True, True, True, True, False, False,
    ]  # fmt: skip


def test_people_speak_english_on_wide_band_recordings_of_2_to_16_seconds(pairs: list[Pair]) -> None:
    assert all(2 * 16_000 <= pair.source.size <= 16 * 16_000 for pair in pairs)
    used = {name for pair in pairs for name in (pair.source_speaker, pair.target_speaker)}
    assert used.isdisjoint({"prompts-it", "stamps-ro", "readers-f3", "readers-m3"})


def test_as_many_different_people_as_there_are(corpus: PackedCorpus, pairs: list[Pair]) -> None:
    """Everybody once before anybody twice; corpora in turns as long as their people last."""
    for sex, there in (("f", 11), ("m", 10)):
        sources = Counter(pair.source_speaker for pair in pairs if pair.source_sex == sex)
        assert len(sources) == there
        assert max(sources.values()) == 2
        targets = Counter(pair.target_speaker for pair in pairs if pair.target_sex == sex)
        assert max(targets.values()) - min(targets.values()) <= 1
    few = select_pairs(corpus, 8)
    assert len({pair.source_speaker for pair in few}) == 8
    assert max(Counter(pair.source_corpus for pair in few).values()) <= 3


def test_references_and_ceiling_are_long_enough_and_apart(pairs: list[Pair], apart: list[Pair]) -> None:
    for pair in pairs + apart:
        assert 8 * 16_000 <= pair.reference.size <= 16 * 16_000
        assert pair.ceiling is not None
        assert 3 * 16_000 <= pair.ceiling.size <= 8 * 16_000
        used = [pair.source_id, *pair.reference_ids, *pair.ceiling_ids]
        assert len(set(used)) == len(used)
        assert all(name.startswith(pair.target_speaker + "/") for name in (*pair.reference_ids, *pair.ceiling_ids))


def test_who_has_much_is_heard_for_ten_seconds(pairs: list[Pair]) -> None:
    many = [pair for pair in pairs if pair.target_corpus == "learners"]
    assert many
    assert all(pair.reference.size >= 10 * 16_000 for pair in many)


def test_a_single_recording_is_cut_in_its_pause(corpus: PackedCorpus, pairs: list[Pair]) -> None:
    by_id = {one.id: one for one in corpus.utterances}
    single = [pair for pair in pairs if pair.target_corpus == "readers"]
    assert single
    for pair in single:
        name = f"{pair.target_speaker}/00"
        assert (pair.ceiling_ids, pair.reference_ids) == ((f"{name} (head)",), (f"{name} (rest)",))
        assert pair.ceiling is not None
        assert 4.0 <= pair.ceiling.size / 16_000 <= 4.2
        assert np.array_equal(np.concatenate([pair.ceiling, pair.reference]), corpus.samples(by_id[name]))
        assert pair.ceiling_text is None


def test_waves_are_those_of_the_corpus(corpus: PackedCorpus, pairs: list[Pair]) -> None:
    by_id = {one.id: one for one in corpus.utterances}
    for pair in [pair for pair in pairs if pair.target_corpus == "learners"][:4]:
        assert np.array_equal(pair.source, corpus.samples(by_id[pair.source_id]))
        expected = np.concatenate([corpus.samples(by_id[name]) for name in pair.reference_ids])
        assert np.array_equal(pair.reference, expected)


def test_combinations_of_sex_take_turns(pairs: list[Pair]) -> None:
    combinations = Counter((pair.source_sex, pair.target_sex) for pair in pairs)
    assert combinations == {(a, b): 6 for a in "fm" for b in "fm"}


def test_text_is_there_where_it_is_known(pairs: list[Pair]) -> None:
    for pair in pairs:
        assert (pair.text is not None) == (pair.source_corpus in ("volunteers", "learners"))
        assert (pair.ceiling_text is not None) == (pair.target_corpus == "learners")


def test_a_seed_is_a_choice(corpus: PackedCorpus) -> None:
    def names(seed: int) -> list[str]:
        return [pair.name for pair in select_pairs(corpus, 12, seed)]

    assert names(4) == names(4)
    assert names(4) != names(5)


def without(corpus: PackedCorpus, drop: Callable[[Utterance], bool]) -> PackedCorpus:
    smaller = PackedCorpus(corpus.folder)
    smaller.utterances = [one for one in corpus.utterances if not drop(one)]
    return smaller


def test_a_corpus_without_men_is_refused(corpus: PackedCorpus) -> None:
    with pytest.raises(EvaluationError, match="sex m"):
        select_pairs(without(corpus, lambda one: one.sex == "m"), 4)


def test_a_corpus_of_synthetic_speakers_is_refused_and_the_way_out_named(corpus: PackedCorpus) -> None:
    synthetic = without(corpus, lambda one: one.corpus != "kokoro")
    with pytest.raises(EvaluationError, match=r"no held-out English real sources.*--pairs 0 --pairs-synthetic 24"):
        select_pairs(synthetic, 4)
    assert len(select_pairs(synthetic, 4, synthetic=True)) == 4
    with pytest.raises(EvaluationError, match="no held-out English synthetic sources"):
        select_pairs(without(corpus, lambda one: one.corpus == "kokoro"), 4, synthetic=True)


def test_no_pairs_are_refused(corpus: PackedCorpus) -> None:
    for select in (select_pairs, select_own_voice_pairs):
        with pytest.raises(EvaluationError, match="at least 1"):
            select(corpus, 0)


class TestOwnVoice:
    def test_everybody_is_converted_to_their_own_voice(self, corpus: PackedCorpus) -> None:
        pairs = select_own_voice_pairs(corpus, 20)
        assert all(pair.own_voice and pair.source_speaker == pair.target_speaker for pair in pairs)
        assert Counter(pair.source_sex for pair in pairs) == {"f": 10, "m": 10}
        assert len({pair.source_speaker for pair in pairs}) == 20
        assert [pair.name for pair in pairs] == [pair.name for pair in select_own_voice_pairs(corpus, 20)]

    def test_other_recordings_are_the_reference_where_there_are_some(self, corpus: PackedCorpus) -> None:
        for pair in select_own_voice_pairs(corpus, 20):
            several = pair.source_corpus in ("learners", "prompts")
            assert (pair.source_id in pair.reference_ids) != several
            assert (pair.ceiling is not None) == several
            if not several:
                assert np.array_equal(pair.reference, pair.source)

    def test_a_little_more_of_a_person_is_a_reference_but_no_ceiling(self, corpus: PackedCorpus) -> None:
        own = [one for one in corpus.utterances if one.speaker == "learners-f0"]
        source, *others = sorted(own, key=lambda one: one.length)
        rng = np.random.default_rng(0)
        assert choose_own(source, [], rng).references == (Piece(source),)
        other = next(one for one in others if one.length > 3 * 16_000)
        some = choose_own(source, [source, other], rng)
        assert (some.references, some.ceiling) == ((Piece(other),), ())


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("kokoro-af_a", "kokoro-af_a", True),
        ("kokoro-af_a", "kokoro-af_b", False),
        ("kokoro-af_a+am_c", "kokoro-af_a", True),
        ("kokoro-af_a__am_c", "kokoro-am_c+bm_d", True),
        ("prompts-en", "prompts-en", True),
        ("prompts-en", "prompts-it", False),
        ("asterisk-es", "asterisk-en", True),
        ("asterisk-es", "asterisk-it", False),
    ],
)
def test_who_shares_a_voice(first: str, second: str, expected: bool) -> None:
    assert related(first, second) is expected


def make_preset(name: str, source: str, sex: str = "unknown") -> Preset:
    latent = np.arange(64, dtype=np.float32) / 64
    return Preset(name=name, latent=latent, log_f0_mean=5.0, log_f0_std=0.2, model="0" * 16, source=source, sex=sex)


class TestPresets:
    def test_pairs_name_the_preset_and_hear_its_speaker(self, corpus: PackedCorpus) -> None:
        presets = [
            make_preset("rosa", "kokoro-af_trained of the Kokoro corpus"),
            make_preset("hugo", "speaker kokoro-am_three", "m"),
            make_preset("nobody", "somebody's own recordings"),
        ]
        pairs = select_preset_pairs(corpus, presets, 8)
        assert {(pair.preset, pair.target_speaker) for pair in pairs} == {
            ("rosa", "kokoro-af_trained"),
            ("hugo", "kokoro-am_three"),
        }
        assert not any(related(pair.source_speaker, pair.target_speaker) for pair in pairs)
        assert not any(is_synthetic(pair.source_corpus) for pair in pairs), "the sources are real people"
        assert len({pair.source_speaker for pair in pairs}) == 8

    def test_presets_of_unknown_people_are_refused(self, corpus: PackedCorpus) -> None:
        with pytest.raises(EvaluationError, match="source field"):
            select_preset_pairs(corpus, [make_preset("nobody", "")], 4)

    def test_a_blend_is_not_taken_for_its_half(self) -> None:
        speakers = ["kokoro-af_one", "kokoro-af_one+af_two", "kokoro-af_on"]
        assert speaker_of(make_preset("x", "kokoro-af_one+af_two"), speakers) == "kokoro-af_one+af_two"
        assert speaker_of(make_preset("x", "corpus: kokoro-af_one."), speakers) == "kokoro-af_one"
        assert speaker_of(make_preset("x", "kokoro-af_ones"), speakers) is None
