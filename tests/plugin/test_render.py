from __future__ import annotations

import os
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np
import pytest
from pedalboard.io import AudioFile

from streamvc.errors import AudioError, ConfigError, OutputError
from streamvc.plugin.render import RenderOptions, render_file

RATES = [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000]


def write(path, samples, rate=16_000, **options):
    with AudioFile(str(path), "w", samplerate=rate, num_channels=samples.shape[0], **options) as file:
        file.write(samples)
    return path


def read(path):
    with AudioFile(str(path)) as file:
        return file.read(file.frames), int(file.samplerate), file.file_dtype


def tones(rate, seconds=0.5, channels=1):
    """A chirp below 3 kHz that fades in and out, a little different in every channel."""
    time = np.arange(round(rate * seconds)) / rate
    shape = np.sin(np.pi * time / seconds) ** 2
    chirp = np.sin(2 * np.pi * (300 * time + 2000 * time**2))
    return np.stack([0.5 * shape * chirp * (1 - 0.05 * i) for i in range(channels)]).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    """A folder that must hold nothing but what the test expects when it ends."""
    path = tmp_path / "work"
    path.mkdir()
    return path


@pytest.mark.parametrize("rate", RATES)
def test_every_rate_is_rendered_to_its_own_length_and_place(delay_engine, folder, rate):
    signal_ = tones(rate)
    report = render_file(
        write(folder / "in.wav", signal_, rate), folder / "out.wav", delay_engine(), RenderOptions(bit_depth=32)
    )
    output, out_rate, dtype = read(folder / "out.wav")
    assert (out_rate, output.shape, dtype) == (rate, signal_.shape, "float32")
    # The fraction of a sample that is left of rounding the delay shows most at the low rates.
    np.testing.assert_allclose(output, signal_, atol=0.04)
    assert report.seconds == pytest.approx(0.5, abs=1e-3)
    assert report.sample_rate == rate
    assert report.clipped == 0
    assert report.peak == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("channels", range(1, 9))
def test_every_channel_count_is_kept(delay_engine, folder, channels):
    signal_ = tones(16_000, 0.3, channels)
    render_file(write(folder / "in.wav", signal_), folder / "out.wav", delay_engine())
    output, _, _ = read(folder / "out.wav")
    assert output.shape == signal_.shape
    np.testing.assert_allclose(output, np.tile(signal_.mean(axis=0), (channels, 1)), atol=1e-3)


@pytest.mark.parametrize("extension", ["wav", "flac", "aiff", "ogg", "mp3"])
def test_every_format_is_read_and_written(delay_engine, folder, extension):
    source = write(folder / f"in.{extension}", tones(44_100, 1.0, 2), 44_100)
    heard, _, _ = read(source)
    render_file(source, folder / f"out.{extension}", delay_engine())
    output, rate, _ = read(folder / f"out.{extension}")
    assert rate == 44_100
    if extension == "mp3":
        assert output.shape[1] >= heard.shape[1]  # the format pads to whole frames
    else:
        assert output.shape == heard.shape
    if extension not in ("mp3", "ogg"):
        np.testing.assert_allclose(output[0], heard.mean(axis=0), atol=0.01)
    assert np.abs(output).max() > 0.4
    assert sorted(path.name for path in folder.iterdir()) == [f"in.{extension}", f"out.{extension}"]


@pytest.mark.parametrize(
    ("subtype", "bytes_"), [("uint8", 1), ("int16", 2), ("int24", 3), ("int32", 4)], ids=lambda value: str(value)
)
def test_integer_wav_files_of_every_width(delay_engine, folder, subtype, bytes_):
    signal_ = tones(16_000)[0]
    if bytes_ == 1:
        data = (np.round(signal_ * 127) + 128).astype(np.uint8).tobytes()
    else:
        wide = np.round(signal_.astype(np.float64) * (2 ** (8 * bytes_ - 1) - 1)).astype("<i4")
        data = b"".join(struct.pack("<i", value)[:bytes_] for value in wide)
    with wave.open(str(folder / "in.wav"), "wb") as file:
        file.setparams((1, bytes_, 16_000, 0, "NONE", ""))
        file.writeframes(data)
    render_file(folder / "in.wav", folder / "out.wav", delay_engine())
    output, _, dtype = read(folder / "out.wav")
    assert dtype == {"uint8": "int16", "int16": "int16", "int24": "int24", "int32": "float32"}[subtype]
    np.testing.assert_allclose(output[0], signal_, atol=0.01)


