"""`--resume`: what is done is known by content and settings, and by nothing else."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from streamvc.cli.record import Record
from streamvc.latency import LatencyReport
from streamvc.plugin.render import RenderReport
from streamvc.presets.format import Preset
from tests.dask_cluster import wait_for


@pytest.fixture
def recordings(folder, write_speech):
    for number, name in enumerate(("a.wav", "b.wav", "deep/c.flac")):
        write_speech(folder / "in" / name, 0.2 + 0.1 * number)
    return folder / "in"


@pytest.fixture
def render(svc, model):
    """Render the folder; returns the outcome of each file, in words."""

    def run(*options, code=0):
        result = svc("render", "in", *model.options, "-o", "out", "--json", *options)
        assert result.code == code, result.err
        reports = map(json.loads, result.out.splitlines())
        return {
            report["output"]: report["error"] if not report["ok"] else "skipped" if report["skipped"] else "rendered"
            for report in reports
        }

    return run


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


ALL = ("out/a.wav", "out/b.wav", "out/deep/c.flac")


@pytest.mark.parametrize("options", [[], ["--jobs", "2"]], ids=["here", "jobs"])
def test_what_is_done_is_skipped(render, recordings, folder, options):
    assert render("--resume", *options) == dict.fromkeys(ALL, "rendered")
    before = {name: os.stat(folder / name).st_mtime_ns for name in ALL}
    assert render("--resume", *options) == dict.fromkeys(ALL, "skipped")
    assert {name: os.stat(folder / name).st_mtime_ns for name in ALL} == before


def test_outputs_are_those_of_a_plain_run(render, recordings, folder):
    render("--resume")
    resumed = {name: data for name, data in contents(folder / "out").items() if ".streamvc" not in name}
    (folder / "out").rename(folder / "first")
    assert render() == dict.fromkeys(ALL, "rendered")
    assert contents(folder / "out") == resumed


def test_a_missing_output_is_made_again(render, recordings, folder):
    render("--resume")
    (folder / "out" / "b.wav").unlink()
    assert render("--resume") == {**dict.fromkeys(ALL, "skipped"), "out/b.wav": "rendered"}


def test_the_same_name_with_another_content_is_not_done(render, recordings, folder, write_speech):
    render("--resume")
    write_speech(recordings / "a.wav", 0.5)
    found = render("--resume", code=11)
    assert found.pop("out/a.wav").startswith("out/a.wav is there already, of another input or with other settings")
    assert set(found.values()) == {"skipped"}
    assert render("--resume", "--overwrite") == {**dict.fromkeys(ALL, "skipped"), "out/a.wav": "rendered"}


def test_another_name_with_the_same_content_is_done(render, recordings, folder):
    # A copy, or the same file with another time, is the same recording.
    render("--resume")
    os.utime(recordings / "a.wav", (1, 1))
    assert set(render("--resume").values()) == {"skipped"}


@pytest.mark.parametrize("option", [["--pitch", "3"], ["--bit-depth", "24"], ["--mix", "0.5"], ["--keep-latency"]])
def test_other_settings_are_not_done(render, recordings, option):
    render("--resume")
    assert all("with other settings" in error for error in render("--resume", *option, code=11).values())
    assert set(render("--resume", "--overwrite", *option).values()) == {"rendered"}
    assert set(render("--resume", *option).values()) == {"skipped"}


def test_another_voice_of_the_same_name_is_not_done(render, recordings, model, folder, svc):
    render("--resume")
    mine = Preset.load(model.preset)
    other = Preset(mine.name, np.roll(mine.latent, 1), mine.log_f0_mean, mine.log_f0_std, model=mine.model)
    other.save(folder / "other.npz")
    result = svc("render", "in", "-p", "other.npz", "--weights", model.weights, "-o", "out", "--resume")
    assert result.code == 11
    assert result.err.count("with other settings") == 3


def test_a_damaged_output_is_not_done(render, recordings, folder):
    render("--resume")
    path = folder / "out" / "a.wav"
    path.write_bytes(path.read_bytes()[:-1])
    assert "exists already" in render("--resume", code=11)["out/a.wav"]
    assert render("--resume", "--overwrite")["out/a.wav"] == "rendered"


def test_outputs_of_a_run_without_records_are_proved_by_rendering(render, recordings, folder):
    render()
    before = contents(folder / "out")
    assert set(render("--resume").values()) == {"rendered"}
    after = contents(folder / "out")
    assert {name: after[name] for name in before} == before
    assert set(render("--resume").values()) == {"skipped"}


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]", b'{"schema": 1}', b'{"schema": 99}'])
def test_a_damaged_record_is_none(render, recordings, folder, damage):
    render("--resume")
    (folder / "out" / ".streamvc" / "a.wav.json").write_bytes(damage)
    assert render("--resume") == {**dict.fromkeys(ALL, "skipped"), "out/a.wav": "rendered"}


@pytest.mark.parametrize("name", ["b.wav", "b" * 251 + ".wav"], ids=["short", "long"])
def test_a_record_has_the_whole_report(tmp_path, name):
    latency = LatencyReport(framing=320, look_ahead=640, sample_rate=16_000)
    report = RenderReport(
        Path("a"), Path("b"), 1.5, 16_000, 2, latency, 3, 1.25, 0.5, cancellation_db=20.0, notes=("odd", "cut off")
    )
    Record.of("source", "settings", "output", "run", report).save(tmp_path / name)
    record = Record.load(tmp_path / name)
    assert record is not None
    again = record.render_report(Path("a"), Path("b"))
    assert again == report
    assert dataclasses.asdict(again) == dataclasses.asdict(report)


def test_a_chain_is_known_by_what_it_is_made_of(svc, folder, recordings, write_speech):
    write_speech(folder / "room.wav")
    gain, room = "[[effect]]\ntype = 'Gain'\ngain_db = {}\n", (
        "[[effect]]\ntype = 'Convolution'\nimpulse_response_filename = 'room.wav'\n"
    )

    def render(*options):
        result = svc("render", "in", "--chain", "chain.toml", "-o", "out", "--resume", "--json", *options)
        reports = map(json.loads, result.out.splitlines())
        return result.code, {report["skipped"] if report["ok"] else report["error"][-50:] for report in reports}

    (folder / "chain.toml").write_text(gain.format(-6) + room)
    assert render() == (0, {False})
    (folder / "chain.toml").write_text("# The same.\n" + gain.format(-6) + room)
    assert render("--jobs", "2") == (0, {True})
    (folder / "chain.toml").write_text(gain.format(-7) + room)
    assert render()[0] == 11
    assert render("--overwrite") == (0, {False})
    write_speech(folder / "room.wav", 0.5)
    assert render()[0] == 11


def test_records_are_no_inputs(render, recordings, folder, svc, model):
    render("--resume")
    result = svc("render", "out", *model.options, "-o", "again", "--json")
    assert result.code == 0
    assert len(result.out.splitlines()) == 3


def test_an_output_onto_its_input(svc, model, folder, write_speech):
    write_speech(folder / "in.wav")
    before = (folder / "in.wav").read_bytes()
    result = svc("render", "in.wav", *model.options, "-o", "in.wav", "--overwrite", "--resume")
    assert result.code == 11
    assert "the input itself" in result.err
    assert (folder / "in.wav").read_bytes() == before


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupt_and_what_follows(start, svc, model, folder, write_speech, jobs):
    write_speech(folder / "in" / "a.wav")
    # Long enough not to be done before the interrupt comes.
    write_speech(folder / "in" / "long.wav", 1800.0, 8_000)
    arguments = ["render", "in", *model.options, "-o", "out", "--resume"]
    process = start(*arguments, "--jobs", jobs, cwd=folder, start_new_session=True)
    wait_for(
        lambda: process.poll() is not None
        or ((folder / "out" / "a.wav").exists() and list((folder / "out").glob(".*.part"))),
        "the second file",
    )
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=240)
    assert (process.returncode, err.strip()) == (130, "Interrupted: nothing unfinished was left behind.")
    assert sorted(contents(folder / "out")) == [".streamvc/a.wav.json", "a.wav"]
    assert list((folder / "out").glob(".*.part")) == []
    write_speech(folder / "in" / "long.wav", 0.3)
    result = svc(*arguments)
    assert result.code == 0
    assert "in/a.wav -> out/a.wav  0.4 s, done before\n" in result.out
    assert "1 of 2 files rendered, 1 were done before" in result.out
