"""What a cluster costs beside processes of one machine, and how it would go with a hundred workers.

    python -m tests.bench.cluster [--rounds N] [--files N]

Renders the same folder with `--jobs 2` and with a Dask scheduler and two workers of this machine, in turns, and prints
the ratio of the medians. All processes share the cores that this one may use. Then it takes the times of single pieces
and of what passes between client, scheduler and worker for one of them, and simulates as many workers as wanted.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile

from streamvc.executor import open_executor
from tests.dask_cluster import REPOSITORY, DaskCluster
from tests.executor.works import Item, Squares

EXAMPLE = REPOSITORY / "examples" / "speech.wav"


def write_folder(folder: Path, files: int, seconds: int) -> None:
    """So many recordings of different speech, each of so many seconds."""
    folder.mkdir()
    audio, rate = soundfile.read(EXAMPLE)
    for number in range(files):
        soundfile.write(folder / f"{number:02}.wav", np.resize(np.roll(audio, 4_000 * number), seconds * rate), rate)


def render(folder: Path, target: Path, *options: str) -> tuple[float, list[float]]:
    """Seconds of one command, start-up included, and seconds of each file."""
    command = [sys.executable, "-m", "streamvc.cli.main", "render", str(folder), "-p", "alice", "-o", str(target)]
    began = time.perf_counter()
    result = subprocess.run([*command, "--json", *options], capture_output=True, text=True, env=environment())
    took = time.perf_counter() - began
    if result.returncode:
        raise SystemExit(result.stderr)
    shutil.rmtree(target)
    return took, [json.loads(line)["elapsed_seconds"] for line in result.stdout.splitlines()]


def environment() -> dict[str, str]:
    """Of the commands: this checkout."""
    path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def compare(work: Path, cluster: DaskCluster, rounds: int, files: int, seconds: int) -> tuple[list[float], ...]:
    """Seconds of the command with `--jobs 2` and with two workers, in turns; and of single files with one worker."""
    write_folder(work / "in", files, seconds)
    ways = {"jobs": ["--jobs", "2"], "cluster": ["--cluster", str(cluster.file)]}
    times: dict[str, list[float]] = {name: [] for name in ways}
    # The first run writes byte code and fills caches, and workers load the model once for all runs.
    for name, options in ways.items():
        render(work / "in", work / name, *options)
    for number in range(rounds):
        # Whoever comes second may meet a warmer or a busier machine.
        for name in sorted(ways, reverse=bool(number % 2)):
            times[name].append(render(work / "in", work / name, *ways[name])[0])
    return times["jobs"], times["cluster"], render(work / "in", work / "alone")[1]


def overhead(work: Path, cluster: DaskCluster, pieces: int = 2_000) -> float:
    """Seconds of the client and the scheduler for a piece that does nothing: the most pieces a second that one does."""
    squares = Squares(work)
    executor = open_executor(cluster=str(cluster.file))
    list(executor.map(squares, map(Item, range(50))))
    began = time.perf_counter()
    count = sum(1 for _ in executor.map(squares, map(Item, range(pieces))))
    return (time.perf_counter() - began) / count


def simulate(pieces: Sequence[float], workers: int, dispatch: float) -> float:
    """Seconds until all pieces are done, taken in order by whoever is free.

    The client with its scheduler hands out and takes back one piece at a time, for `dispatch` seconds each, ahead of
    the workers: a piece begins when a worker is free and the pieces before it have been handed out.
    """
    free = [(0.0, worker) for worker in range(workers)]
    heapq.heapify(free)
    sent = end = 0.0
    for piece in pieces:
        ready, worker = heapq.heappop(free)
        sent += dispatch
        done = max(ready, sent) + piece
        end = max(end, done)
        heapq.heappush(free, (done, worker))
    return end


def archive(
    measured: Sequence[float], seconds: float, hours: float, lengths: Callable[[int], np.ndarray]
) -> list[float]:
    """Piece times of an archive: lengths in seconds by `lengths`, at the measured speed and its spread."""
    random = np.random.default_rng(0)
    count = round(hours * 3600 / float(lengths(10_000).mean()))
    rates = np.array(measured) / seconds
    return [float(t) for t in lengths(count) * random.choice(rates, count)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, default=16)
    parser.add_argument("--seconds", type=int, default=20)
    options = parser.parse_args()
    os.environ.update(environment())
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "dask").mkdir()
        (work / "diary").mkdir()
        cluster = DaskCluster(work / "dask")
        try:
            cluster.have(2)
            jobs, spread, pieces = compare(work, cluster, options.rounds, options.files, options.seconds)
            each = overhead(work / "diary", cluster)
        finally:
            cluster.close()
    print(f"cores that may be used: {len(os.sched_getaffinity(0))}, load: {os.getloadavg()[0]:.1f}")
    print(f"{options.files} files of {options.seconds} s, {options.rounds} rounds in turns, start-up included")
    for title, times in (("--jobs 2", jobs), ("two workers", spread)):
        print(f"  {title}: median {statistics.median(times):.2f} s ({min(times):.2f} to {max(times):.2f})")
    ratios = [one / other for one, other in zip(spread, jobs, strict=True)]
    print(f"  two workers / --jobs 2: {statistics.median(spread) / statistics.median(jobs):.2f} of the medians; "
          f"of each round: {', '.join(f'{ratio:.2f}' for ratio in ratios)}")
    print(f"a piece: median {statistics.median(pieces):.3f} s for {options.seconds} s of audio")
    print(f"client and scheduler: {1000 * each:.2f} ms for each piece with two workers, worker included")
    random = np.random.default_rng(1)
    for title, hours, lengths in (
        ("1,000 h in files of about 10 s", 1_000, lambda n: random.gamma(4.0, 2.5, n) + 0.5),
        ("1,000 h in files of about 30 min", 1_000, lambda n: random.gamma(2.0, 900.0, n) + 60.0),
    ):
        times = archive(pieces, options.seconds, hours, lengths)
        total = sum(times)
        for workers in (2, 10, 100, 400):
            end = simulate(times, workers, each)
            sorted_end = simulate(sorted(times, reverse=True), workers, each)
            print(f"{title}, {workers} workers: {end / 60:.1f} min ({sorted_end / 60:.1f} with the longest first), "
                  f"{100 * total / workers / end:.1f} % of the workers' time used")


if __name__ == "__main__":
    main()
