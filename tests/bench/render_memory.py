"""Peak memory of `svc render` against the length of the file.

    python tests/bench/render_memory.py [--minutes 1 60] [--rate 48000] [-- OPTIONS OF svc render]

Prints a line per length, with the largest resident set of the process as the system counted it. By default renders in
the voice `alice`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from pedalboard.io import AudioFile


def write_speech(path: Path, minutes: float, rate: int) -> None:
    """Write pulses in bursts, a second at a time, so that this process stays small as well."""
    moments = np.arange(rate) / rate
    second = sum(np.cos(2 * np.pi * 120 * k * moments) / k for k in range(1, 20)) * np.sin(np.pi * moments) ** 2
    block = (0.1 * second)[np.newaxis].astype(np.float32)
    with AudioFile(str(path), "w", samplerate=rate, num_channels=1) as file:
        for _ in range(round(60 * minutes)):
            file.write(block)


def peak_megabytes(command: list[str]) -> tuple[float, float]:
    """Run a command; returns its peak resident set in MB and its wall-clock seconds."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(command)} failed")
    return usage.ru_maxrss / 1024, time.perf_counter() - began


def main() -> None:
    """Render a file of each length and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1.0, 60.0])
    parser.add_argument("--rate", type=int, default=48_000)
    parser.add_argument("options", nargs="*", default=[], help="for svc render, after --")
    arguments = parser.parse_args()
    options = arguments.options or ["--preset", "alice"]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "source.wav", Path(folder) / "target.wav"
        for minutes in arguments.minutes:
            write_speech(source, minutes, arguments.rate)
            command = [sys.executable, "-m", "streamvc.cli.main", "render", str(source), "-o", str(target)]
            megabytes, seconds = peak_megabytes([*command, "--overwrite", *options])
            print(f"{minutes:g} min: peak {megabytes:.1f} MB, {60 * minutes / seconds:.1f} x real time", flush=True)


if __name__ == "__main__":
    main()
