"""`svc live` on a real audio server: a PulseAudio of its own, without hardware.

One null sink, `air`, has two channels. What is played to `mouth` is heard on the left, where `mic` listens; what
`svc live` plays to `ear` is on the right. A recording of `air` therefore holds source and result on one clock, and the
delay between them is exact.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import mido
import numpy as np
import pytest
from pedalboard.io import AudioFile
from scipy.signal import correlate, stft

RATE = 48_000
MISSING = [program for program in ("pulseaudio", "pactl", "paplay", "parec") if shutil.which(program) is None]
ATTEMPTS = 5
TOPOLOGY = [
    "module-null-sink sink_name=air rate=48000 channels=2 channel_map=front-left,front-right",
    "module-remap-sink sink_name=mouth master=air channels=1 master_channel_map=front-left channel_map=mono remix=no",
    "module-remap-sink sink_name=ear master=air channels=1 master_channel_map=front-right channel_map=mono remix=no",
    "module-remap-source source_name=mic master=air.monitor channels=1 master_channel_map=front-left channel_map=mono "
    "remix=no",
]


def sounddevice_problem():
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError) as error:
        return str(error)
    return None


def alsa_plugin_missing():
    return not any(
        os.path.exists(f"{folder}/libasound_module_pcm_pulse.so")
        for folder in (
            "/usr/lib/x86_64-linux-gnu/alsa-lib",
            "/usr/lib/aarch64-linux-gnu/alsa-lib",
            "/usr/lib64/alsa-lib",
        )
    )


needs_server = pytest.mark.skipif(
    bool(MISSING) or sounddevice_problem() is not None or alsa_plugin_missing(),
    reason="needs apt-get install pulseaudio libportaudio2 libasound2-plugins, and pip install sounddevice",
)


def wait_for(condition, seconds=30.0):
    """Wait until something holds; the limit is only there to end a test that would hang."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)


class Server:
    """A PulseAudio server that nobody else sees."""

    def __init__(self, folder):
        self.socket = folder / "native"
        self.folder = folder
        self.environment = {
            **os.environ,
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "XDG_CONFIG_HOME": str(folder),
            "PULSE_RUNTIME_PATH": str(folder / "pulse"),
            "PULSE_STATE_PATH": str(folder / "state"),
            "PULSE_SERVER": f"unix:{self.socket}",
            "PULSE_SOURCE": "mic",
            "PULSE_SINK": "ear",
        }
        self.process = None

    def start(self):
        self.socket.unlink(missing_ok=True)
        modules = [f"module-native-protocol-unix socket={self.socket} auth-anonymous=1", *TOPOLOGY]
        command = [
            "pulseaudio",
            "-n",
            "--daemonize=no",
            "--exit-idle-time=-1",
            "--use-pid-file=no",
            "--disable-shm=yes",
        ]
        command += ["--realtime=no", "--high-priority=no", "--log-level=error"]
        command += [word for module in modules for word in ("-L", module)]
        self.process = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(lambda: "mic" in self.run("pactl", "list", "short", "sources"))

    def kill(self):
        self.process.kill()
        self.process.wait()

    def run(self, *command):
        return subprocess.run(command, env=self.environment, capture_output=True, text=True).stdout

    def play(self, path):
        subprocess.run(["paplay", "--device=mouth", str(path)], env=self.environment, check=True)

    def record(self, path):
        command = ["parec", "--device=air.monitor", f"--rate={RATE}", "--channels=2", "--format=float32le"]
        with path.open("wb") as file:
            return subprocess.Popen([*command, "--latency-msec=50"], env=self.environment, stdout=file)

    def finish(self, recorder):
        recorder.kill()
        recorder.wait()


