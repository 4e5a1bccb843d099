"""The converter as a JACK client, on a `jackd` of its own with the dummy driver.

One client plays, another listens: were they one, JACK would have to break the circle with a block of delay.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from pedalboard.io import AudioFile

from streamvc.errors import RuntimeUnavailableError
from streamvc.plugin.jack_host import JackHost, load_jack
from streamvc.plugin.live.runner import LiveRunner
from streamvc.plugin.live.session import nominal_safety

RATE = 48_000
BLOCK = 2048
"""Long enough for a machine without real-time scheduling and with other work to do."""

DELAY = 3000
ATTEMPTS = 5


def problem():
    try:
        load_jack()
    except RuntimeUnavailableError as error:
        return str(error)
    return None if shutil.which("jackd") and shutil.which("jack_lsp") else "needs apt-get install jackd2"


needs_jack = pytest.mark.skipif(problem() is not None, reason=f"{problem()} (jackd2 and JACK-Client)")


def wait_for(condition, seconds=30.0):
    """Wait until something holds; the limit is only there to end a test that would hang."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


class Server:
    """A JACK server that nobody else sees."""

    def __init__(self, name):
        self.name = name
        self.environment = {**os.environ, "JACK_NO_AUDIO_RESERVATION": "1", "JACK_DEFAULT_SERVER": name}

    def start(self, block=BLOCK):
        self.process = subprocess.Popen(
            ["jackd", "-r", "-n", self.name, "-d", "dummy", "-r", str(RATE), "-p", str(block)],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(lambda: "system:capture_1" in self.ports())

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def ports(self, *options):
        return subprocess.run(
            ["jack_lsp", *options], env=self.environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
        ).stdout


@pytest.fixture
def server():
    jack = Server(f"svctest-{os.getpid()}")
    jack.start()
    yield jack
    jack.stop()


class Mouth:
    """A client that plays a signal once."""

    def __init__(self, server, signal):
        self.client = load_jack().Client("mouth", servername=server.name, no_start_server=True)
        port = self.client.outports.register("out")
        self.signal, self.position = signal, None

        @self.client.set_process_callback
        def process(frames):
            block = port.get_array()
            block.fill(0.0)
            if self.position is not None:
                part = self.signal[self.position : self.position + frames]
                block[: len(part)] = part
                self.position += frames

        self.client.activate()

    def play(self):
        self.position = 0

    @property
    def done(self):
        return self.position is not None and self.position >= len(self.signal)


class Ear:
    """A client that keeps what is played and what comes of it, by the server's time."""

    def __init__(self, server):
        self.client = load_jack().Client("ear", servername=server.name, no_start_server=True)
        ports = [self.client.inports.register(name) for name in ("source", "result")]
        self.blocks = []

        @self.client.set_process_callback
        def process(frames):
            self.blocks.append((self.client.last_frame_time, np.stack([port.get_array() for port in ports])))

        self.client.activate()
        self.client.connect("mouth:out", "ear:source")

    @property
    def now(self):
        return self.blocks[-1][0] if self.blocks else 0

    def sound(self):
        """Source and result, [2, samples]; what this process missed is silent in both."""
        blocks = list(self.blocks)
        begin = blocks[0][0]
        sound = np.zeros((2, blocks[-1][0] - begin + blocks[-1][1].shape[1]), dtype=np.float32)
        for at, block in blocks:
            sound[:, at - begin : at - begin + block.shape[1]] = block
        return sound

    def wait_until(self, time):
        wait_for(lambda: self.now > time)

    def hear(self, mouth, tail, losses):
        """Let the mouth play and listen, [source, result]; again when sound was lost meanwhile.

        How steadily a machine runs is not what is tested here.
        """
        for _ in range(ATTEMPTS):
            self.blocks, before = [], losses()
            mouth.play()
            wait_for(lambda: mouth.done)
            self.wait_until(self.now + tail)
            if losses() == before:
                return self.sound()
        pytest.skip(f"this machine is too busy to play {ATTEMPTS} times without a loss: {losses()}")


class Delay:
    """A processor that only delays."""

    def reset(self):
        self.held = None

    def latency_samples(self, sample_rate):
        return DELAY

    def process(self, block, sample_rate, *, reset):
        if self.held is None:
            self.held = np.zeros((block.shape[0], DELAY), dtype=np.float32)
        joined = np.concatenate([self.held, block], axis=1)
        self.held = joined[:, block.shape[1] :]
        return joined[:, : block.shape[1]]


@pytest.fixture
def run():
    """`run(host)`: a runner on it, polled in the background."""
    running = []

    def begin(host, **options):
        runner = LiveRunner(Delay(), host, **options)
        host.connect()
        runner.start()
        states, stop = [], threading.Event()

        def poll():
            while not stop.wait(0.05):
                states.append(runner.poll())

        thread = threading.Thread(target=poll, daemon=True)
        thread.start()
        running.append((runner, thread, stop))
        return states

    yield begin
    for runner, thread, stop in running:
        stop.set()
        thread.join()
        runner.stop()


def reported(server, port):
    """What `jack_lsp -l` says of a port: capture and playback latency in samples."""
    lines = server.ports("-l", port).splitlines()
    values = [re.search(r"\[ (\d+) (\d+) \]", line) for line in lines if "latency" in line]
    return [int(value.group(2)) for value in values if value]


@needs_jack
def test_sound_passes_with_the_delay_that_the_ports_report(server, run):
    host = JackHost("voice", server.name)
    states = run(host)
    signal = np.random.default_rng(0).uniform(-0.5, 0.5, RATE).astype(np.float32)
    mouth, ear = Mouth(server, signal), Ear(server)
    try:
        mouth.client.connect("mouth:out", "voice:in")
        ear.client.connect("voice:out_2", "ear:result")
        total = nominal_safety(RATE, BLOCK) + DELAY
        # Both sides of the delay are told to whoever asks JACK.
        wait_for(lambda: total in reported(server, "voice:out_1") and total in reported(server, "voice:in"))
        source, result = ear.hear(
            mouth, total + BLOCK, lambda: (states[-1].device_dropouts, states[-1].statistics.underruns)
        )
    finally:
        mouth.client.close()
        ear.client.close()
    print(f"\n{states[-1].statistics}, JACK's own drop-outs {states[-1].device_dropouts}")
    begin = int(np.flatnonzero(source)[0])
    np.testing.assert_array_equal(result[begin + total : begin + total + RATE], source[begin : begin + RATE])
    assert not result[: begin + total].any()
    assert states[-1].latency.algorithm == pytest.approx(1000 * DELAY / RATE)


@needs_jack
def test_ports_are_connected_and_the_session_waits_for_its_server(server, run):
    host = JackHost("voice", server.name, connect=True)
    states = run(host)
    wait_for(lambda: "voice:out_2" in server.ports("-c", "system:playback_2"))
    assert "voice:in" in server.ports("-c", "system:capture_1")
    wait_for(lambda: states[-1].statistics.fed > 0)
    server.stop()
    wait_for(lambda: not states[-1].running)
    assert "JACK server" in states[-1].problem or "gone" in states[-1].problem
    # It comes back with other blocks.
    before = states[-1].statistics.fed
    server.start(block=1024)
    wait_for(lambda: states[-1].running and states[-1].statistics.fed > before)
    assert host.block == 1024
    assert states[-1].device_losses == 1
    wait_for(lambda: "voice:out_1" in server.ports("-c", "system:playback_1"))


@needs_jack
def test_svc_jack_speaks_with_the_voice(server, example_speech, repository):
    """The command, in a process of its own, from a port and to a port."""
    from streamvc.plugin import VoiceConverter
    from streamvc.plugin.resampling import RateConverter

    with AudioFile(str(example_speech)) as file:
        speech = file.read(3 * 16_000)
    signal = np.ascontiguousarray(RateConverter(16_000, RATE).process(speech)[0])
    mouth, ear = Mouth(server, signal), Ear(server)
    arguments = ["jack", "--preset", "alice", "--server", server.name, "--from", "mouth:out", "--to", "ear:result"]
    environment = {**server.environment, "PYTHONPATH": str(repository)}
    process = subprocess.Popen(
        [sys.executable, "-m", "streamvc.cli.main", *arguments, "--json"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(map(json.loads, process.stdout)), daemon=True)
    reader.start()

    def losses():
        known = len(lines)
        wait_for(lambda: len(lines) > known)
        return lines[-1]["device_dropouts"], lines[-1]["underruns"]

    try:
        wait_for(lambda: "ear:result" in server.ports("-c", "streamvc:out_1") and process.poll() is None, 60.0)
        source, result = ear.hear(mouth, RATE, losses)
    finally:
        mouth.client.close()
        ear.client.close()
        process.terminate()
        process.wait(timeout=30)
    assert process.returncode == 143, process.stderr.read()

    def loudness(sound):
        frames = np.lib.stride_tricks.sliding_window_view(sound, 1536)[::480] * np.hanning(1536)
        return np.log10(np.abs(np.fft.rfft(frames))[:, :256] / 768 + 1e-4)

    converter = VoiceConverter("alice")
    delay = nominal_safety(RATE, BLOCK) + converter.latency_samples(RATE)
    begin = int(np.flatnonzero(source)[0])
    source = source[begin : begin + len(signal)]
    result = result[begin + delay : begin + delay + len(signal)]
    alike, against = (
        np.corrcoef(loudness(result).ravel(), loudness(other).ravel())[0, 1]
        for other in (converter.process(source, RATE), source)
    )
    print(f"\nlikeness to the offline voice {alike:.3f}, to the source {against:.3f}; {lines[-1]}")
    assert alike > 0.8
    # After an attempt the converter knows the speaker's pitch already, which the offline one has to find.
    assert alike > against + 0.03


def test_without_the_package_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "jack", None)
    with pytest.raises(RuntimeUnavailableError, match=r"pip install 'streamvc\[jack\]'"):
        JackHost().connect()


def test_without_the_library_a_sentence_says_what_to_install(monkeypatch, tmp_path):
    # What the package does where it finds no library.
    (tmp_path / "jack.py").write_text("raise OSError('JACK library not found')")
    monkeypatch.delitem(sys.modules, "jack", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RuntimeUnavailableError, match="apt-get install jackd2"):
        JackHost().connect()


@needs_jack
def test_without_a_server_a_sentence_says_so():
    with pytest.raises(RuntimeUnavailableError, match="No JACK server named 'nowhere' can be reached"):
        JackHost(server="nowhere").connect()


@needs_jack
def test_a_port_that_is_not_there_is_said_in_a_sentence(server):
    host = JackHost(server=server.name, sources=["nobody:out"])
    host.connect()
    with pytest.raises(RuntimeUnavailableError, match="jack_lsp"):
        LiveRunner(Delay(), host).start()
    assert "streamvc:in" not in server.ports()
