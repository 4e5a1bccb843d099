"""What people type and name: paths, consoles, pipes, endings, channels, chains, and files that are left out."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from streamvc import fault
from streamvc.errors import AudioError

RATE = 16_000
NAMES = ["häßlich", "漢字", "имя", "\udcff\udcfe", "emoji-\U0001f600"]


@pytest.fixture
def speech(folder, write_speech):
    return write_speech(folder / "in.wav")


def printed(result):
    return result.out + result.err


class TestConsoles:
    """Nothing that is printed can fail, whatever the encoding and whatever the name."""

    @pytest.fixture
    def run(self, start, folder):
        def call(*arguments, encoding):
            environment = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
            process = start(*arguments, cwd=folder, env=environment, encoding=encoding, errors="replace")
            out, err = process.communicate(timeout=300)
            return process.returncode, out, err

        return call

    @pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
    def test_names_in_any_writing(self, run, folder, model, write_speech, encoding):
        made = 0
        for name in NAMES:
            try:
                write_speech(folder / "plain.wav").rename(folder / f"{name}.wav")
            except OSError:
                continue  # a file system that takes UTF-8 only
            made += 1
        os.makedirs(folder / "in")
        for path in folder.glob("*.wav"):
            path.rename(folder / "in" / path.name)
        code, out, err = run("render", "in", *model.options, "-o", "out", encoding=encoding)
        assert (code, err) == (0, "")
        assert f"{made} of {made} files rendered" in out
        assert len(list((folder / "out").iterdir())) == made

    @pytest.mark.parametrize("encoding", ["cp437", "ascii", "cp1252", "utf-8"])
    def test_the_list_of_voices(self, run, encoding):
        code, out, err = run("preset", "list", encoding=encoding)
        assert (code, err) == (0, "")
        assert "alice" in out
        code, out, err = run("preset", "list", "--json", encoding=encoding)
        assert code == 0
        assert "alice" in [entry["name"] for entry in json.loads(out)]

    def test_an_error_about_such_a_name(self, run):
        code, _, err = run("render", "漢字.wav", "-p", "alice", encoding="cp1252")
        assert (code, err) == (4, "Error: There is no file \\u6f22\\u5b57.wav: check the path.\n")


class TestPaths:
    """An input is never the output, and a slash means a folder."""

    @pytest.mark.parametrize(
        "output",
        [
            "in.wav",
            "./in.wav",
            "missing/../in.wav",
            "a/b/../../in.wav",
            "link.wav",
            "way/in.wav",
            "way/no/../in.wav",
            "hard.wav",
        ],
    )
    def test_no_way_leads_to_overwriting_the_input(self, svc, folder, model, speech, output):
        (folder / "link.wav").symlink_to("in.wav")
        (folder / "way").symlink_to(".")
        os.link("in.wav", "hard.wav")
        before = speech.read_bytes()
        result = svc("render", "in.wav", *model.options, "-o", output, "--overwrite")
        assert result.code == 11
        assert "is the input itself" in result.err
        assert speech.read_bytes() == before
        assert sorted(os.listdir(folder)) == ["hard.wav", "in.wav", "link.wav", "way"]

    def test_nor_do_maps_chains_recordings_and_voices(self, svc, folder, model, speech):
        (folder / "map.toml").write_text('schema = 1\n[[bind]]\nprogram = 0\nparameter = "mix"\nvalue = 1\n')
        (folder / "a.mid").write_bytes(bytes.fromhex("4d546864000000060000000101e04d54726b0000000400ff2f00"))
        own = ["--midi", "a.mid", "--map", "map.toml", "--overwrite", "--format", "wav"]
        for output in ("a.mid", "x/../map.toml", model.preset):
            result = svc("render", "in.wav", *model.options, *own, "-o", output)
            assert (result.code, "is the input itself" in result.err) == (11, True), printed(result)
        result = svc("convert", "-s", "in.wav", "-t", "in.wav", "-o", "no/../in.wav", "--overwrite")
        assert (result.code, "is the input itself" in result.err) == (11, True)
        result = svc("preset", "create", "new", "--from", "in.wav", "-o", "in.wav", "--overwrite")
        assert (result.code, "is the input itself" in result.err) == (11, True)

    def test_one_input_is_not_the_output_of_another(self, svc, folder, model, write_speech):
        write_speech(folder / "a.wav")
        write_speech(folder / "sub" / "a.wav")
        before = (folder / "a.wav").read_bytes()
        result = svc("render", "sub/a.wav", "a.wav", *model.options, "-o", ".", "--overwrite")
        assert result.code in (7, 11)
        assert (folder / "a.wav").read_bytes() == before

    @pytest.mark.parametrize("output", ["new/", "new/deep/", "new//"])
    def test_a_slash_at_the_end_makes_a_folder(self, svc, folder, model, speech, output):
        assert svc("render", "in.wav", *model.options, "-o", output).code == 0
        assert (folder / output / "in.wav").is_file()

    def test_a_folder_that_is_left_again_is_not_made(self, svc, folder, model, speech):
        assert svc("render", "in.wav", *model.options, "-o", "missing/../out.wav").code == 0
        assert sorted(os.listdir(folder)) == ["in.wav", "out.wav"]

    def test_a_name_against_the_format_is_asked_about(self, svc, folder, model, speech, monkeypatch):
        result = svc("render", "in.wav", *model.options, "-o", "out.mp3", "--format", "wav")
        assert result.code == 2
        assert "named as mp3, and --format says wav" in result.err
        assert not (folder / "out.mp3").exists()


class TestFolders:
    """What cannot be rendered takes nothing else along, and what is left out is named."""

    def test_a_damaged_telephony_file_costs_itself_alone(self, svc, folder, model, write_speech):
        write_speech(folder / "in" / "a.wav")
        write_speech(folder / "in" / "z.wav")
        head = bytes.fromhex("524946462c10000057415645666d74201000000011000100f1f1f1f1f1f1f1f10004100064617461")
        head += (4096).to_bytes(4, "little")
        (folder / "in" / "b.wav").write_bytes(head + bytes(4096))
        (folder / "in" / "c.mp3").write_bytes(b"\xff\xfb\x90\x00" * 2000)
        for jobs in (1, 2):
            result = svc("render", "in", *model.options, "-o", f"out{jobs}", "--jobs", jobs)
            assert result.code == 4
            assert "2 of 4 files rendered" in result.out
            assert "in/b.wav has a damaged header" in result.err
            assert sorted(os.listdir(folder / f"out{jobs}")) == ["a.wav", "z.wav"]

    def test_what_is_left_out_is_named_with_its_reason(self, svc, folder, model, write_speech, monkeypatch):
        from streamvc.cli import plan

        monkeypatch.setattr(plan, "find_spec", lambda name: None)
        write_speech(folder / "in" / "a.wav")
        for name in ("song.m4a", "film.mp4", ".hidden.wav", "notes.txt"):
            (folder / "in" / name).write_bytes(b"x")
        (folder / "elsewhere").mkdir()
        (folder / "in" / "link").symlink_to(folder / "elsewhere")
        result = svc("render", "in", *model.options, "-o", "in/out")
        assert result.code == 0
        lines = sorted(line for line in result.err.splitlines() if line.startswith("Left out: "))
        assert [line.split()[2] for line in lines] == ["in/.hidden.wav", "in/film.mp4", "in/link", "in/song.m4a"]
        assert "pip install 'streamvc[formats]'" in lines[1]
        assert "notes" not in printed(result)

    def test_ogg_opus_is_rendered_in_a_folder(self, svc, folder, model):
        (folder / "in").mkdir()
        samples = 0.1 * np.sin(np.arange(48_000) * 0.03)
        soundfile.write(folder / "in" / "a.opus", samples, 48_000, format="OGG", subtype="OPUS")
        assert svc("render", "in", *model.options, "-o", "out").code == 0
        assert soundfile.info(folder / "out" / "a.wav").frames == 48_000


class TestPipes:
    """`-` is standard input and output."""

    def run(self, repository, folder, model, *arguments, data=b""):
        command = [sys.executable, "-m", "streamvc.cli.main", "render", *map(str, arguments), *model.options]
        environment = {**os.environ, "PYTHONPATH": str(repository)}
        return subprocess.run(command, input=data, capture_output=True, cwd=folder, env=environment, check=False)

    @pytest.mark.parametrize("size", [None, 0, 0xFFFF_FFFF])
    def test_from_a_pipe_into_a_pipe(self, repository, folder, model, speech, size):
        data = bytearray(speech.read_bytes())
        if size is not None:
            place = data.index(b"data") + 4
            data[4:8] = data[place : place + 4] = size.to_bytes(4, "little")
        done = self.run(repository, folder, model, "-", "-o", "-", data=bytes(data))
        assert done.returncode == 0, done.stderr
        heard, rate = soundfile.read(io.BytesIO(done.stdout))
        assert (len(heard), rate) == (round(0.4 * RATE), RATE)
        assert b"standard-output" in done.stderr
        assert os.listdir(folder) == ["in.wav"]

    def test_a_pipe_that_brings_nothing(self, repository, folder, model):
        done = self.run(repository, folder, model, "-", "-o", "out.wav")
        assert (done.returncode, done.stdout) == (4, b"")
        assert b"0 bytes" in done.stderr

    @pytest.mark.parametrize(
        "arguments",
        [
            ["-"],
            ["-", "in.wav", "-o", "out"],
            ["in.wav", "-o", "-", "--format", "mp3"],
            [".", "-o", "-"],
            ["-", "-o", "out.wav", "--cluster", "tcp://x:1"],
            ["in.wav", "-o", "-", "--cluster", "tcp://x:1"],
            ["in.wav", "-o", "-", "--resume"],
        ],
    )
    def test_what_pipes_cannot_do_is_said(self, svc, model, speech, arguments):
        result = svc("render", *arguments, *model.options)
        assert result.code == 2
        assert "Standard" in result.err


class TestParameters:
    """Render takes what the class takes."""

    def test_gains_gate_bypass_and_channel(self, svc, folder, model):
        time = np.arange(RATE) / RATE
        left, right = 0.3 * np.sin(2 * np.pi * 200 * time), 0.1 * np.sin(2 * np.pi * 300 * time)
        soundfile.write(folder / "in.wav", np.stack([left, right], axis=1), RATE, subtype="FLOAT")

        def render(*options):
            result = svc("render", "in.wav", *model.options, "-o", "out.wav", "--overwrite", *options)
            assert result.code == 0, result.err
            return soundfile.read(folder / "out.wav")[0]

        bypassed = render("--bypass")
        np.testing.assert_allclose(bypassed, np.stack([left, right], axis=1), atol=1e-6)
        np.testing.assert_allclose(render("--bypass", "--channel", 2), np.stack([right, right], axis=1), atol=1e-6)
        assert not render("--gate", 0)[RATE // 4 :].any()
        louder = render("--input-gain", 6) / np.where(np.abs(render()) > 1e-4, render(), np.nan)
        assert np.nanmedian(louder) == pytest.approx(10 ** (6 / 20), rel=0.2)

    def test_a_channel_that_is_not_there(self, svc, model, speech):
        result = svc("render", "in.wav", *model.options, "-o", "out.wav", "--channel", 2)
        assert result.code == 4
        assert "has no channel 2: choose one from 1 to 1" in result.err

    @pytest.mark.parametrize(("right", "said"), [(-1.0, True), (-0.9, True), (0.0, False), (1.0, False)])
    def test_channels_that_cancel_each_other_are_told(self, svc, folder, model, right, said):
        tone = 0.3 * np.sin(np.arange(RATE) * 0.1)
        soundfile.write(folder / "in.wav", np.stack([tone, right * tone], axis=1), RATE)
        result = svc("render", "in.wav", *model.options, "-o", "out.wav")
        assert ("cancel each other" in result.err, "--channel 1" in result.err) == (said, said)

    def test_a_chain_renders_files(self, svc, folder, speech):
        (folder / "chain.toml").write_text(
            '[[effect]]\ntype = "VoiceConverter"\npreset = "alice"\n\n[[effect]]\ntype = "Gain"\ngain_db = -6.0\n'
        )
        common = ["--bit-depth", "32f", "--overwrite"]
        assert svc("render", "in.wav", "-p", "alice", "-o", "plain.wav", *common).code == 0
        result = svc("render", "in.wav", "--chain", "chain.toml", "-o", "chained.wav", *common)
        assert result.code == 0, result.err
        plain, chained = (soundfile.read(folder / f"{name}.wav")[0] for name in ("plain", "chained"))
        assert plain.shape == chained.shape
        np.testing.assert_allclose(chained, plain * 10 ** (-6 / 20), atol=1e-4)
        result = svc("render", "in.wav", "--chain", "chain.toml", "--bypass", "-o", "chained.wav", *common)
        source = soundfile.read(speech)[0]
        np.testing.assert_allclose(soundfile.read(folder / "chained.wav")[0], source * 10 ** (-6 / 20), atol=1e-4)

    def test_a_chain_without_a_voice_takes_no_parameters_of_one(self, svc, folder, speech):
        (folder / "chain.toml").write_text('[[effect]]\ntype = "Gain"\ngain_db = -6.0\n')
        assert svc("render", "in.wav", "--chain", "chain.toml", "-o", "out.wav").code == 0
        result = svc("render", "in.wav", "--chain", "chain.toml", "--pitch", 3, "-o", "more.wav")
        assert result.code == 2
        assert "no voice" in result.err

    @pytest.mark.parametrize("command", ["render", "live", "jack"])
    def test_every_parameter_of_the_class_is_an_option(self, svc, command):
        words = svc(command, "--help").out
        for option in ("pitch", "formant", "intonation", "source-pitch", "mix", "input-gain", "gain", "gate", "bypass"):
            assert f"--{option}" in words
        assert "--crossfade" in words
        assert "--chain" in words

    def test_convert_speaks_of_no_presets(self, svc):
        assert "default: the preset" not in svc("convert", "--help").out
        assert "32f" in svc("render", "--help").out


class TestFaults:
    """Our own faults are told from the user's."""

    @pytest.fixture(autouse=True)
    def place(self, tmp_path, monkeypatch):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        monkeypatch.delenv("SVC_DEBUG", raising=False)
        return tmp_path

    def test_a_log_is_left_and_the_place_to_report_is_named(self, place):
        try:
            raise ZeroDivisionError("division by zero\nsecond line")
        except ZeroDivisionError as error:
            sentence = fault.describe_fault(error)
        (log,) = place.glob("streamvc-fault-*.log")
        assert str(log) in sentence
        assert fault.REPORT_TO in sentence
        assert "\n" not in sentence
        text = log.read_text()
        assert "Traceback" in text
        assert "test_feeding.py" in text

    def test_a_fault_in_one_file_leaves_the_others(self, svc, folder, model, write_speech, monkeypatch):
        from streamvc.plugin import render

        for name in ("a", "b", "c"):
            write_speech(folder / "in" / f"{name}.wav")
        whole = render.render_file

        def failing(source, *rest):
            if source.stem == "b":
                raise ZeroDivisionError("division by zero")
            return whole(source, *rest)

        monkeypatch.setattr(render, "render_file", failing)
        result = svc("render", "in", *model.options, "-o", "out")
        assert result.code == 1
        assert "2 of 3 files rendered" in result.out
        assert "unexpected ZeroDivisionError" in result.err

    def test_a_users_error_leaves_none(self, svc, folder, place):
        assert svc("render", "gone.wav", "-p", "alice").code == AudioError.exit_code
        assert not list(place.glob("streamvc-fault-*"))
