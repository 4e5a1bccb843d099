from __future__ import annotations

import pytest

from streamvc.errors import ConfigError
from streamvc.latency import LatencyReport


def test_the_model_alone_takes_sixty_milliseconds():
    report = LatencyReport(framing=320, look_ahead=640)
    assert report.samples == 960
    assert report.ms == 60.0


def test_parts_add_up():
    report = LatencyReport(framing=960, look_ahead=1920, resample_in=64, resample_out=192, sample_rate=48_000)
    assert report.samples == 3136
    assert report.ms == pytest.approx(65.333, abs=1e-3)


def test_the_text_names_every_part():
    text = str(LatencyReport(960, 1920, 64, 192, 48_000))
    assert text == (
        "65.3 ms (20.0 frame + 40.0 look-ahead + 1.3 resampling in + 4.0 resampling out; 3136 samples at 48000 Hz)"
    )
    assert "resampling" not in str(LatencyReport(320, 640))


def test_conversion_to_another_rate_rounds_up():
    assert LatencyReport(320, 640).at(48_000) == LatencyReport(960, 1920, sample_rate=48_000)
    assert LatencyReport(320, 640).at(11_025) == LatencyReport(221, 441, sample_rate=11_025)


@pytest.mark.parametrize(
    "parts",
    [
        {"framing": -1},
        {"look_ahead": 1.5},
        {"resample_in": True},
        {"sample_rate": 0},
        {"sample_rate": -8_000},
    ],
)
def test_impossible_parts_are_refused(parts):
    with pytest.raises(ConfigError, match=next(iter(parts))):
        LatencyReport(**{"framing": 320, "look_ahead": 640, **parts})
