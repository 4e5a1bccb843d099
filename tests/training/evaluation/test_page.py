"""The listening page: complete, self-contained, the worst first, and safe whatever a name says."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from streamvc.errors import OutputError
from streamvc.training.evaluation.judges import Judges
from streamvc.training.evaluation.levels import measure_levels
from streamvc.training.evaluation.page import write_report
from streamvc.training.evaluation.pairs import Pair, Wave
from streamvc.training.evaluation.plots import pair_plot, spectrogram
from streamvc.training.evaluation.ranking import badness, weak
from streamvc.training.evaluation.runner import Judged, evaluate_waves
from streamvc.training.evaluation.scores import Scores
from streamvc.training.evaluation.sound import data_address
from streamvc.training.evaluation.speed import Speed

VOID = {"meta", "input", "br", "hr", "img", "link"}


class Reader(HTMLParser):
    """Checks that elements close in order, and gathers what the tests ask for."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.cards: list[str] = []
        self.rows: list[str] = []
        self.players: list[str] = []
        self.addresses: list[str] = []
        self.bad: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag not in VOID:
            self.open.append(tag)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag == "article":
            self.cards.append(str(given["id"]))
        if "data-card" in given:
            self.rows.append(str(given["data-card"]))
        if tag == "audio":
            self.players.append(str(given["src"]))
        self.addresses += [str(given[key]) for key in ("src", "href", "xlink:href") if given.get(key)]

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.bad.append(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    return reader


def samples(address: str) -> tuple[np.ndarray, int]:
    return soundfile.read(io.BytesIO(base64.b64decode(address.partition("base64,")[2])), dtype="float32")


@pytest.fixture
def waves(pair: Pair, make_buzz: Callable[[np.ndarray], Wave], glide: np.ndarray) -> list[Wave]:
    """A good conversion, and one that is silent."""
    return [make_buzz(1.9 * glide), np.zeros_like(pair.source)]


@pytest.fixture
def pairs(pair: Pair) -> list[Pair]:
    return [pair, replace(pair, source_id="<b>bad</b>&/2", source_sex="f", ceiling=None, target_speaker='"<i>')]


class TestPage:
    """A report of two pairs."""

    @pytest.fixture
    def page(self, pairs: list[Pair], waves: list[Wave], tmp_path: Path, needs: Callable[..., None]) -> Path:
        needs("parselmouth", "matplotlib")
        judges = Judges(["pitch"])
        evaluation = evaluate_waves(pairs, waves, judges=judges)
        latency = SimpleNamespace(samples=960, sample_rate=16_000, ms=60.0)
        speed = Speed("onnx", 10, 20.0, 3.1, 4.2, 0.16, 0.15, latency)  # type: ignore[arg-type]
        path = tmp_path / "report.html"
        path.write_text("an older report")
        write_report(path, evaluation, waves, judges, {"weights": "<w>", "judges": {"jiwer": "4"}}, speed)
        return path

    def test_it_is_well_formed_and_every_name_is_used_once(self, page: Path) -> None:
        reader = read(page)
        assert reader.bad == []
        assert reader.open == []
        assert len(set(reader.ids)) == len(reader.ids)
        assert set(re.findall(r'(?:url\(|href=")#([\w-]+)', page.read_text())) <= set(reader.ids)

    def test_it_needs_nothing_from_outside(self, page: Path) -> None:
        reader = read(page)
        assert reader.addresses
        assert all(address.startswith(("data:", "#")) for address in reader.addresses)
        assert "default-src 'none'" in page.read_text()
        assert not re.search(r"url\((?!#)|@import|fetch\(", page.read_text())

    def test_the_worst_pair_comes_first(self, page: Path) -> None:
        reader = read(page)
        assert reader.cards == ["pair-1", "pair-0"]
        assert reader.rows == ["pair-1", "pair-0"]

    def test_every_wave_can_be_played(self, page: Path, pairs: list[Pair], waves: list[Wave]) -> None:
        players = read(page).players
        assert len(players) == 7, "source, conversion and target of both, and one ceiling"
        for address, wave in ((players[3], pairs[0].source), (players[4], waves[0]), (players[5], pairs[0].reference)):
            heard, rate = samples(address)
            assert rate == 16_000
            assert heard.size == wave.size
            assert np.corrcoef(heard, wave)[0, 1] > 0.9

    def test_names_are_text_and_no_elements(self, page: Path) -> None:
        text = page.read_text()
        assert "<b>bad" not in text
        assert "<i>" not in text.replace("<i>nothing</i>", "")
        assert "<w>" not in text
        assert 'low 2 → "<i>' in "".join(read(page).text)

    def test_it_says_what_was_measured(self, page: Path) -> None:
        text = " ".join(read(page).text)
        for words in ("f0 PCC", "60 ms", "0.16", "source untouched", "converted", "real target"):
            assert words in text
        assert "target sex f" in text
        assert "jiwer 4" in text
        assert "WER" not in text.replace("ranks in WER", "")

    def test_the_same_results_make_the_same_page(
        self, page: Path, pairs: list[Pair], waves: list[Wave], tmp_path: Path
    ) -> None:
        texts = []
        for number in range(2):
            judges = Judges(["pitch"])
            path = tmp_path / f"{number}.html"
            write_report(path, evaluate_waves(pairs, waves, judges=judges), waves, judges, coding="flac")
            texts.append(path.read_text())
        assert texts[0] == texts[1]

    def test_it_is_written_whole_or_not_at_all(self, page: Path, pairs: list[Pair], waves: list[Wave]) -> None:
        assert [one.name for one in page.parent.iterdir()] == ["report.html"]
        judges = Judges(["pitch"])
        with pytest.raises(OutputError):
            write_report(page.parent / "no" / "r.html", evaluate_waves(pairs, waves, judges=judges), waves, judges)


class TestSound:
    """Waves as addresses."""

    def test_flac_is_exact_to_16_bits(self, pair: Pair) -> None:
        address = data_address(pair.source, "flac")
        assert address.startswith("data:audio/flac;base64,")
        assert np.abs(samples(address)[0] - pair.source).max() <= 1 / 32_768

    def test_opus_is_small(self, pair: Pair) -> None:
        address = data_address(np.tile(pair.source, 5))
        assert address.startswith("data:audio/ogg")
        assert len(address) < 5 * pair.source.size / 16_000 * 16_000, "less than 16 kB a second"

    @pytest.mark.parametrize("coding", ["opus", "flac"])
    def test_samples_that_are_too_large_or_no_numbers_do_no_harm(self, coding: str) -> None:
        wave = np.full(16_000, 3.0, dtype=np.float32)
        wave[:8_000] = np.nan
        heard, _ = samples(data_address(wave, coding))  # type: ignore[arg-type]
        assert np.isfinite(heard).all()
        assert np.abs(heard).max() < 1.5


class TestPlots:
    """The picture of a pair."""

    def test_a_tone_lies_in_its_band(self) -> None:
        time = np.arange(16_000) / 16_000
        picture = spectrogram(np.sin(2 * np.pi * 3_000 * time).astype(np.float32))
        assert picture.shape == (128, 67)
        # At the ends the window is half outside of the wave.
        assert set(picture[:, 2:-2].argmax(axis=0)) <= {47, 48}
        assert picture.max() == 0.0
        assert picture.min() == -70.0

    def test_silence_and_very_short_waves_have_a_picture(self) -> None:
        assert (spectrogram(np.zeros(16_000, dtype=np.float32)) == -70.0).all()
        assert spectrogram(np.ones(1, dtype=np.float32)).shape[1] == 1

    def test_the_colours_are_those_of_the_page(self, pair: Pair, needs: Callable[..., None]) -> None:
        needs("matplotlib")
        track = np.full(100, 120.0)
        svg = pair_plot(pair.source, pair.source, pair.reference, (track, 2 * track, None), "p")
        assert "var(--source)" in svg
        assert "var(--converted)" in svg
        assert "#0102" not in svg
        assert svg.count("<image") == 3
        assert 'width="' not in svg[: svg.index(">")]
        assert "<image" in pair_plot(pair.source, np.zeros(10, np.float32), pair.reference, None, "q")


def scored(pair: Pair, pcc: float | None, mos: float | None) -> Judged:
    levels = measure_levels(pair.source)
    return Judged(pair, None, False, Scores(levels, f0_pcc=pcc, mos=mos), Scores(levels), None)


class TestRanking:
    """Worst first."""

    def test_it_is_the_mean_of_ranks(self, pair: Pair) -> None:
        judged = [scored(pair, 0.9, 4.0), scored(pair, 0.5, 2.0), scored(pair, 0.7, 1.0)]
        assert badness(judged) == pytest.approx([0.0, 0.75, 0.75])

    def test_equal_values_share_a_rank_and_missing_ones_do_not_count(self, pair: Pair) -> None:
        judged = [scored(pair, 0.5, None), scored(pair, 0.5, None), scored(pair, 0.9, 1.0), scored(pair, None, 5.0)]
        assert badness(judged) == pytest.approx([0.75, 0.75, 0.5, 0.0])
        assert badness([scored(pair, None, None)]) == [0.0]

    def test_the_worst_quarter_is_marked(self, pair: Pair) -> None:
        judged = [scored(pair, value, None) for value in (0.9, 0.8, 0.7, 0.1)]
        assert [("f0_pcc" in one) for one in weak(judged)] == [False, False, False, True]
        assert not any("f0_pcc" in one for one in weak([scored(pair, 0.9, None)] * 8)), "all the same: none is worse"