@pytest.mark.parametrize(
    ("name", "depth", "dtype"),
    [("wav", 16, "int16"), ("wav", 24, "int24"), ("wav", 32, "float32"), ("flac", 16, "int16"), ("flac", 24, "int24")],
)
def test_bit_depths(delay_engine, folder, name, depth, dtype):
    source = write(folder / "in.wav", tones(16_000))
    render_file(source, folder / "out.bin", delay_engine(), RenderOptions(format=name, bit_depth=depth))
    data = (folder / "out.bin").rename(folder / f"out.{name}")
    assert read(data)[2] == dtype


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"format": "flac", "bit_depth": 32}, "16 or 24"),
        ({"format": "mp3", "bit_depth": 16}, "leave it out"),
        ({"format": "wav", "bit_depth": 12}, "16 or 24 or 32"),
        ({"format": "aac"}, "use one of"),
        ({"mix": 2.0}, "mix"),
        ({"output_gain_db": 100.0}, "output_gain_db"),
    ],
)
def test_impossible_options_leave_nothing_behind(delay_engine, folder, options, words):
    source = write(folder / "in.wav", tones(16_000))
    with pytest.raises(ConfigError, match=words):
        render_file(source, folder / "out.wav", delay_engine(), RenderOptions(**options))
    assert [path.name for path in folder.iterdir()] == ["in.wav"]


def test_an_unknown_ending_is_refused(delay_engine, folder):
    source = write(folder / "in.wav", tones(16_000))
    with pytest.raises(ConfigError, match="names no format"):
        render_file(source, folder / "out.xyz", delay_engine())


@pytest.mark.parametrize("seconds", [1 / 16_000, 0.01, 0.05, 0.0600625])
def test_a_source_shorter_than_the_latency(delay_engine, folder, seconds):
    signal_ = tones(16_000, 1.0)[:, 7000 : 7000 + round(16_000 * seconds)]
    render_file(write(folder / "in.wav", signal_, bit_depth=32), folder / "out.wav", delay_engine())
    output, _, _ = read(folder / "out.wav")
    np.testing.assert_allclose(output, signal_, atol=1e-6)


def test_the_latency_may_be_kept(delay_engine, folder):
    signal_ = tones(16_000)
    source = write(folder / "in.wav", signal_, bit_depth=32)
    report = render_file(source, folder / "out.wav", delay_engine(), RenderOptions(keep_latency=True))
    output, _, _ = read(folder / "out.wav")
    assert report.latency.samples == 960
    assert output.shape == signal_.shape
    np.testing.assert_array_equal(output[:, :960], 0.0)
    np.testing.assert_allclose(output[:, 960:], signal_[:, :-960], atol=1e-6)


def test_mix_and_gain(delay_engine, folder):
    signal_ = tones(16_000)
    source = write(folder / "in.wav", signal_, bit_depth=32)
    render_file(source, folder / "out.wav", delay_engine(), RenderOptions(mix=0.0, output_gain_db=-6.0))
    np.testing.assert_allclose(read(folder / "out.wav")[0], signal_ * 10 ** (-6 / 20), atol=1e-6)


def test_integers_end_at_full_scale_and_the_rest_is_counted(delay_engine, folder):
    signal_ = np.clip(4 * tones(16_000), -0.9, 0.9)
    source = write(folder / "in.wav", signal_, bit_depth=32)
    loud = RenderOptions(output_gain_db=6.0)
    report = render_file(source, folder / "out.flac", delay_engine(), loud)
    output, _, _ = read(folder / "out.flac")
    beyond = np.abs(signal_) * 10 ** (6 / 20) > 1
    assert report.clipped == np.count_nonzero(beyond) > 1000
    assert report.peak == pytest.approx(0.9 * 10 ** (6 / 20), rel=1e-4)
    np.testing.assert_allclose(np.abs(output[beyond]), 1.0, atol=1e-3)
    # Floating point keeps them.
    report = render_file(source, folder / "float.wav", delay_engine(), loud)
    assert report.clipped == 0
    np.testing.assert_allclose(read(folder / "float.wav")[0], signal_ * 10 ** (6 / 20), atol=1e-5)


def test_progress_adds_up(delay_engine, folder):
    source = write(folder / "in.wav", tones(48_000, 3.0), 48_000)
    steps = []
    render_file(source, folder / "out.wav", delay_engine(), progress=steps.append)
    assert len(steps) > 5
    assert sum(steps) == pytest.approx(3.0)


def test_folders_are_made(delay_engine, folder):
    source = write(folder / "in.wav", tones(16_000))
    render_file(source, folder / "a" / "b" / "out.wav", delay_engine())
    assert (folder / "a" / "b" / "out.wav").stat().st_size > 10_000


