"""Files of every format, and decoders that die, hang or talk nonsense."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamvc.audio import child
from streamvc.audio.reader import AudioReader
from streamvc.errors import AudioError, RuntimeUnavailableError
from tests.audio.conftest import chunk, form, read_all, wave

RATE = 48_000
TONE = (0.4 * np.sin(2 * np.pi * 330 * np.arange(RATE) / RATE)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.flac", {"format": "FLAC"}),
        ("a.ogg", {"format": "OGG", "subtype": "VORBIS"}),
        ("a.opus", {"format": "OGG", "subtype": "OPUS"}),
        ("a.aiff", {"format": "AIFF"}),
        ("a.au", {"format": "AU"}),
        ("a.caf", {"format": "CAF"}),
        ("a.w64", {"format": "W64"}),
        ("a.nothing", {"format": "FLAC"}),
    ],
)
def test_what_libsndfile_reads_is_read(tmp_path, name, options):
    stereo = np.stack([TONE, 0.5 * TONE], axis=1)
    soundfile.write(tmp_path / name, stereo, RATE, **options)
    heard, reader = read_all(tmp_path / name, 4096)
    assert (reader.rate, reader.channels) == (RATE, 2)
    assert heard.shape[1] == RATE == reader.frames
    np.testing.assert_allclose(heard.T[1000:-1000], stereo[1000:-1000], atol=0.05)


@pytest.mark.parametrize(
    ("name", "container", "codec"),
    [
        ("a.m4a", "mp4", "aac"),
        ("a.mp4", "mp4", "aac"),
        ("a.aac", "adts", "aac"),
        ("a.webm", "webm", "libopus"),
        ("a.mka", "matroska", "libopus"),
        ("a.caf", "caf", "alac"),
    ],
)
def test_what_the_extra_reads_is_read(tmp_path, name, container, codec):
    av = pytest.importorskip("av")
    path = tmp_path / name
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(TONE[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate = RATE
        wanted = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=RATE,
                                   frame_size=stream.codec_context.frame_size or None)  # fmt: skip
        for even in [*wanted.resample(frame), *wanted.resample(None)]:
            file.mux(stream.encode(even))
        file.mux(stream.encode(None))
    heard, reader = read_all(path, 4096)
    assert (reader.rate, reader.channels) == (RATE, 1)
    assert heard.shape[1] / RATE == pytest.approx(1.0, abs=0.08)
    middle = heard[0, 10_000:34_000]
    assert np.argmax(np.abs(np.fft.rfft(middle))) * RATE / len(middle) == pytest.approx(330, abs=3)
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.4 * 0.5**0.5, rel=0.1)


def test_without_the_extra_its_name_is_said(save, monkeypatch, tmp_path):
    (tmp_path / "av.py").write_text("raise ImportError('not installed')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    path = save(b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(4000), "a.m4a")
    with pytest.raises(RuntimeUnavailableError, match=r"pip install 'streamvc\[formats\]'") as caught:
        AudioReader(path)
    assert str(path) in str(caught.value)


class TestDecodersThatFail:
    """Each costs one file and one sentence, and the next file is read."""

    @pytest.fixture
    def whole(self, tmp_path):
        soundfile.write(tmp_path / "whole.flac", TONE, RATE)
        return tmp_path / "whole.flac"

    @pytest.fixture
    def behave(self, monkeypatch):
        def install(code):
            monkeypatch.setattr(child, "_command", lambda kind: [sys.executable, "-S", "-c", code])

        return install

    FACTS = '{"rate": 48000, "channels": 1, "frames": null, "sample_type": "int16", "tags": {}}'
    START = f"import sys, os, time; out = sys.stdout.buffer; out.write(b'{FACTS}\\n'); out.flush();"

    @pytest.mark.parametrize(
        ("code", "words"),
        [
            ("import os; os.kill(os.getpid(), 11)", "crashed with SIGSEGV"),
            ("import os; os.abort()", "crashed with SIGABRT"),
            ("import sys; sys.exit(3)", "ended early"),
            ("print('nonsense')", "ended early"),
            ("print('[1, 2]')", "ended early"),
            (f"{START} os.kill(os.getpid(), 11)", "crashed with SIGSEGV"),
            (f"{START} out.write(bytes([8, 0, 0, 0, 1]))", "ended early"),
            (f"{START} out.write(bytes([255, 255, 255, 255]))", "ended early"),
            (f"{START} out.write(bytes([3, 0, 0, 0, 1, 1, 1]))", "ended early"),
        ],
    )
    def test_death_and_nonsense(self, behave, whole, code, words):
        behave(code)
        with pytest.raises(AudioError, match=words) as caught:
            read_all(whole)
        assert str(caught.value).startswith(f"{whole} cannot be decoded (the decoder")

    def test_standing_still(self, behave, monkeypatch, whole):
        monkeypatch.setattr(child, "PATIENCE_SECONDS", 0.5)
        behave(f"{self.START} time.sleep(600)")
        with pytest.raises(AudioError, match="gave nothing"):
            read_all(whole)

    def test_leaving_early_ends_the_decoder(self, whole):
        with AudioReader(whole) as reader:
            next(reader.blocks(10))
            process = reader._source._child._process
        assert process.returncode is not None


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read through /proc")
@pytest.mark.parametrize("name", ["a.mp3", "a.flac", "a.wav"])
def test_memory_does_not_grow_with_the_file(tmp_path, name):
    """Of the process that reads and of its decoder: ten times as much audio, and less than four megabytes more."""
    code = (
        "import sys, resource\n"
        "from streamvc.audio.reader import AudioReader\n"
        "with AudioReader(sys.argv[1]) as reader:\n"
        "    frames = sum(block.shape[1] for block in reader.blocks(16384))\n"
        "who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)\n"
        "print(frames, *(resource.getrusage(one).ru_maxrss for one in who))"
    )
    held = []
    for seconds in (60, 600):
        with soundfile.SoundFile(tmp_path / name, "w", 16_000, 1) as file:
            for _ in range(seconds):
                file.write(TONE[:16_000])
        # Mapped pages count as memory too, but the system takes them back; the file is smaller than the limit.
        said = subprocess.run([sys.executable, "-c", code, tmp_path / name], capture_output=True, check=True, text=True)
        frames, *peaks = map(int, said.stdout.split())
        assert frames == pytest.approx(16_000 * seconds, abs=2000)
        held.append(peaks)
    for short, long in zip(*held, strict=True):
        assert long - short < 4096 + Path(tmp_path / name).stat().st_size // 1024 * (name == "a.mp3")


def test_a_name_that_is_no_text(tmp_path):
    path = tmp_path / "\udcff\udcfe.flac"
    soundfile.write(tmp_path / "a.flac", TONE, RATE)
    try:
        (tmp_path / "a.flac").rename(path)
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    assert read_all(path)[0].shape == (1, RATE)


def test_tags_of_a_wav_file(save):
    info = b"INFO" + chunk(b"INAM", b"A title\0") + chunk(b"IART", "Zoë".encode() + b"\0")
    data = wave(chunk(b"fmt ", form()), chunk(b"bext", bytes(602)), chunk(b"data", bytes(800)), chunk(b"LIST", info))
    _, reader = read_all(save(data))
    assert reader.tags.words == {"title": "A title", "artist": "Zoë"}
    assert [name for name, _ in reader.tags.chunks] == [b"bext", b"LIST"]


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"", "0 bytes"), (b"hello world", "not audio"), (bytes(3000), "not audio"), (b"RIFF" + bytes(50), "not audio")],
)
def test_what_is_no_audio(save, data, words):
    with pytest.raises(AudioError, match=words):
        read_all(save(data))
