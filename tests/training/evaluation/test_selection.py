"""Which pairs are drawn: never a person to themselves, both sexes, enough material, nothing that was trained on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from streamvc.errors import EvaluationError
from streamvc.presets.format import Preset
from streamvc.training.data import PackedCorpus
from streamvc.training.evaluation.pairs import Pair
from streamvc.training.evaluation.selection import related, select_pairs, select_preset_pairs, speaker_of


@pytest.fixture(scope="module")
def corpus(corpus_folder: Path) -> PackedCorpus:
    return PackedCorpus(corpus_folder)


@pytest.fixture(scope="module", params=[0, 1, 2])
def pairs(request: pytest.FixtureRequest, corpus: PackedCorpus) -> list[Pair]:
    return select_pairs(corpus, 24, seed=request.param)


def test_as_many_as_asked_for(corpus: PackedCorpus) -> None:
    assert [len(select_pairs(corpus, count)) for count in (1, 5, 24)] == [1, 5, 24]


def test_source_and_target_never_share_a_voice(pairs: list[Pair]) -> None:
    assert not any(related(pair.source_speaker, pair.target_speaker) for pair in pairs)


def test_nobody_was_trained_on(pairs: list[Pair]) -> None:
    assert all("trained" not in pair.source_speaker + pair.target_speaker for pair in pairs)


def test_sources_are_english_and_of_3_to_8_seconds(pairs: list[Pair]) -> None:
    assert all(3 * 16_000 <= pair.source.size <= 8 * 16_000 for pair in pairs)
    assert {pair.source_speaker for pair in pairs}.isdisjoint({"prompts-it", "stamps-ro"})


def test_references_and_ceiling_are_long_enough_and_apart(pairs: list[Pair]) -> None:
    for pair in pairs:
        assert 5 * 16_000 <= pair.reference.size <= 10 * 16_000
        assert pair.ceiling is not None
        assert 3 * 16_000 <= pair.ceiling.size <= 8 * 16_000
        used = [pair.source_id, *pair.reference_ids, *pair.ceiling_ids]
        assert len(set(used)) == len(used)
        assert all(name.startswith(pair.target_speaker + "/") for name in (*pair.reference_ids, *pair.ceiling_ids))


def test_waves_are_those_of_the_corpus(corpus: PackedCorpus, pairs: list[Pair]) -> None:
    by_id = {one.id: one for one in corpus.utterances}
    for pair in pairs[:4]:
        assert np.array_equal(pair.source, corpus.samples(by_id[pair.source_id]))
        expected = np.concatenate([corpus.samples(by_id[name]) for name in pair.reference_ids])
        assert np.array_equal(pair.reference, expected)


def test_combinations_of_sex_take_turns(pairs: list[Pair]) -> None:
    combinations = Counter((pair.source_sex, pair.target_sex) for pair in pairs)
    assert combinations == {(a, b): 4 for a in "fm" for b in ("f", "m", None)}


def test_every_target_speaker_is_used(pairs: list[Pair]) -> None:
    assert len({pair.target_speaker for pair in pairs}) == 7
    assert {pair.target_corpus for pair in pairs} == {"kokoro", "prompts", "stamps"}


def test_text_is_there_where_it_is_known(pairs: list[Pair]) -> None:
    for pair in pairs:
        assert (pair.text is not None) == (pair.source_corpus == "kokoro")
        assert (pair.ceiling_text is not None) == (pair.target_corpus == "kokoro")


def test_a_seed_is_a_choice(corpus: PackedCorpus) -> None:
    def names(seed: int) -> list[str]:
        return [pair.name for pair in select_pairs(corpus, 12, seed)]

    assert names(4) == names(4)
    assert names(4) != names(5)


def test_a_corpus_without_men_is_refused(corpus: PackedCorpus) -> None:
    only_women = PackedCorpus(corpus.folder)
    only_women.utterances = [one for one in corpus.utterances if one.sex == "f"]
    with pytest.raises(EvaluationError, match="sex m"):
        select_pairs(only_women, 4)


def test_no_pairs_are_refused(corpus: PackedCorpus) -> None:
    with pytest.raises(EvaluationError, match="at least 1"):
        select_pairs(corpus, 0)


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

    def test_presets_of_unknown_people_are_refused(self, corpus: PackedCorpus) -> None:
        with pytest.raises(EvaluationError, match="source field"):
            select_preset_pairs(corpus, [make_preset("nobody", "")], 4)

    def test_a_blend_is_not_taken_for_its_half(self) -> None:
        speakers = ["kokoro-af_one", "kokoro-af_one+af_two", "kokoro-af_on"]
        assert speaker_of(make_preset("x", "kokoro-af_one+af_two"), speakers) == "kokoro-af_one+af_two"
        assert speaker_of(make_preset("x", "corpus: kokoro-af_one."), speakers) == "kokoro-af_one"
        assert speaker_of(make_preset("x", "kokoro-af_ones"), speakers) is None
