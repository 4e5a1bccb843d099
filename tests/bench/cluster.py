"""What a cluster costs beside processes of one machine, and how it would go with a hundred workers.

    python -m tests.bench.cluster [--rounds N] [--files N]

Renders the same folder with `--jobs 2` and with a Dask scheduler and two workers of this machine, in turns, and prints
the ratios of time and of CPU, the scheduler and the workers counted in. Where other work runs, go by the CPU: Linux may
give each session of processes a share of its own, of which the cluster has more than a command. Then it measures what a
piece costs client and scheduler, and simulates more workers with the measured times.
"""

from __future__ import annotations

import argparse
import heapq
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
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


def render(folder: Path, target: Path, *options: str) -> tuple[float, float]:
    """Seconds of wall-clock and of CPU of one command with its own processes, start-up included."""
    command = [sys.executable, "-m", "streamvc.cli.main", "render", str(folder), "-p", "alice", "-o", str(target)]
    began = time.perf_counter()
    process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, env=environment())
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - began
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(command)} failed")
    shutil.rmtree(target)
    return took, usage.ru_utime + usage.ru_stime


def cpu_of(*processes: subprocess.Popen[bytes]) -> float:
    """Seconds of CPU that running processes have had so far."""
    fields = [Path(f"/proc/{one.pid}/stat").read_text().rpartition(")")[2].split() for one in processes]
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


def environment() -> dict[str, str]:
    """Of the commands: this checkout."""
    path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


@dataclass
class Compared:
    """Seconds of each round with `--jobs 2` and with two workers, the cluster's own processes counted in; and the CPU
    of the workers for all files of a round."""

    jobs_wall: list[float] = field(default_factory=list)
    jobs_cpu: list[float] = field(default_factory=list)
    cluster_wall: list[float] = field(default_factory=list)
    cluster_cpu: list[float] = field(default_factory=list)
    workers_cpu: list[float] = field(default_factory=list)


def compare(work: Path, cluster: DaskCluster, rounds: int, files: int, seconds: int) -> Compared:
    """Both ways in turns, after a round that writes byte code, fills caches and loads the model in the workers."""
    write_folder(work / "in", files, seconds)
    write_folder(work / "short", 2, 1)
    found = Compared()
    assert cluster.scheduler is not None
    for number in range(rounds + 1):
        folder = work / ("in" if number else "short")
        # Whoever comes second may meet a warmer or a busier machine.
        for way in sorted(("jobs", "cluster"), reverse=bool(number % 2)):
            if way == "jobs":
                wall, cpu = render(folder, work / way, "--jobs", "2")
                found.jobs_wall.append(wall)
                found.jobs_cpu.append(cpu)
                continue
            workers, scheduler = cpu_of(*cluster.workers), cpu_of(cluster.scheduler)
            wall, cpu = render(folder, work / way, "--cluster", str(cluster.file))
            workers, scheduler = cpu_of(*cluster.workers) - workers, cpu_of(cluster.scheduler) - scheduler
            found.cluster_wall.append(wall)
            found.cluster_cpu.append(cpu + workers + scheduler)
            found.workers_cpu.append(workers)
    for values in vars(found).values():
        del values[0]
    return found


def overhead(work: Path, cluster: DaskCluster, pieces: int) -> tuple[float, float]:
    """Seconds of CPU of the client and of the scheduler for a piece that does nothing."""
    assert cluster.scheduler is not None
    squares = Squares(work)
    executor = open_executor(cluster=str(cluster.file))
    list(executor.map(squares, map(Item, range(50))))
    client, scheduler = time.process_time(), cpu_of(cluster.scheduler)
    count = sum(1 for _ in executor.map(squares, map(Item, range(pieces))))
    return (time.process_time() - client) / count, (cpu_of(cluster.scheduler) - scheduler) / count


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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, default=16)
    parser.add_argument("--seconds", type=int, default=20, help="of each file")
    parser.add_argument("--pieces", type=int, default=1_000, help="that do nothing, for the cost of handing out")
    options = parser.parse_args()
    os.environ.update(environment())
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "dask").mkdir()
        (work / "diary").mkdir()
        cluster = DaskCluster(work / "dask")
        try:
            cluster.have(2)
            found = compare(work, cluster, options.rounds, options.files, options.seconds)
            client, scheduler = overhead(work / "diary", cluster, options.pieces)
        finally:
            cluster.close()
    print(f"cores that may be used: {len(os.sched_getaffinity(0))}, load: {os.getloadavg()[0]:.1f}")
    print(f"{options.files} files of {options.seconds} s, rounds in turns: {options.rounds}, start-up included")
    for title, wall, cpu in (
        ("--jobs 2", found.jobs_wall, found.jobs_cpu), ("two workers", found.cluster_wall, found.cluster_cpu)
    ):  # fmt: skip
        print(f"  {title}: {statistics.median(wall):.1f} s, {statistics.median(cpu):.2f} s of CPU (medians)")
    for title, ours, theirs in (
        ("time", found.cluster_wall, found.jobs_wall), ("CPU", found.cluster_cpu, found.jobs_cpu)
    ):  # fmt: skip
        ratios = ", ".join(f"{one / other:.2f}" for one, other in zip(ours, theirs, strict=True))
        print(f"  two workers / --jobs 2, {title}, round by round: {ratios}")
    rate = statistics.median(found.workers_cpu) / (options.files * options.seconds)
    print(f"a worker: {rate:.4f} s of CPU for a second of audio ({1 / rate:.1f} x real time)")
    print(f"a piece: {1000 * client:.2f} ms of CPU of the client, {1000 * scheduler:.2f} ms of the scheduler")
    random = np.random.default_rng(1)
    for title, lengths in (
        ("10 s", random.gamma(4.0, 2.5, 360_000)), ("30 min", random.gamma(2.0, 900.0, 2_000) + 60.0)
    ):  # fmt: skip
        times = [float(length) * rate for length in lengths]
        for workers in (10, 100, 400):
            # Client and scheduler work at the same time: the slower of them sets the pace.
            end = simulate(times, workers, max(client, scheduler))
            first = simulate(sorted(times, reverse=True), workers, max(client, scheduler))
            print(f"{sum(lengths) / 3600:.0f} h in files of about {title}, {workers} workers: {end / 60:.1f} min, "
                  f"{first / 60:.1f} with the longest first; {100 * sum(times) / workers / first:.0f} % of them busy")


if __name__ == "__main__":
    main()
