"""A real Dask scheduler and real worker processes on this machine, for tests."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

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

    def start_worker(
        self, *options: str, file_size: int | None = None, **environment: str
    ) -> subprocess.Popen[bytes]:
        """Start a worker with one thread, and with no nanny that would start it again.

        With a limit to the size of its files, in bytes, its disk is as good as full.
        """
        worker = self._start(
            "worker", "--scheduler-file", str(self.file), "--nthreads", "1", "--no-dashboard", "--memory-limit", "0",
            "--no-nanny", "--local-directory", str(self.folder), *options,
            file_size=file_size, **environment,
        )  # fmt: skip
        self.workers.append(worker)
        return worker

    def _count(self) -> int:
        from distributed import Client

        with Client(scheduler_file=str(self.file), set_as_default=False) as client:
            return len(client.nthreads())

    def _start(self, *command: str, file_size: int | None = None, **environment: str) -> subprocess.Popen[bytes]:
        def limit() -> None:
            if file_size is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))

        with (self.folder / f"{command[0]}-{time.monotonic_ns()}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *command], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env={**self.environment, **environment}, cwd=self.folder, start_new_session=True,
                preexec_fn=limit,
            )  # fmt: skip

    @staticmethod
    def kill(process: subprocess.Popen[bytes]) -> None:
        """End a process and what it has started, at once."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)

    @contextmanager
    def odd_worker(
        self, *options: str, others: int, file_size: int | None = None, **environment: str
    ) -> Iterator[None]:
        """So many workers and one that is not like them, which is gone afterwards."""
        self.have(others)
        odd = self.start_worker(*options, file_size=file_size, **environment)
        try:
            self.have(others + 1)
            yield
        finally:
            self.kill(odd)

    def have(self, count: int) -> None:
        """Have a scheduler and so many workers, whatever an earlier test has left."""
        if self.scheduler is None or self.scheduler.poll() is not None:
            self.start_scheduler()

        def complete() -> bool:
            # Looked at anew each time: one that was told to end may still be about to.
            self.workers = [worker for worker in self.workers if worker.poll() is None]
            while len(self.workers) > count:
                self.kill(self.workers.pop())
            while len(self.workers) < count:
                self.start_worker()
            return self._count() == count

        wait_for(complete, "the workers")

    def close(self) -> None:
        """End everything."""
        for process in [*self.workers, *([self.scheduler] if self.scheduler else [])]:
            self.kill(process)


@pytest.fixture(scope="session")
def dask_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """One for all tests, since it takes seconds to start: each says with `have` how many workers it needs."""
    # One death is enough for a piece to be suspected.
    running = DaskCluster(tmp_path_factory.mktemp("cluster"), DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0")
    try:
        yield running
    finally:
        running.close()