def heard(path):
    """Source and result, [2, samples]."""
    sound = np.fromfile(path, dtype=np.float32)
    return sound[: len(sound) // 2 * 2].reshape(-1, 2).T.copy()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    pulse = Server(tmp_path_factory.mktemp("pulse"))
    pulse.start()
    yield pulse
    pulse.kill()


def losses(line):
    """Everything in a line of statistics that counts lost sound."""
    return [line[name] for name in ("underruns", "overruns", "cuts", "device_dropouts", "device_losses")]


class Live:
    """A running `svc live --json` with a terminal for its keys."""

    def __init__(self, start, server, *arguments):
        import fcntl
        import pty
        import termios

        self.terminal, inner = pty.openpty()

        def own_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = start(
            "live", "--rate", RATE, "--json", *arguments, env=server.environment, stdin=inner, preexec_fn=own_terminal
        )
        os.close(inner)
        self.lines = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def wait(self, condition):
        """Until a new line fulfils a condition; returns it."""
        begin = len(self.lines)
        wait_for(lambda: any(map(condition, self.lines[begin:])) or self.process.poll() is not None)
        fitting = [line for line in self.lines[begin:] if condition(line)]
        assert fitting, self.process.stderr.read()
        return fitting[0]

    def press(self, keys):
        os.write(self.terminal, keys.encode())

    def hear(self, server, path, folder):
        """Play a file and record it: source, result, and the last line; again when the session lost sound meanwhile.

        How steadily a machine runs is not what is tested here.
        """
        for attempt in range(ATTEMPTS):
            before = self.wait(lambda line: line["level_in_db"] < -60)
            recorder = server.record(folder / f"{attempt}.raw")
            server.play(path)
            after = self.wait(lambda line: line["level_in_db"] < -60)
            server.finish(recorder)
            if losses(after) == losses(before):
                return *heard(folder / f"{attempt}.raw"), after
        pytest.skip(f"this machine is too busy to play {ATTEMPTS} times without a loss: {after}")

    def end(self):
        """Wait for the end; returns the exit code and what was said on the error output."""
        self.process.wait(timeout=30)
        self.reader.join(timeout=10)
        os.close(self.terminal)
        return self.process.returncode, self.process.stderr.read()


def loudness(signal):
    """Log magnitudes [bins, frames] of 32 ms windows up to 8 kHz."""
    _, _, spectrum = stft(signal, RATE, nperseg=1536, noverlap=1056)
    return np.log10(np.abs(spectrum[:256]) + 1e-4)


def likeness(one, other):
    """Correlation of two spectrograms."""
    length = min(len(one), len(other))
    return np.corrcoef(loudness(one[:length]).ravel(), loudness(other[:length]).ravel())[0, 1]


def delay_between(source, result):
    """Samples by which a result that holds the source is late, and how much it is the source.

    Each quarter of a second has a vote, so that a hole here and there, on a machine with other work, decides nothing.
    """
    length, votes = RATE // 4, []
    for start in range(0, len(source) - length, length):
        piece = source[start : start + length]
        late = result[start : start + 2 * RATE]
        if len(late) < length or np.sqrt(np.mean(piece**2)) < 0.02:
            continue
        product = correlate(late, piece, "valid", method="fft")
        lag = int(product.argmax())
        energy = float(np.sum(late[lag : lag + length] ** 2) * np.sum(piece**2))
        votes.append((lag, float(product[lag]) / np.sqrt(energy + 1e-9)))
    assert votes, "there was no sound"
    lags, purities = zip(*votes, strict=True)
    return int(np.median(lags)), float(np.median(purities))


def likeness_at_best(one, other):
    """Likeness of two recordings of the same sound that begin at different times."""
    lag = int(correlate(one, other, "full", method="fft").argmax()) - len(other) + 1
    return likeness(one[max(0, lag) :], other[max(0, -lag) :])


@pytest.fixture(scope="module")
def cut(example_speech, tmp_path_factory):
    """`cut(seconds)`: a file with the beginning of the example."""

    def write(seconds):
        path = tmp_path_factory.mktemp("clip") / "clip.wav"
        with AudioFile(str(example_speech)) as source:
            sound = source.read(round(seconds * 16_000))
        with AudioFile(str(path), "w", samplerate=16_000, num_channels=1) as file:
            file.write(sound)
        return path

    return write


@needs_server
def test_speech_comes_out_in_the_other_voice_with_the_delay_that_is_shown(
    start, server, cut, tmp_path, record_property
):
    from streamvc.plugin import VoiceConverter

    options = ["--safety", 100, "--record", tmp_path / "take.wav"]
    live = Live(start, server, "--preset", "alice", "--preset", "bianca", *options)
    live.wait(lambda line: line["running"] and line["seconds"] > 2.5)
    source, result, said = live.hear(server, cut(4.0), tmp_path)
    assert said["voice"] == "alice"
    assert not said["bypass"]

    # Bypass is the source with the same delay, which shows the delay to the sample.
    live.press(" ")
    live.wait(lambda line: line["bypass"])
    *dry, bypassed = live.hear(server, cut(2.0), tmp_path)
    delay, purity = delay_between(*dry)
    assert purity > 0.9

    # Keys: the dry voice on and off, the next voice, two semitones up, and the end.
    live.press("mm ]\x1b[A\x1b[A")
    changed = live.wait(lambda line: line["voice"] == "bianca")
    assert (changed["pitch_semitones"], changed["bypass"]) == (2.0, False)
    live.press("q")
    code, errors = live.end()
    assert code == 0, errors
    assert "Stopped after" in errors

    offline = VoiceConverter("alice").process(source, RATE)
    late = result[delay:]
    alike = likeness(late, offline)
    assert alike > 0.8
    assert alike > likeness(late, source) + 0.03

    # What was recorded is what was heard, but for the server's 16 bits and whatever dropped out.
    with AudioFile(str(tmp_path / "take.wav")) as file:
        assert (file.samplerate, file.num_channels) == (RATE, 2)
        take = file.read(file.frames)[0]
    assert likeness_at_best(result, take) > 0.9

    # Timing is reported, not judged: it is the machine's, and other work runs on it.
    shown = bypassed["latency_ms"]["total"]
    record_property("delay_measured_ms", round(1000 * delay / RATE, 1))
    record_property("delay_shown_ms", shown)
    record_property("spectral_likeness", round(float(alike), 3))
    record_property("dropouts", bypassed["underruns"])
    print(f"\ndelay measured {1000 * delay / RATE:.1f} ms, shown {shown} ms, likeness {alike:.3f}, {bypassed}")


@needs_server
def test_a_session_survives_its_server_and_keeps_the_recording(start, server, model, cut, tmp_path):
    live = Live(start, server, *model.options, "--record", tmp_path / "take.wav")
    try:
        live.wait(lambda line: line["running"] and line["recorded_seconds"] > 0.5)
        server.kill()
        lost = live.wait(lambda line: not line["running"])
        assert lost["problem"]
        assert lost["device_losses"] == 1
    finally:
        server.start()
    back = live.wait(lambda line: line["running"] and line["recorded_seconds"] > lost["recorded_seconds"])
    assert back["problem"] is None
    live.press(" ")
    live.wait(lambda line: line["bypass"])
    recorder = server.record(tmp_path / "after.raw")
    server.play(cut(2.0))
    live.wait(lambda line: line["level_out_db"] < -60)
    server.finish(recorder)
    assert np.abs(heard(tmp_path / "after.raw")[1]).max() > 0.05
    # An interrupt is the usual end where there is no keyboard.
    live.process.send_signal(signal.SIGINT)
    code, errors = live.end()
    assert code == 0, errors
    assert "device lost 1 times" in errors
    with AudioFile(str(tmp_path / "take.wav")) as file:
        assert file.frames / RATE > back["recorded_seconds"]
        file.seek(round(RATE * back["recorded_seconds"]))
        assert np.abs(file.read(file.frames)).max() > 0.05
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".raw"] == ["take.wav"]


