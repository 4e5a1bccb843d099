from __future__ import annotations

import json
import os
import pickle
import pty
import resource
import signal
import sys
import time
import wave
from pathlib import Path

import numpy as np
import pytest
from pedalboard.io import AudioFile

from streamvc.presets.format import Preset


def shape(path):
    with AudioFile(str(path)) as file:
        return file.num_channels, file.frames, int(file.samplerate)


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_file_is_rendered(svc, model, folder, write_speech):
    write_speech(folder / "in.wav", 1.0)
    result = svc("render", "in.wav", *model.options, "-o", "out.wav")
    assert result.code == 0, result.err
    assert result.out.startswith("in.wav -> out.wav  1.0 s, ")
    assert result.out.endswith(" x real time\n")
    assert shape(folder / "out.wav") == (1, 16_000, 16_000)
    with AudioFile("out.wav") as file:
        assert np.abs(file.read(16_000)).max() > 1e-3


def test_without_an_output_the_result_stands_beside_the_input(svc, model, folder, write_speech):
    write_speech(folder / "speech.flac")
    assert svc("render", "speech.flac", *model.options).code == 0
    assert names(folder) == ["speech-someone.flac", "speech.flac"]


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 8), (11_025, 1), (44_100, 2), (48_000, 1), (192_000, 8)])
def test_rates_and_channel_counts_are_kept(svc, model, folder, write_speech, rate, channels):
    write_speech(folder / "in.wav", 0.3, rate, channels)
    assert svc("render", "in.wav", *model.options, "-o", "out.wav").code == 0
    assert shape(folder / "out.wav") == shape(folder / "in.wav") == (channels, round(0.3 * rate), rate)


def test_both_backends_say_the_same(svc, model, folder, write_speech):
    write_speech(folder / "in.wav")
    for backend in ("onnx", "torch"):
        result = svc(
            "render", "in.wav", *model.options, "-o", f"{backend}.wav", "--bit-depth", "32f", "--backend", backend
        )
        assert result.code == 0, result.err
    with AudioFile("onnx.wav") as one, AudioFile("torch.wav") as other:
        assert one.file_dtype == "float32"
        np.testing.assert_allclose(one.read(one.frames), other.read(other.frames), atol=1e-3)


def test_the_same_input_gives_the_same_output(svc, model, folder, write_speech):
    write_speech(folder / "in.wav")
    for name in ("a.wav", "b.wav"):
        svc("render", "in.wav", *model.options, "-o", name)
    assert (folder / "a.wav").read_bytes() == (folder / "b.wav").read_bytes()


@pytest.mark.parametrize(
    "option",
    [
        ["--pitch", "12"],
        ["--intonation", "0"],
        ["--source-pitch", "300"],
        ["--mix", "0.5"],
        ["--gain", "-20"],
        ["--keep-latency"],
    ],
    ids=lambda option: option[0],
)
def test_every_option_changes_the_sound(svc, model, folder, write_speech, option):
    write_speech(folder / "in.wav", 1.5)
    assert svc("render", "in.wav", *model.options, "-o", "plain.wav", "--bit-depth", "32f").code == 0
    result = svc("render", "in.wav", *model.options, "-o", "other.wav", "--bit-depth", "32f", *option)
    assert result.code == 0, result.err
    assert (folder / "plain.wav").read_bytes() != (folder / "other.wav").read_bytes()
    assert shape(folder / "plain.wav") == shape(folder / "other.wav")


def test_mix_zero_is_the_source(svc, model, folder, write_speech):
    write_speech(folder / "in.wav")
    assert svc("render", "in.wav", *model.options, "-o", "out.wav", "--mix", "0").code == 0
    with AudioFile("in.wav") as one, AudioFile("out.wav") as other:
        np.testing.assert_allclose(other.read(other.frames), one.read(one.frames), atol=1e-4)


