"""Every script of examples/ is run as its docstring says, and what it makes is listened to."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pedalboard.io import AudioFile

from streamvc.plugin.chain_file import load_chain

FILES = {"chain_on_file.py": (1, 0), "block_by_block.py": (1, 960), "two_voices.py": (2, 0)}
"""By script: channels of its result, and by how many samples it is longer than the source."""


def run(script, folder, *arguments, **environment):
    result = subprocess.run(
        [sys.executable, str(script), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def read(path):
    with AudioFile(str(path)) as file:
        return file.read(file.frames), file.samplerate


def envelope(audio, rate):
    """Loudness in pieces of 20 ms."""
    size = rate // 50
    return np.sqrt((audio[: audio.size // size * size].reshape(-1, size) ** 2).mean(axis=1))


def test_every_script_is_tested(repository):
    assert {path.name for path in (repository / "examples").glob("*.py")} == {*FILES, "live_chain.py"}
    described = (repository / "examples" / "README.md").read_text(encoding="utf-8")
    assert all(f"[{path.name}]" in described for path in (repository / "examples").glob("*.py"))


@pytest.mark.parametrize("name", FILES)
def test_scripts_that_make_a_file(repository, tmp_path, name):
    channels, longer = FILES[name]
    script = repository / "examples" / name
    assert f"python examples/{name} [SOURCE] [RESULT]" in script.read_text(encoding="utf-8")
    printed = run(script, tmp_path)
    source, rate = read(repository / "examples" / "speech.wav")
    result, result_rate = read(tmp_path / name.replace(".py", ".wav"))
    assert printed.startswith(f"{name.replace('.py', '.wav')}: 8.0 s")
    assert result_rate == rate
    assert result.shape == (channels, source.shape[1] + longer)
    aligned = result.mean(axis=0)[longer:]
    assert 0.01 < float(np.sqrt((aligned**2).mean())) < 0.5
    # Another voice, but the same words at the same time.
    assert not np.allclose(aligned, source[0], atol=0.05)
    assert np.corrcoef(envelope(aligned, rate), envelope(source[0], rate))[0, 1] > 0.6


def test_scripts_take_other_files(repository, tmp_path):
    short = tmp_path / "short.wav"
    source = read(repository / "examples" / "speech.wav")[0]
    with AudioFile(str(short), "w", 44_100, 1) as file:
        file.write(source[:, :44_100])
    run(repository / "examples" / "chain_on_file.py", tmp_path, "short.wav", "other.flac")
    assert read(tmp_path / "other.flac")[0].shape == (1, 44_100)


def test_the_chain_in_a_file_is_the_chain_of_the_script(repository, tmp_path):
    run(repository / "examples" / "chain_on_file.py", tmp_path)
    chain = load_chain(repository / "examples" / "chain.toml")
    source, rate = read(repository / "examples" / "speech.wav")
    np.testing.assert_allclose(chain(source, rate), read(tmp_path / "chain_on_file.wav")[0], atol=1e-3)


def without_sound_server():
    """What is missing for a sound server and a way to it."""
    lacking = [program for program in ("pulseaudio", "pactl", "paplay", "parec") if shutil.which(program) is None]
    if not list(Path("/usr").glob("lib*/**/alsa-lib/libasound_module_pcm_pulse.so")):
        lacking.append("libasound2-plugins")
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError):
        lacking.append("sounddevice with libportaudio2")
    return lacking


@pytest.fixture
def sound_server(tmp_path):
    """The environment of a PulseAudio server without hardware: what goes to `mouth` comes from the microphone."""
    if without_sound_server():
        pytest.skip(
            "needs a sound server: apt-get install pulseaudio pulseaudio-utils libportaudio2 libasound2-plugins, and "
            f"pip install sounddevice (missing: {', '.join(without_sound_server())})"
        )
    socket = tmp_path / "native"
    environment = {
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path),
        "PULSE_SERVER": f"unix:{socket}",
        "PULSE_SOURCE": "mouth.monitor",
        "PULSE_SINK": "ear",
    }
    modules = [
        f"module-native-protocol-unix socket={socket} auth-anonymous=1",
        "module-null-sink sink_name=mouth rate=48000 channels=1",
        "module-null-sink sink_name=ear rate=48000 channels=1",
    ]
    options = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--realtime=no", "--disable-shm=yes"]
    command = ["pulseaudio", *options, *(word for module in modules for word in ("-L", module))]
    server = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for _ in range(600):
        if subprocess.run(["pactl", "info"], env={**os.environ, **environment}, capture_output=True).returncode == 0:
            break
        assert server.poll() is None, "the sound server has ended"
        time.sleep(0.05)
    yield environment
    server.terminate()
    server.wait()


def test_the_live_script(repository, tmp_path, sound_server):
    """It ends by itself, and speech that is played into the microphone comes out in the headphones."""
    heard = []
    for _ in range(3):  # a busy machine can let a whole attempt pass without a block in time
        heard.append(listen_to_the_live_script(repository, tmp_path, {**os.environ, **sound_server}))
        if heard[-1][0] >= 5:
            break
    # How much comes through depends on how busy the machine is (0.4 s of 8 on an overloaded one), so little is asked
    # for. Without speech at the microphone there is digital silence, so any sound is a converted voice.
    assert heard[-1][0] >= 5, heard


def listen_to_the_live_script(repository, tmp_path, environment):
    """Pieces of 20 ms with sound in the headphones, and the script's last line."""
    recording = tmp_path / "ear.raw"
    with recording.open("wb") as file:
        ear = subprocess.Popen(
            ["parec", "--device=ear.monitor", "--rate=48000", "--channels=1", "--format=float32le"],
            env=environment,
            stdout=file,
        )
    script = subprocess.Popen(
        [sys.executable, str(repository / "examples" / "live_chain.py"), "12"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        first = script.stdout.readline()
        assert re.match(r"Speak. You hear yourself \d+ ms later.", first), first + script.stderr.read()
        speech = repository / "examples" / "speech.wav"
        subprocess.run(["paplay", "--device=mouth", str(speech)], env=environment, check=True, timeout=120)
        printed, problems = script.communicate(timeout=120)
    finally:
        script.kill()
        ear.terminate()
        ear.wait()
    assert script.returncode == 0, problems
    assert re.match(r"\d+ blocks with drop-outs", printed)
    return np.count_nonzero(envelope(np.fromfile(recording, dtype=np.float32), 48_000) > 0.01), printed
