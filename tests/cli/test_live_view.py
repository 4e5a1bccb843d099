"""Keys and views of a live session, with a real converter of the delay kind and a session that nobody feeds."""

from __future__ import annotations

import json

import numpy as np
import pytest

from streamvc.cli.keys import keyboard, split_keys
from streamvc.cli.live_controls import LiveControls
from streamvc.cli.live_view import JsonView, LineView, ScreenView, decibels
from streamvc.plugin.live.runner import LiveLatency, LiveStatus
from streamvc.plugin.live.statistics import Statistics
from streamvc.plugin.voice_converter import VoiceConverter
from streamvc.presets.format import Preset
from streamvc.runtimes import load_runtime


@pytest.fixture(scope="module")
def voices(model):
    rng = np.random.default_rng(0)
    names = [f"voice{number}" for number in range(1, 12)]
    latents = rng.standard_normal((len(names), 64)).astype(np.float32)
    return [
        Preset(name, latent, 5.0, 0.2, model=model.fingerprint) for name, latent in zip(names, latents, strict=True)
    ]


class Dry:
    """The part of a runner that keys reach."""

    monitor_db = None


@pytest.fixture
def controls(model, voices):
    converter = VoiceConverter(voices[0], runtime=load_runtime("onnx", model.weights))
    return LiveControls(converter, voices, Dry(), -6.0)


def press(controls, keys):
    for key in split_keys(keys):
        controls.press(key)
    return controls.converter


@pytest.mark.parametrize(
    ("keys", "voice"),
    [("3", 3), ("]", 2), ("]]]", 4), ("[", 11), ("[]", 1), ("9]]", 11), ("9]]]", 1), ("0", 1), ("x\x1b[C\t", 1)],
)
def test_keys_choose_voices(controls, keys, voice):
    assert press(controls, keys).preset.name == f"voice{voice}"
    assert controls.number == voice - 1
    assert controls.problem is None


def test_arrows_move_the_pitch_within_its_range(controls):
    assert press(controls, "\x1b[A\x1bOA\x1b[B\x1b[A").pitch_semitones == 2.0
    assert press(controls, "\x1b[A" * 30).pitch_semitones == 24.0
    assert press(controls, "\x1b[B" * 60).pitch_semitones == -24.0


def test_space_bypasses_m_adds_the_dry_voice_and_q_ends(controls):
    assert press(controls, " ").bypass
    assert not press(controls, " ").bypass
    press(controls, "m")
    assert controls._runner.monitor_db == -6.0
    press(controls, "m")
    assert controls._runner.monitor_db is None
    assert not controls.quit
    press(controls, "q")
    assert controls.quit


def test_a_key_that_is_refused_says_why(controls, voices):
    foreign = Preset("foreign", voices[0].latent, 5.0, 0.2, model="00000000000000ff")
    controls.voices[1] = foreign
    assert press(controls, "2").preset.name == "voice1"
    assert "model" in controls.problem
    press(controls, "3")
    assert controls.problem is None


def test_a_chain_without_a_voice_still_ends():
    controls = LiveControls(None, [], Dry(), 0.0)
    for key in "3] mq":
        controls.press(key)
    assert controls.quit
    assert controls.number is None


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        ("", []),
        ("a1 ", ["a", "1", " "]),
        ("\x1b[A\x1b[B", ["up", "down"]),
        ("\x1b[5~]", ["]"]),
        ("\x1b[1;5Cq", ["q"]),
        ("\x1b", []),
        ("\x1b[", []),
    ],
)
def test_what_a_terminal_sends_is_taken_apart(sent, keys):
    assert split_keys(sent) == keys


def test_without_a_terminal_there_are_no_keys(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with keyboard() as keys:
        assert keys.read(0.0) == []


@pytest.fixture
def status():
    return LiveStatus(
        running=True,
        problem=None,
        retry_seconds=0.0,
        latency=LiveLatency(device_in=20.0, queue=25.0, algorithm=65.3, device_out=20.0),
        nominal_queue_ms=30.0,
        load=0.25,
        statistics=Statistics(underruns=2, overruns=1, missing=960, cuts=3, cut=960, longest_seconds=0.0125),
        device_dropouts=4,
        device_losses=1,
    )


def lost(status):
    return LiveStatus(**{**vars(status), "running": False, "problem": "It is gone.", "retry_seconds": 1.5})


def test_a_line_says_it_all(capsys, controls, status):
    LineView().show(61.0, status, (0.5, 0.0), controls, ["recorded 60 s"])
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    for part in (
        "61 s",
        "voice1 (1 of 11), pitch +0",
        "in -6 dB, out -99 dB",
        "delay 130 ms = 20 device in + 25 queue (up to 30) + 65 voice + 20 device out",
        "load 25 %, drop-outs 3, cuts 3, device drop-outs 4",
        "recorded 60 s",
    ):
        assert part in line
    LineView().show(62.0, lost(status), (0.0, 0.0), controls, [])
    assert "It is gone. Trying again in 1.5 s." in capsys.readouterr().out


def test_a_json_line_holds_every_number(capsys, controls, status):
    JsonView(None).show(1.0, lost(status), (1.0, 0.1), controls, ["note"])
    facts = json.loads(capsys.readouterr().out)
    assert facts["latency_ms"]["total"] == 130.3
    assert facts["level_in_db"] == 0.0
    assert facts["level_out_db"] == -20.0
    assert facts["problem"] == "It is gone."
    assert facts["notes"] == ["note"]
    assert (facts["underruns"], facts["overruns"], facts["cuts"], facts["longest_ms"]) == (2, 1, 3, 12.5)
    assert facts["recorded_seconds"] is None


def test_the_screen_is_rewritten_in_place_and_never_wraps(capsys, monkeypatch, controls, status):
    monkeypatch.setenv("COLUMNS", "60")
    view = ScreenView()
    view.show(0.0, status, (0.5, 2.0), controls, [])
    first = capsys.readouterr().out
    view.show(0.1, lost(status), (0.5, 0.5), controls, ["x" * 200])
    second = capsys.readouterr().out
    assert not first.startswith("\x1b")
    assert second.startswith(f"\x1b[{first.count(chr(10))}A\r")
    assert second.count("\n") == first.count("\n")
    for line in (first + second.split("\r", 1)[1]).splitlines():
        assert len(line.removesuffix("\x1b[K")) < 60
    assert "BYPASS" not in first
    controls.press(" ")
    view.show(0.2, status, (0.0, 0.0), controls, [])
    assert "BYPASS" in capsys.readouterr().out


@pytest.mark.parametrize(("peak", "level"), [(1.0, 0.0), (0.1, -20.0), (0.0, -99.0), (1e-9, -99.0)])
def test_levels(peak, level):
    assert decibels(peak) == pytest.approx(level)
