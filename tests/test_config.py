"""Configurations: registered by name, written to JSON and back, and strict about what they do not know."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from streamvc.config import (
    FRAME,
    SAMPLE_RATE,
    LiveConfig,
    PaperConfig,
    WhiteningConfig,
    YinConfig,
    config_from_dict,
    config_to_dict,
    get_config,
)
from streamvc.errors import ConfigError

CHANGED = [
    LiveConfig(),
    PaperConfig(),
    LiveConfig(encoder_width=96, yin=YinConfig(thresholds=(0.1, 0.2)), whitening=WhiteningConfig(memory=10.0)),
    PaperConfig(strides=(4, 80), dilations=(1,)),
]


@pytest.mark.parametrize("name", ["live", "paper"])
def test_names_lead_to_configurations_that_know_their_name(name):
    assert get_config(name).name == name


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"named 'lives'; choose one of live, paper\.$"):
        get_config("lives")


@pytest.mark.parametrize("config", CHANGED)
def test_json_and_back(config):
    again = config_from_dict(json.loads(json.dumps(config_to_dict(config))))
    assert again == config
    assert hash(again) == hash(config)


def test_what_an_older_file_does_not_say_has_its_default():
    assert config_from_dict({"name": "live", "yin": {"hop": 80}}) == LiveConfig(yin=YinConfig(hop=80))


def test_what_is_no_longer_read_is_passed_over():
    assert config_from_dict({"name": "live", "yin": {"trusted": 0.4}}) == LiveConfig()


def test_the_paper_s_yin_is_as_published():
    yin = PaperConfig().yin
    assert not yin.by_depth
    assert (yin.floor, yin.quiet, yin.last_lag) == (1e-6, 0.0, yin.max_lag - 1)
    assert PaperConfig().whitening.reach == 0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "named 'None'"),
        ({"name": "live", "width": 3, "depth": 1}, r"unknown fields \(depth, width\)"),
        ({"name": "paper", "yin": {"hops": 3}}, r"unknown fields \(hops\)"),
        ({"name": "live", "encoder_width": "wide"}, "encoder_width must be int, not 'wide'"),
        ({"name": "live", "encoder_width": None}, "encoder_width must be int, not None"),
        ({"name": "live", "encoder_width": 2.5}, "encoder_width must be int, not 2.5"),
        ({"name": "live", "encoder_width": True}, "encoder_width must be int, not True"),
        ({"name": "live", "yin": {"by_depth": 1}}, "by_depth must be bool, not 1"),
        ({"name": "live", "yin": 3}, "yin must be a table, not 3"),
        ({"name": "paper", "strides": 320}, "strides must be a list of int, not 320"),
        ({"name": "paper", "strides": [320, "2"]}, r"strides must be a list of int, not \[320, '2'\]"),
    ],
)
def test_what_does_not_fit_is_refused(data, message):
    with pytest.raises(ConfigError, match=message):
        config_from_dict(data)


def test_a_whole_number_may_stand_for_a_float():
    config = config_from_dict({"name": "live", "whitening": {"memory": 3000}})
    assert config == LiveConfig()
    assert isinstance(config.whitening.memory, float)


@pytest.mark.parametrize("config", CHANGED)
def test_configurations_cannot_be_changed(config):
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.latent_dim = 3


@pytest.mark.parametrize("name", ["live", "paper"])
def test_pitch_is_searched_over_the_range_that_is_said(name):
    yin = get_config(name).yin
    assert yin.span == yin.window + yin.max_lag
    assert SAMPLE_RATE / yin.min_lag >= yin.max_hz
    assert yin.min_hz <= SAMPLE_RATE / yin.max_lag < yin.min_hz * 1.01
    assert yin.thresholds == (0.05, 0.10, 0.15)  # paper, section 2.4


def test_the_papers_strides_make_a_frame():
    assert math.prod(PaperConfig().strides) == FRAME == SAMPLE_RATE // 50