def test_a_presets_own_gain_and_pitch_are_its_defaults(svc, model, folder, write_speech):
    write_speech(folder / "in.wav", 1.5)
    plain = Preset.load(model.preset)
    latent, mean, std = plain.latent, plain.log_f0_mean, plain.log_f0_std
    own = Preset("own", latent, mean, std, model=model.fingerprint, pitch=5.0, gain=-12.0)
    own.save("own.npz")
    weights = ["--weights", model.weights, "--bit-depth", "32f"]
    svc("render", "in.wav", "--preset", "own.npz", *weights, "-o", "default.wav")
    svc("render", "in.wav", "--preset", model.preset, *weights, "--pitch", "5", "--gain", "-12", "-o", "said.wav")
    svc("render", "in.wav", "--preset", "own.npz", *weights, "--pitch", "0", "--gain", "0", "-o", "against.wav")
    svc("render", "in.wav", "--preset", model.preset, *weights, "-o", "plain.wav")
    files = {path.stem: path.read_bytes() for path in folder.glob("*.wav")}
    assert files["default"] == files["said"] != files["plain"] == files["against"]


def test_format_and_bit_depth(svc, model, folder, write_speech):
    write_speech(folder / "in.wav")
    assert svc("render", "in.wav", *model.options, "--format", "flac", "--bit-depth", "24").code == 0
    with AudioFile("in-someone.flac") as file:
        assert file.file_dtype == "int24"


def test_samples_beyond_full_scale_are_reported(svc, model, folder, write_speech):
    write_speech(folder / "in.wav", 1.0)
    loud = ["--mix", "0", "--gain", "24"]
    result = svc("render", "in.wav", *model.options, "-o", "out.wav", *loud)
    assert result.code == 0
    assert "beyond full scale" in result.err
    # The advice has to help.
    decibels = float(result.err.split("lower --gain by ")[1].split()[0])
    result = svc("render", "in.wav", *model.options, "-o", "2.wav", "--mix", "0", "--gain", 24 - decibels)
    assert result.err == ""


class TestManyFiles:
    @pytest.fixture
    def recordings(self, folder, write_speech):
        write_speech(folder / "in" / "a.wav", 0.5)
        write_speech(folder / "in" / "b.flac", 0.3, 44_100, 2)
        write_speech(folder / "in" / "deep" / "c.ogg", 0.3, 22_050)
        return folder / "in"

    @pytest.mark.parametrize("jobs", [1, 2])
    def test_a_folder(self, svc, model, folder, recordings, jobs):
        result = svc("render", "in", *model.options, "-o", "out", "--jobs", jobs)
        assert result.code == 0, result.err
        assert names(folder / "out") == ["a.wav", "b.flac", "deep/c.ogg"]
        for name in names(folder / "out"):
            assert shape(folder / "out" / name) == shape(folder / "in" / name)
        assert result.out.splitlines()[-1].startswith("3 of 3 files rendered: 1.1 s of audio in ")

    @pytest.mark.parametrize("jobs", [1, 2])
    def test_the_others_are_rendered_when_one_fails(self, svc, model, folder, recordings, jobs):
        (recordings / "broken.wav").write_bytes(b"This is no audio. " * 9)
        result = svc("render", "in", "missing.wav", *model.options, "-o", "out", "--jobs", jobs, "--gain", "-20")
        assert result.code == 4
        assert names(folder / "out") == ["a.wav", "b.flac", "deep/c.ogg"]
        errors = sorted(result.err.splitlines())
        assert len(errors) == 2
        assert errors[0].startswith("Error: There is no file missing.wav")
        assert errors[1].startswith("Error: in/broken.wav is not audio")
        assert "3 of 5 files rendered" in result.out

    @pytest.mark.parametrize("jobs", [1, 2])
    def test_json(self, svc, model, folder, recordings, jobs):
        (recordings / "empty.wav").touch()
        result = svc("render", "in", *model.options, "-o", "out", "--jobs", jobs, "--json")
        assert result.code == 4
        reports = {report["input"]: report for report in map(json.loads, result.out.splitlines())}
        assert sorted(reports) == ["in/a.wav", "in/b.flac", "in/deep/c.ogg", "in/empty.wav"]
        empty = reports.pop("in/empty.wav")
        assert (empty["ok"], empty["exit_code"]) == (False, 4)
        assert "0 bytes" in empty["error"]
        assert all(report["ok"] for report in reports.values())
        stereo = reports["in/b.flac"]
        assert (stereo["sample_rate"], stereo["channels"], stereo["seconds"]) == (44_100, 2, 0.3)
        assert (stereo["latency_samples"], stereo["output"]) == (2887, "out/b.flac")
        assert stereo["x_realtime"] > 0


