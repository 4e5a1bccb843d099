"""f0 tracks of known tones, and how they are compared."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from streamvc.training.evaluation.pairs import Wave
from streamvc.training.evaluation.pitch import PitchMatch, compare_tracks, pitch_distance, track

MakeBuzz = Callable[[np.ndarray], Wave]


def contour(frames: int = 100) -> np.ndarray:
    return 150 + 20 * np.sin(np.arange(frames) / 7)


class TestCompare:
    def test_a_track_follows_itself(self) -> None:
        match = compare_tracks(contour(), contour())
        assert match.correlation == pytest.approx(1.0)
        assert match.voicing_agreement == 1.0

    def test_transposing_changes_nothing(self) -> None:
        assert compare_tracks(contour(), 1.7 * contour()).correlation == pytest.approx(1.0)

    def test_an_inverted_contour_is_the_opposite(self) -> None:
        assert compare_tracks(contour(), 300 - contour()).correlation == pytest.approx(-1.0)

    def test_the_value_is_pearsons(self) -> None:
        rng = np.random.default_rng(0)
        a, b = rng.uniform(100, 200, 60), rng.uniform(100, 200, 60)
        assert compare_tracks(a, b).correlation == pytest.approx(np.corrcoef(a, b)[0, 1])

    def test_only_frames_voiced_in_both_count(self) -> None:
        a, b = contour(), contour()
        a[:10], b[40:60] = 0, 0
        match = compare_tracks(a, b)
        assert match.correlation == pytest.approx(1.0)
        assert match.voicing_agreement == pytest.approx(0.7)

    def test_a_monotone_follows_nothing(self) -> None:
        assert compare_tracks(contour(), np.full(100, 150.0)).correlation == 0.0

    def test_a_conversion_without_voice_scores_zero(self) -> None:
        assert compare_tracks(contour(), np.zeros(100)) == PitchMatch(0.0, 0.0)

    def test_a_source_without_voice_cannot_be_followed(self) -> None:
        assert compare_tracks(np.zeros(100), contour()).correlation is None

    def test_the_longer_track_is_cut(self) -> None:
        assert compare_tracks(contour(), contour(104)).correlation == pytest.approx(1.0)

    def test_no_frames(self) -> None:
        assert compare_tracks(np.zeros(0), np.zeros(0)) == PitchMatch(None, None)
        assert compare_tracks(contour(), np.zeros(0)) == PitchMatch(0.0, None)

    def test_distance_in_semitones(self) -> None:
        octave = pitch_distance(np.full(50, 110.0), np.full(50, 220.0))
        fifth = pitch_distance(np.full(50, 330.0), np.full(50, 220.0))
        assert octave == pytest.approx(12.0)
        assert fifth == pytest.approx(7.02, abs=0.01)
        assert pitch_distance(np.zeros(50), np.full(50, 220.0)) is None


class TestTrack:
    @pytest.fixture(autouse=True)
    def _packages(self, needs: Callable[..., None]) -> None:
        needs("parselmouth")

    @pytest.mark.parametrize("hz", [80.0, 150.0, 320.0])
    def test_a_steady_tone_is_found(self, make_buzz: MakeBuzz, hz: float) -> None:
        f0 = track(make_buzz(np.full(16_000, hz)))
        assert f0.size == pytest.approx(100, abs=8)
        assert np.median(f0) == pytest.approx(hz, rel=0.005)
        assert (f0 > 0).mean() > 0.95

    def test_pauses_are_unvoiced_and_the_glide_is_followed(self, make_buzz: MakeBuzz, glide: np.ndarray) -> None:
        f0 = track(make_buzz(glide))
        truth = glide[(np.arange(f0.size) * 160 + (glide.size - 160 * (f0.size - 1)) // 2)]
        # Frames at the edges of the pause see both sides.
        assert ((f0 > 0) == (truth > 0)).mean() > 0.93
        both = (f0 > 0) & (truth > 0)
        assert np.abs(f0[both] / truth[both] - 1).mean() < 0.01

    def test_correlation_of_waves_at_zero_lag(self, make_buzz: MakeBuzz, glide: np.ndarray) -> None:
        source = track(make_buzz(glide))
        match = compare_tracks(source, track(make_buzz(1.5 * glide)))
        assert match.correlation is not None
        assert match.correlation > 0.99
        late = np.roll(glide, 3_200)
        shifted = compare_tracks(source, track(make_buzz(late)))
        assert shifted.correlation is not None
        assert shifted.correlation < 0.5, "an output that is 0.2 s late must not pass as aligned"

    def test_noise_and_silence_are_unvoiced(self) -> None:
        noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
        assert (track(noise) > 0).mean() < 0.2
        assert not (track(np.zeros(16_000, np.float32)) > 0).any()

    def test_a_wave_too_short_for_a_period_has_no_frames(self) -> None:
        assert track(np.zeros(100, np.float32)).size == 0
