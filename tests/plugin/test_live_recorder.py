from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from pedalboard.io import AudioFile

from streamvc.errors import ConfigError, OutputError
from streamvc.plugin.live.recorder import Recorder

RATE = 16_000


def noise(seconds, channels=2):
    rng = np.random.default_rng(0)
    return rng.uniform(-0.5, 0.5, (channels, round(seconds * RATE))).astype(np.float32)


def read(path):
    with AudioFile(str(path)) as file:
        return file.read(file.frames)


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_everything_that_was_written_is_in_the_file(tmp_path, ending):
    path = tmp_path / "new" / f"take.{ending}"
    recorder = Recorder(path, RATE, 2)
    signal = noise(3.0)
    for start in range(0, signal.shape[1], 480):
        recorder.write(signal[:, start : start + 480])
    assert not path.exists()
    recorder.close()
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    np.testing.assert_allclose(read(path), signal, atol=2**-22)
    assert recorder.seconds == 3.0
    assert recorder.lost == 0


def test_where_nothing_was_recorded_there_is_no_file(tmp_path):
    recorder = Recorder(tmp_path / "new" / "empty.wav", RATE, 1)
    recorder.close()
    assert not list(tmp_path.iterdir())


def test_what_does_not_fit_the_buffer_is_counted(tmp_path):
    recorder = Recorder(tmp_path / "take.wav", RATE, 1)
    recorder.write(noise(30.0, 1))
    recorder.close()
    assert recorder.lost == 10 * RATE
    assert recorder.seconds == 20.0


@pytest.mark.parametrize(
    ("name", "error", "sentence"),
    [("there.wav", OutputError, "exists already"), (".", OutputError, "folder"), ("take.xyz", ConfigError, "format")],
)
def test_a_file_that_cannot_be_is_refused_at_once(tmp_path, name, error, sentence):
    (tmp_path / "there.wav").write_bytes(b"kept")
    with pytest.raises(error, match=sentence):
        Recorder(tmp_path / name, RATE, 1)
    assert (tmp_path / "there.wav").read_bytes() == b"kept"
    recorder = Recorder(tmp_path / "there.wav", RATE, 1, overwrite=True)
    recorder.write(noise(0.1, 1))
    recorder.close()
    assert read(tmp_path / "there.wav").shape == (1, RATE // 10)


FULL_DISK = """
import resource, signal, sys, time
from pathlib import Path
import numpy as np
from streamvc.errors import OutputError
from streamvc.plugin.live.recorder import Recorder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
recorder = Recorder(Path(sys.argv[1]), 16_000, 1)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
block = np.full((1, 16_000), 0.25, dtype=np.float32)
for second in range(1, 11):
    recorder.write(block)
    while recorder.error is None and recorder.seconds < second:
        time.sleep(0.01)
try:
    recorder.close()
except OutputError as error:
    print(error)
"""


def test_a_full_disk_ends_the_recording_and_keeps_it(tmp_path):
    """The limit on the size of files stands for the full disk: writes fail in the same way."""
    pytest.importorskip("resource", reason="limits on the size of files are set through POSIX")
    path = tmp_path / "take.wav"
    done = subprocess.run([sys.executable, "-c", FULL_DISK, path], capture_output=True, text=True, check=True)
    assert "nothing more could be written" in done.stdout
    sound = read(path)[0]
    assert 2 * RATE < len(sound) <= 200_000 / 3
    np.testing.assert_allclose(sound[: 2 * RATE], 0.25, atol=1e-6)
