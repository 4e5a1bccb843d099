"""Noise in the sources, one's own voice, and targets that are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamvc.errors import AudioError, EvaluationError
from streamvc.training.evaluation.__main__ import main
from streamvc.training.evaluation.conditions import speech_level
from streamvc.training.evaluation.judges import Judges
from streamvc.training.evaluation.noise import noisy
from streamvc.training.evaluation.pairs import Pair, Wave
from streamvc.training.evaluation.refusals import SilentWhereRefused
from streamvc.training.evaluation.report import format_table, to_json
from streamvc.training.evaluation.runner import convert_all, evaluate, evaluate_waves


class Listener(Judges):
    """Understands by level alone: whoever is louder is misheard more. Needs no recogniser."""

    def __init__(self, heard: dict[str, str], measures: tuple[str, ...] = ("wer",)) -> None:
        super().__init__(measures)
        self.heard = heard

    def transcript(self, wave: Wave) -> str:
        peak = float(np.abs(wave).max())
        return self.heard["silent" if peak == 0 else "source" if peak < 0.31 else "noisy" if peak < 0.9 else "out"]

    def speaker(self, wave: Wave) -> np.ndarray:
        return np.array([1.0, float(np.abs(wave).max())], np.float32)


HEARD = {"source": "red green blue white", "noisy": "red green blue", "out": "red green", "silent": ""}


class TestNoise:
    def test_it_is_as_loud_as_asked_for_and_the_same_every_time(self, pair: Pair) -> None:
        for ratio in (0.0, 10.0, 30.0):
            (one,) = noisy([pair], ratio)
            assert one.heard is not None
            assert one.source is pair.source
            added = float(np.std(one.heard - pair.source))
            assert 20 * np.log10(speech_level(pair.source) / added) == pytest.approx(ratio, abs=0.1)
        again, other = noisy([pair], 10.0)[0], noisy([replace(pair, source_id="source/2")], 10.0)[0]
        assert np.array_equal(again.input, noisy([other, pair], 10.0)[1].input)
        assert not np.array_equal(again.input, other.input)
        assert not np.array_equal(again.input, noisy([pair], 10.0, seed=1)[0].input)

    @pytest.mark.parametrize("ratio", [float("nan"), -21.0, 61.0])
    def test_what_is_no_noise_is_refused(self, pair: Pair, ratio: float) -> None:
        with pytest.raises(EvaluationError, match="-20 to 60 dB below the speech"):
            noisy([pair], ratio)

    def test_the_conversion_hears_the_noise(self, pair: Pair) -> None:
        heard: list[Wave] = []

        def convert(source: Wave, target: Wave | str, /) -> Wave:
            heard.append(source)
            return source

        (one,) = noisy([pair], 10.0)
        evaluation = evaluate([one], convert, judges=Judges([]))
        assert np.array_equal(heard[0], one.input)
        assert evaluation.judged[0].floor.levels == evaluation.judged[0].converted.levels
        assert "source with noise" in format_table(evaluation)

    @pytest.mark.parametrize("text", ["Red, green, blue, white.", None], ids=["text", "transcript"])
    def test_words_are_counted_above_the_noisy_source_s_own(
        self, pair: Pair, needs: Callable[..., None], text: str | None
    ) -> None:
        """Against the text or the transcript of the clean source, of which the noisy one has lost a word already."""
        needs("jiwer", "whisper_normalizer")
        (one,) = noisy([replace(pair, text=text)], 0.0)
        quiet = 0.6 * one.input / np.abs(one.input).max()
        one = replace(one, heard=quiet.astype(np.float32))
        loud = (0.95 * one.input / np.abs(one.input).max()).astype(np.float32)
        result = evaluate_waves([one], [loud], judges=Listener(HEARD))
        judged = result.judged[0]
        assert judged.written == (text is not None)
        assert judged.floor.text_errors is not None
        assert judged.converted.text_errors is not None
        assert (judged.floor.text_errors.word_errors, judged.converted.text_errors.word_errors) == (1, 2)
        assert judged.converted.extra_word_errors == 1
        assert result.summaries()["converted"]["wer_above_source"].value == pytest.approx(0.25)

    def test_a_damaged_source_of_another_length_is_refused(self, pair: Pair) -> None:
        with pytest.raises(EvaluationError, match="make them equally long"):
            replace(pair, heard=pair.source[:-1])


class TestOwnVoice:
    def test_a_distance_to_the_source_means_nothing(self, pair: Pair, needs: Callable[..., None]) -> None:
        needs("jiwer", "whisper_normalizer")
        own = replace(pair, own_voice=True, references=(pair.source,), ceiling=None, ceiling_text=None)
        for wave in (pair.source, np.zeros_like(pair.source)):
            result = evaluate_waves([own], [wave], judges=Listener(HEARD, ("wer", "secs")))
            scores = result.judged[0].converted
            assert scores.secs_target is not None
            assert scores.secs_source is scores.closer_to_target is None
            assert "closer_to_target" not in to_json(result)["summary"]["converted"]
            assert "in its own voice" in format_table(result)


class TestRefusals:
    def test_a_refused_target_is_judged_as_silence_and_said(self, pair: Pair) -> None:
        def convert(source: Wave, target: Wave | str, /) -> Wave:
            if isinstance(target, str):
                raise AudioError("hardly any voiced speech: give more.")
            return source

        told: list[str] = []
        run = SilentWhereRefused(convert, told.append)
        waves = convert_all([pair, replace(pair, preset="rosa")], run)
        assert np.array_equal(waves[0], pair.source)
        assert waves[1].shape == pair.source.shape
        assert not waves[1].any()
        assert run.reasons == ["hardly any voiced speech: give more."]
        assert told == ["refused, judged as silence: hardly any voiced speech: give more."]
        summary = evaluate_waves([pair] * 2, waves, judges=Judges([])).summaries()
        assert summary["converted"]["unusable"].value == 0.5


class TestCommand:
    @pytest.fixture
    def run(self, corpus_folder: Path, tmp_path: Path, needs: Callable[..., None]) -> Callable[..., dict]:
        """`run(*arguments)`: the result of the command on the small corpus, without a conversion, pitch alone."""
        needs("parselmouth")

        def go(*arguments: str) -> dict:
            out = tmp_path / "out.json"
            given = ["--corpus", str(corpus_folder), "--measures", "pitch", "--identity", "--json", str(out)]
            assert main([*given, *arguments]) == 0
            return json.loads(out.read_text())  # type: ignore[no-any-return]

        return go

    def test_synthetic_speakers_stand_apart(
        self, run: Callable[..., dict], capsys: pytest.CaptureFixture[str]
    ) -> None:
        data = run("--pairs", "4", "--pairs-synthetic", "3")
        assert (data["pairs"], data["about"]["sources"]) == (4, "real")
        assert not any(item["source"].startswith("kokoro") for item in data["items"])
        assert data["synthetic"]["pairs"] == 3
        assert all(item["source"].startswith("kokoro") for item in data["synthetic"]["items"])
        shown = capsys.readouterr().out
        assert shown.index("synthetic speakers, apart from all numbers above") > shown.index("4 pairs")

    def test_other_processes_judge_alike(self, run: Callable[..., dict]) -> None:
        arguments = ("--pairs", "2", "--pairs-synthetic", "1", "--noise", "15")
        assert run(*arguments, "--jobs", "2") == run(*arguments)

    def test_synthetic_speakers_alone_are_called_that(
        self, run: Callable[..., dict], capsys: pytest.CaptureFixture[str]
    ) -> None:
        data = run("--pairs", "0", "--pairs-synthetic", "3")
        assert (data["pairs"], data["about"]["sources"], data["synthetic"]) == (3, "synthetic", None)
        assert capsys.readouterr().out.startswith("synthetic speakers only")

    def test_noise_and_own_voice(self, run: Callable[..., dict]) -> None:
        data = run("--pairs", "4", "--own-voice", "--noise", "15")
        assert (data["about"]["own_voice"], data["about"]["noise_db"], data["about"]["presets"]) == (True, 15.0, False)
        assert all(item["source_speaker"] == item["target_speaker"] for item in data["items"])
        assert data["about"]["refused"] == []
        assert run("--pairs", "2", "--noise")["about"]["noise_db"] == 10.0

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--list", "x", "--own-voice"], "--own-voice needs --corpus"),
            (["--corpus", "x", "--own-voice", "--presets"], "choose one"),
            (["--list", "x", "--pairs-synthetic", "2"], "--pairs-synthetic needs --corpus"),
            (["--corpus", "x", "--pairs-synthetic", "-2"], "at least 0"),
            (["--corpus", "x", "--robustness", "--noise"], "conditions of its own"),
        ],
    )
    def test_what_does_not_go_together(
        self, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
        assert said in capsys.readouterr().err