def test_the_file_gets_the_usual_permissions(delay_engine, folder):
    source = write(folder / "in.wav", tones(16_000))
    (folder / "plain").touch()
    render_file(source, folder / "out.wav", delay_engine())
    assert (folder / "out.wav").stat().st_mode == (folder / "plain").stat().st_mode


class TestBadInput:
    """Each is refused in one sentence that names the file, and nothing is left behind."""

    @pytest.fixture(autouse=True)
    def _nothing_is_left(self, folder):
        yield
        assert [path.name for path in folder.iterdir() if path.name not in ("in", "in.wav", "in.mp3")] == []

    def refuse(self, engine, source, words):
        with pytest.raises(AudioError, match=words) as caught:
            render_file(source, source.parent / "out" / "out.wav", engine())
        text = str(caught.value)
        assert str(source) in text
        assert text.endswith(".")
        assert "\n" not in text

    def test_missing(self, delay_engine, folder):
        self.refuse(delay_engine, folder / "in.wav", "There is no file")

    def test_folder(self, delay_engine, folder):
        (folder / "in").mkdir()
        self.refuse(delay_engine, folder / "in", "folder")

    def test_empty(self, delay_engine, folder):
        (folder / "in.wav").touch()
        self.refuse(delay_engine, folder / "in.wav", "0 bytes")

    @pytest.mark.parametrize("content", [b"This is no audio. " * 100, b"\x00" * 5000, b"PK\x03\x04" + b"x" * 999])
    def test_no_audio(self, delay_engine, folder, content):
        (folder / "in.wav").write_bytes(content)
        self.refuse(delay_engine, folder / "in.wav", "not audio")

    def test_no_samples(self, delay_engine, folder):
        write(folder / "in.wav", np.zeros((1, 0), dtype=np.float32))
        self.refuse(delay_engine, folder / "in.wav", "no audio samples")

    def test_an_mp3_of_some_bytes(self, delay_engine, folder):
        whole = write(folder / "in.mp3", tones(16_000)).read_bytes()
        (folder / "in.mp3").write_bytes(whole[:20])
        self.refuse(delay_engine, folder / "in.mp3", "no audio samples|cut off|not audio")

    @pytest.mark.parametrize("kept", [0.02, 0.5, 0.95])
    def test_cut_off(self, delay_engine, folder, kept):
        data = write(folder / "in.wav", tones(16_000)).read_bytes()
        (folder / "in.wav").write_bytes(data[: int(len(data) * kept)])
        self.refuse(delay_engine, folder / "in.wav", "cut off")

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("second", [0.0, 0.75, 1.9])
    def test_samples_that_are_no_numbers(self, delay_engine, folder, value, second):
        signal_ = tones(16_000, 2.0, 2)
        signal_[1, round(16_000 * second)] = value
        write(folder / "in.wav", signal_, bit_depth=32)
        self.refuse(delay_engine, folder / "in.wav", rf"NaN or infinite .* at {second:.3f} s")

    def test_too_many_channels(self, delay_engine, folder):
        with wave.open(str(folder / "in.wav"), "wb") as file:
            file.setparams((9, 2, 16_000, 0, "NONE", ""))
            file.writeframes(bytes(18 * 100))
        self.refuse(delay_engine, folder / "in.wav", "9 channels")

    @pytest.mark.parametrize("rate", [6_000, 384_000])
    def test_unsupported_rate(self, delay_engine, folder, rate):
        with wave.open(str(folder / "in.wav"), "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", ""))
            file.writeframes(bytes(2000))
        self.refuse(delay_engine, folder / "in.wav", f"{rate} Hz")

    def test_pipe(self, delay_engine, folder):
        os.mkfifo(folder / "in")
        self.refuse(delay_engine, folder / "in", "no regular file")