@needs_server
def test_a_process_that_was_stopped_leaves_no_delay_behind(start, server, model, cut, tmp_path):
    """A laptop that slept, or a debugger: all threads stand still, and the server's buffers are full afterwards."""
    live = Live(start, server, *model.options, "--safety", 100, "--record", tmp_path / "take.wav")
    live.wait(lambda line: line["running"] and line["recorded_seconds"] > 0.5)
    live.press(" ")
    live.wait(lambda line: line["bypass"])
    os.kill(live.process.pid, signal.SIGSTOP)
    time.sleep(1.5)
    os.kill(live.process.pid, signal.SIGCONT)
    live.wait(lambda line: line["latency_ms"]["queue"] < 500 and line["cut_samples"] > RATE // 2)
    recorder = server.record(tmp_path / "after.raw")
    server.play(cut(2.0))
    live.wait(lambda line: line["level_in_db"] < -60)
    server.finish(recorder)
    # A termination is an end with its own exit code, and finishes the recording all the same.
    live.process.send_signal(signal.SIGTERM)
    assert live.end()[0] == 143
    delay, purity = delay_between(*heard(tmp_path / "after.raw"))
    assert purity > 0.5
    # Far from the second and a half that stood in the queue.
    assert delay < RATE
    with AudioFile(str(tmp_path / "take.wav")) as file:
        assert file.frames > RATE // 2


@pytest.fixture
def at_server(server, monkeypatch):
    """This process as a client of the server."""
    import sounddevice

    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)

    def seen():
        # PortAudio looks for devices only when it starts, and a busy server may answer too late.
        sounddevice._terminate()
        sounddevice._initialize()
        channels = [(each["max_input_channels"], each["max_output_channels"]) for each in sounddevice.query_devices()]
        return channels and all(map(all, channels))

    wait_for(seen)


@needs_server
def test_the_python_of_the_page_runs(server, repository):
    page = (repository / "docs" / "live.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    environment = {**server.environment, "PYTHONPATH": str(repository)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\d+ ms, \d+ drop-outs$", done.stdout, flags=re.MULTILINE)


@pytest.mark.parametrize("page", ["live.md", "hosting.md"])
def test_commands_of_the_pages_exist(repository, page):
    """Those with devices cannot be run here, but their options can be read."""
    from streamvc.cli.main import svc as group

    text = (repository / "docs" / page).read_text(encoding="utf-8")
    commands = re.findall(r"\bsvc ((?:live|devices|jack)\b[^`#\n]*)", text)
    assert len(commands) > 4
    for command in commands:
        name, *arguments = shlex.split(command)
        if arguments and arguments[0].startswith("-"):
            context = group.get_command(None, name).make_context(name, arguments)
            assert context.params


