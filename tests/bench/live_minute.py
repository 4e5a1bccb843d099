"""A minute of `svc live` on an audio server without hardware: drop-outs, delay and load, as a report.

    python tests/bench/live_minute.py --seconds 60 --block 480

Starts a PulseAudio of its own with two null sinks, plays the example into one all the time, and lets `svc live` speak
into the other. Nothing is judged: how steady a machine is says nothing about the code being right. What the collector
of garbage costs is measured in this process, with what `svc live` loads.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

SPEECH = Path(__file__).resolve().parent.parent.parent / "examples" / "speech.wav"


def start_server(folder: Path) -> tuple[subprocess.Popen[bytes], dict[str, str]]:
    """A server that nobody else sees, and the environment of its clients."""
    environment = {**os.environ, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "XDG_CONFIG_HOME": str(folder)}
    environment |= {"PULSE_SERVER": f"unix:{folder}/native", "PULSE_SOURCE": "mic.monitor", "PULSE_SINK": "out"}
    modules = [
        f"module-native-protocol-unix socket={folder}/native auth-anonymous=1",
        "module-null-sink sink_name=mic rate=48000 channels=2",
        "module-null-sink sink_name=out rate=48000 channels=2",
    ]
    command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes"]
    command += ["--realtime=no", "--high-priority=no", "--log-level=error"]
    command += [word for module in modules for word in ("-L", module)]
    server = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    while subprocess.run(["pactl", "info"], env=environment, capture_output=True).returncode:
        time.sleep(0.1)
    return server, environment


def run(options: argparse.Namespace, environment: dict[str, str]) -> list[dict[str, object]]:
    """The lines of statistics of one session."""
    command = [sys.executable, "-m", "streamvc.cli.main", "live", "--preset", options.preset, "--json"]
    command += ["--rate", "48000", "--block", str(options.block), "--seconds", str(options.seconds)]
    command += ["--device-latency", options.device_latency]
    if options.safety is not None:
        command += ["--safety", str(options.safety)]
    live = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert live.stdout is not None
    lines = [json.loads(live.stdout.readline())]
    stop = threading.Event()

    def speak() -> None:
        while not stop.is_set():
            subprocess.run(["paplay", "--device=mic", str(SPEECH)], env=environment)

    speaker = threading.Thread(target=speak, daemon=True)
    speaker.start()
    lines += [json.loads(line) for line in live.stdout]
    stop.set()
    live.wait()
    return lines


def collections() -> dict[str, float]:
    """Milliseconds of a collection of all generations, before and after what is loaded is frozen."""
    from streamvc.plugin import VoiceConverter

    converter = VoiceConverter("alice")

    def cost() -> float:
        times = []
        for _ in range(10):
            began = time.perf_counter()
            gc.collect()
            times.append(1000.0 * (time.perf_counter() - began))
        return statistics.median(times)

    before = cost()
    objects = len(gc.get_objects())
    gc.freeze()
    after = cost()
    del converter
    return {"objects": objects, "full_collection_ms": round(before, 2), "after_freeze_ms": round(after, 3)}


def main() -> None:
    """Run, and print the report as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--block", type=int, default=480, help="samples at 48 kHz")
    parser.add_argument("--preset", default="alice")
    parser.add_argument("--safety", type=float, help="ms")
    parser.add_argument("--device-latency", default="low")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server, environment = start_server(Path(folder))
        try:
            load_before = os.getloadavg()[0]
            lines = run(options, environment)
        finally:
            server.kill()
            server.wait()
    last = lines[-1]
    kept = ("underruns", "missing_samples", "overruns", "cuts", "cut_samples", "device_dropouts", "device_losses")
    report = {
        "seconds": last["seconds"],
        "block": options.block,
        **{name: last[name] for name in kept},
        "latency_ms": last["latency_ms"],
        "load_median": statistics.median(line["load"] for line in lines[2:]),
        "longest_ms": last["longest_ms"],
        "machine_load_average": [round(load_before, 1), round(os.getloadavg()[0], 1)],
        "collector": collections(),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