class TestBadOutput:
    """Each is refused in one sentence that names the file, and what was there stays as it was."""

    def refuse(self, engine, folder, target, words, options=None):
        source = folder / "in.wav"
        if not source.exists():
            write(source, tones(16_000))
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        with pytest.raises(OutputError, match=words) as caught:
            render_file(source, target, engine(), options)
        assert str(target) in str(caught.value)
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before

    def test_existing(self, delay_engine, folder):
        (folder / "out.wav").write_bytes(b"precious")
        self.refuse(delay_engine, folder, folder / "out.wav", "--overwrite")

    def test_existing_may_be_replaced(self, delay_engine, folder):
        (folder / "out.wav").write_bytes(b"old")
        source = write(folder / "in.wav", tones(16_000))
        render_file(source, folder / "out.wav", delay_engine(), RenderOptions(overwrite=True))
        assert read(folder / "out.wav")[0].shape == (1, 8000)

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_the_input_itself(self, delay_engine, folder, overwrite):
        options = RenderOptions(overwrite=overwrite)
        self.refuse(delay_engine, folder, folder / "in.wav", "the input itself", options)
        (folder / "link.wav").symlink_to(folder / "in.wav")
        self.refuse(delay_engine, folder, folder / "link.wav", "the input itself", options)

    def test_a_folder(self, delay_engine, folder):
        (folder / "out.wav").mkdir()
        self.refuse(delay_engine, folder, folder / "out.wav", "is a folder")

    def test_below_a_file(self, delay_engine, folder):
        (folder / "file").touch()
        self.refuse(delay_engine, folder, folder / "file" / "out.wav", "no folder")

    def test_a_name_too_long(self, delay_engine, folder):
        self.refuse(delay_engine, folder, folder / ("x" * 300 + ".wav"), "name too long")

    def test_no_permission(self, delay_engine):
        # Root may write anywhere, so it becomes somebody else for a moment.
        with tempfile.TemporaryDirectory(dir="/tmp") as name:
            folder = Path(name)
            write(folder / "in.wav", tones(16_000))
            (folder / "locked").mkdir(mode=0o555)
            folder.chmod(0o755)
            root = os.geteuid() == 0
            if root:
                os.seteuid(65_534)
            try:
                self.refuse(delay_engine, folder, folder / "locked" / "out.wav", "lack of permission")
            finally:
                if root:
                    os.seteuid(0)

    def test_a_format_that_cannot_hold_the_rate(self, delay_engine, folder):
        write(folder / "in.wav", tones(192_000, 0.2), 192_000)
        self.refuse(delay_engine, folder, folder / "out.mp3", "as mp3 .* 192000 Hz")

    @pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "mp3", "aiff"])
    def test_a_disk_that_fills_up(self, delay_engine, folder, extension):
        write(folder / "in.wav", np.random.default_rng(0).uniform(-1, 1, (1, 160_000)).astype(np.float32))
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
        try:
            self.refuse(delay_engine, folder, folder / "new" / f"out.{extension}", "larger than")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, handler)
        assert not (folder / "new").exists()

    @pytest.mark.parametrize("extension", ["wav", "ogg"])
    def test_a_disk_that_is_full(self, delay_engine, folder, extension):
        disk = folder / "disk"
        disk.mkdir()
        mount = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(disk)], capture_output=True, check=False
        )
        if mount.returncode:
            pytest.skip("mounting a small file system needs root; test_a_disk_that_fills_up covers the same path")
        try:
            write(folder / "in.wav", np.random.default_rng(0).uniform(-1, 1, (1, 160_000)).astype(np.float32))
            self.refuse(delay_engine, folder, disk / f"out.{extension}", "the disk is full")
        finally:
            subprocess.run(["umount", str(disk)], check=True)


def test_an_interrupt_leaves_no_file(delay_engine, folder):
    source = write(folder / "in.wav", tones(16_000, 5.0))

    def interrupt(seconds):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_file(source, folder / "new" / "out.wav", delay_engine(), progress=interrupt)
    assert [path.name for path in folder.iterdir()] == ["in.wav"]


def test_an_engine_that_fails_leaves_no_file(delay_engine, folder):
    class Failing(delay_engine):
        def process(self, samples):
            raise ZeroDivisionError

    source = write(folder / "in.wav", tones(16_000))
    with pytest.raises(ZeroDivisionError):
        render_file(source, folder / "out.wav", Failing())
    assert [path.name for path in folder.iterdir()] == ["in.wav"]


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is reset and read through /proc")
def test_memory_does_not_grow_with_the_file(delay_engine, folder):
    def memory(field):
        return int(Path("/proc/self/status").read_text().split(f"{field}:")[1].split()[0])

    def rise(seconds):
        source = write(folder / f"{seconds}.wav", np.tile(tones(16_000, 1.0), seconds))
        Path("/proc/self/clear_refs").write_text("5")
        # Over what the process holds already: what making the file left behind in the allocator is not the renderer's.
        held = memory("VmRSS")
        render_file(source, folder / "out.wav", delay_engine(), RenderOptions(overwrite=True))
        return memory("VmHWM") - held

    rise(10)
    short, long = rise(10), rise(600)
    assert long - short < 4096, f"{short} kB more for 10 s, {long} kB more for 600 s"