@needs_server
def test_devices_are_listed(svc, at_server):
    listed = json.loads(svc("devices", "--json").out)
    (pulse,) = [device for device in listed if device["name"] == "pulse"]
    assert pulse["system"] == "ALSA"
    assert pulse["inputs"] > 0
    assert {44_100, 48_000} <= set(pulse["input_rates"]) & set(pulse["output_rates"])
    text = svc("devices").out
    assert text.startswith("Inputs\n")
    assert "Outputs\n" in text
    assert sum(line.startswith("*") for line in text.splitlines()) == 2


@needs_server
@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--input", "nowhere"], 10, "There is no sound input 'nowhere'"),
        (["--output", "99"], 10, "There is no sound output '99'"),
        (["--record", "there.wav"], 11, "exists already"),
        (["--record", "take.xyz"], 7, "format"),
        (["--preset", "nobody.npz"], 5, "nobody"),
        (["--weights", "nowhere.onnx"], 6, "nowhere.onnx"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_cannot_be_is_said_in_a_sentence(svc, at_server, model, folder, arguments, code, sentence):
    (folder / "there.wav").write_bytes(b"kept")
    result = svc("live", *model.options, "--seconds", "1", *arguments)
    assert result.code == code, result.err
    assert sentence in result.err
    assert result.err.count("\n") == 1
    assert [path.name for path in folder.iterdir()] == ["there.wav"]


CHAIN = """
[[effect]]
type = "NoiseGate"
threshold_db = -60

[[effect]]
type = "VoiceConverter"
preset = "alice"

[[effect]]
type = "Gain"
gain_db = -3
"""


@needs_server
def test_midi_switches_the_voice_in_a_chain(start, server, tmp_path):
    from mido.sockets import connect

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    (tmp_path / "pads.toml").write_text('schema = 1\n[[bind]]\nnote = 36\npreset = "carmen"\n')
    (tmp_path / "chain.toml").write_text(CHAIN)
    arguments = ["--midi", f"tcp-listen://127.0.0.1:{number}", "--map", tmp_path / "pads.toml"]
    arguments += ["--monitor", "--monitor-gain", "-12"]
    live = Live(start, server, "--chain", tmp_path / "chain.toml", *arguments)
    before = live.wait(lambda line: line["running"] and line["load"] > 0)
    assert before["voice"] == "alice"
    with connect("127.0.0.1", number) as pad:
        pad.send(mido.Message("note_on", note=36, velocity=100))
        live.wait(lambda line: line["voice"] == "carmen")
    live.press("q")
    code, errors = live.end()
    assert code == 0, errors


@needs_server
def test_a_chain_that_is_not_there_is_said_in_a_sentence(svc, at_server, folder):
    result = svc("live", "--chain", "nowhere.toml", "--record", "take.wav")
    assert result.code == 7, result.err
    assert "nowhere.toml" in result.err
    assert not list(folder.iterdir())


@needs_server
def test_a_midi_port_that_is_not_there_is_said_in_a_sentence(svc, at_server, folder):
    result = svc("live", "--preset", "alice", "--midi", "tcp://localhost:9", "--record", "take.wav")
    assert result.code == 13, result.err
    assert "localhost:9" in result.err
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "--preset"),
        (["--preset", "alice", "--map", "pads.toml"], "--midi"),
        (["--preset", "alice", "--device-latency", "short"], "low, high"),
        (["--preset", "alice", "--device-latency", "0"], "low, high"),
        (["--chain", "chain.toml", "--backend", "onnx"], "--chain"),
        (["--preset", "alice", "--monitor-gain", "-61"], "--monitor-gain"),
        (["--preset", "alice", "--block", "3"], "--block"),
        (["--preset", "alice", "--rate", "4000"], "--rate"),
    ],
)
def test_a_misused_command_line_is_refused(svc, arguments, sentence):
    result = svc("live", *arguments)
    assert result.code == 2
    assert sentence in result.err


@pytest.mark.parametrize("command", [["live", "--preset", "alice"], ["devices"]])
def test_without_sounddevice_a_sentence_says_what_to_install(svc, monkeypatch, command):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    result = svc(*command)
    assert result.code == 10
    assert "pip install 'streamvc[live]'" in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("command", [["live", "--preset", "alice"], ["devices"]])
def test_without_portaudio_a_sentence_says_what_to_install(svc, monkeypatch, tmp_path, command):
    # What the package does where it finds no library.
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    result = svc(*command)
    assert result.code == 10
    assert "libportaudio2" in result.err
    assert result.err.count("\n") == 1