class TestBadInput:
    """Each ends in one sentence, the exit code of its kind, and a folder as it was before."""

    @pytest.fixture
    def refused(self, svc, model, folder, write_speech):
        def check(code, *words, arguments=(), preset=None, source="in.wav"):
            if not (folder / source).exists() and source == "in.wav":
                write_speech(folder / source)
            before = {name: (folder / name).read_bytes() for name in names(folder)}
            voice = model.options if preset is None else ["--preset", preset, "--weights", model.weights]
            result = svc("render", source, *voice, *(arguments or ["-o", "out.wav"]))
            assert result.code == code, result.err
            assert result.out == ""
            assert result.err.startswith("Error: ")
            assert result.err.count("\n") == 1
            assert "Traceback" not in result.err
            for word in words:
                assert word in result.err
            assert {name: (folder / name).read_bytes() for name in names(folder)} == before

        return check

    def test_missing(self, refused):
        refused(4, "no file missing.wav", source="missing.wav")

    def test_empty(self, refused, folder):
        (folder / "in.wav").touch()
        refused(4, "in.wav", "empty")

    @pytest.mark.parametrize("extension", ["wav", "flac", "aiff", "ogg", "mp3"])
    def test_truncated(self, refused, folder, write_speech, extension):
        path = write_speech(folder / f"cut.{extension}", 2.0)
        path.write_bytes(path.read_bytes()[:-2000])
        refused(4, f"cut.{extension}", "cut off", source=path.name)

    def test_no_audio(self, refused, folder):
        (folder / "in.wav").write_text("Dear diary, " * 99)
        refused(4, "in.wav", "not audio")

    def test_no_samples(self, refused, folder, write_speech):
        write_speech(folder / "in.wav", 0.0)
        refused(4, "in.wav", "no audio samples")

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_samples_that_are_no_numbers(self, refused, folder, value):
        samples = np.zeros((1, 48_000), dtype=np.float32)
        samples[0, 24_000] = value
        with AudioFile("in.wav", "w", samplerate=16_000, num_channels=1, bit_depth=32) as file:
            file.write(samples)
        refused(4, "in.wav", "NaN or infinite", "1.500 s")

    def test_nine_channels(self, refused, folder):
        with wave.open("in.wav", "wb") as file:
            file.setparams((9, 2, 16_000, 0, "NONE", ""))
            file.writeframes(bytes(18 * 100))
        refused(4, "in.wav", "9 channels")

    @pytest.mark.parametrize("rate", [7_999, 192_001])
    def test_a_rate_out_of_range(self, refused, folder, rate):
        with wave.open("in.wav", "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", ""))
            file.writeframes(bytes(200))
        refused(4, "in.wav", f"{rate} Hz", "8000 to 192000")

    def test_an_unknown_preset_suggests_near_names(self, refused, monkeypatch, folder, model):
        (folder / "voices").mkdir()
        monkeypatch.setenv("SVC_PRESETS", str(folder / "voices"))
        Preset.load(model.preset).save(folder / "voices" / "margaret.npz")
        refused(5, "margret", "margaret", preset="margret")

    def test_a_preset_of_another_model(self, refused, model, folder):
        mine = Preset.load(model.preset)
        other = Preset("other", mine.latent, mine.log_f0_mean, mine.log_f0_std, model="0123456789abcdef")
        other.save(folder / "other.npz")
        refused(5, "other", "another model", preset="other.npz")

    def test_a_pickled_preset(self, refused, folder):
        class Attack:
            def __reduce__(self):
                return (os.mkdir, (str(folder / "pwned"),))

        np.savez(folder / "evil.npz", latent=np.array([Attack()], dtype=object))
        refused(5, "evil.npz", preset="evil.npz")
        (folder / "evil.npz").write_bytes(pickle.dumps(Attack()))
        refused(5, "evil.npz", preset="evil.npz")
        assert not (folder / "pwned").exists()

    def test_missing_weights(self, refused, folder):
        refused(6, "none.safetensors", arguments=["-o", "out.wav", "--weights", "none.safetensors"])

    def test_existing_output(self, refused, folder):
        (folder / "out.wav").write_bytes(b"precious")
        refused(11, "out.wav", "--overwrite")

    def test_overwriting_is_possible(self, svc, model, folder, write_speech):
        write_speech(folder / "in.wav")
        (folder / "out.wav").write_bytes(b"old")
        assert svc("render", "in.wav", *model.options, "-o", "out.wav", "--overwrite").code == 0
        assert shape(folder / "out.wav") == shape(folder / "in.wav")

    def test_output_onto_the_input(self, refused):
        refused(11, "the input itself", arguments=["-o", "in.wav", "--overwrite"])

    def test_output_below_a_file(self, refused, folder):
        (folder / "file").touch()
        refused(11, "file/out.wav", arguments=["-o", "file/out.wav"])

    def test_an_ending_that_names_no_format(self, refused):
        refused(7, "out.xyz", "--format", arguments=["-o", "out.xyz"])

    @pytest.mark.parametrize(
        ("form", "depth", "words"), [("flac", "32", "16 or 24"), ("mp3", "16", "no bit depth"), ("ogg", "24", "no bit")]
    )
    def test_a_bit_depth_that_the_format_has_not(self, refused, form, depth, words):
        refused(7, words, arguments=["--format", form, "--bit-depth", depth])

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("--pitch", "25"),
            ("--formant", "5"),
            ("--mix", "1.5"),
            ("--gain", "90"),
            ("--intonation", "-1"),
            ("-j", "0"),
        ],
    )
    def test_numbers_out_of_range(self, svc, model, folder, option, value):
        result = svc("render", "in.wav", *model.options, option, value)
        assert result.code == 2
        assert option in result.err
        assert "range" in result.err

    @pytest.mark.parametrize("option", ["--pitch", "--mix", "--gain", "--intonation"])
    def test_not_a_number(self, refused, option):
        refused(7, "nan", arguments=["-o", "out.wav", option, "nan"])

    def test_formats_that_a_child_process_refuses_look_the_same(self, start, model, folder):
        process = start("render", "missing.wav", *model.options, cwd=folder)
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out) == (4, "")
        assert err == "Error: There is no file missing.wav: check the path.\n"


