"""A real Dask scheduler and real worker processes on this machine, for tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.conftest import REPOSITORY

PATIENCE = 240.0
"""Seconds for anything that a loaded machine may delay; nothing waits that long unless it fails."""


def wait_for(what: Callable[[], object], name: str) -> None:
    """Wait until a condition holds; fails after `PATIENCE`."""
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, f"{name} did not come"
        time.sleep(0.02)


class DaskCluster:
    """Processes of `dask scheduler` and `dask worker`, and what they print in files below `folder`."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.file = folder / "scheduler.json"
        path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
        self.environment = {**os.environ, "PYTHONPATH": path, "DASK_DISTRIBUTED__ADMIN__TICK__LIMIT": "1h"}
        # Workers of a loaded test machine are slow, not gone.
        self.environment |= {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "1h", **environment}
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []

    def start_scheduler(self) -> None:
        """Start a scheduler on any free port, which it writes into the scheduler file."""
        self.file.unlink(missing_ok=True)
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-jupyter",
            "--scheduler-file", str(self.file),
        )  # fmt: skip
        wait_for(self.file.is_file, "the scheduler's file")

    def start_worker(self, *options: str, nanny: bool = False, **environment: str) -> subprocess.Popen[bytes]:
        """Start a worker with one thread; with a nanny, one that was killed is started again."""
        worker = self._start(
            "worker", "--scheduler-file", str(self.file), "--nthreads", "1", "--no-dashboard", "--memory-limit", "0",
            "--nanny" if nanny else "--no-nanny", "--local-directory", str(self.folder), *options, **environment,
        )  # fmt: skip
        self.workers.append(worker)
        return worker

    def wait_for_workers(self, count: int) -> None:
        """Wait until so many are there."""
        from distributed import Client

        with Client(scheduler_file=str(self.file), set_as_default=False) as client:
            client.wait_for_workers(count, PATIENCE)

    def _start(self, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{command[0]}-{time.monotonic_ns()}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *command], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env={**self.environment, **environment}, cwd=self.folder, start_new_session=True,
            )  # fmt: skip

    @staticmethod
    def kill(process: subprocess.Popen[bytes]) -> None:
        """End a process and what it has started, at once."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)

    def close(self) -> None:
        """End everything."""
        for process in [*self.workers, *([self.scheduler] if self.scheduler else [])]:
            self.kill(process)


@contextmanager
def dask_cluster(folder: Path, workers: int = 2, **environment: str) -> Iterator[DaskCluster]:
    """A scheduler and workers without nannies, that are gone at the end."""
    cluster = DaskCluster(folder, **environment)
    try:
        cluster.start_scheduler()
        for _ in range(workers):
            cluster.start_worker()
        yield cluster
    finally:
        cluster.close()