def test_a_disk_that_fills_up(start, model, folder, write_speech):
    write_speech(folder / "in.wav", 5.0)

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    process = start("render", "in.wav", *model.options, "-o", "new/out.wav", cwd=folder, preexec_fn=limit)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 11
    assert out == ""
    assert err.startswith("Error: new/out.wav would be larger")
    assert err.count("\n") == 1
    assert names(folder) == ["in.wav"]
    assert not (folder / "new").exists()


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_leaves_no_half_file(start, model, folder, write_speech, number, code, jobs):
    # Long enough not to be done before the signal comes.
    for name in ("a.wav", "b.wav")[:jobs]:
        write_speech(folder / "in" / name, 1800.0, 8_000)
    process = start("render", "in", *model.options, "-o", "out", "--jobs", jobs, cwd=folder, start_new_session=True)
    deadline = time.monotonic() + 120
    while len(names(folder)) < 2 * jobs:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "no file was begun"
        time.sleep(0.05)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == code
    assert "Traceback" not in err
    assert not (folder / "out").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="children are found through /proc")
def test_a_worker_that_dies_is_reported(start, model, folder, write_speech):
    for name in ("a.wav", "b.wav"):
        write_speech(folder / "in" / name, 1800.0, 8_000)
    process = start("render", "in", *model.options, "-o", "out", "--jobs", 2, cwd=folder)
    deadline = time.monotonic() + 120
    while len(names(folder)) < 4:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "no file was begun"
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    workers = [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 3
    assert err == "Error: A worker process ended, perhaps for lack of memory: use a smaller number of --jobs.\n"


def test_the_progress_bar_shows_the_speed(model, folder, start, write_speech):
    write_speech(folder / "in.wav", 3.0)
    screen, terminal = pty.openpty()
    process = start("render", "in.wav", *model.options, "-o", "out.wav", cwd=folder, stderr=terminal)
    os.close(terminal)
    shown = b""
    try:
        while piece := os.read(screen, 4096):
            shown += piece
    except OSError:  # how a terminal says that its other side has been closed
        pass
    finally:
        os.close(screen)
    assert process.wait(timeout=120) == 0
    assert b"in.wav" in shown
    assert b"100%" in shown
    assert b"x real time" in shown
