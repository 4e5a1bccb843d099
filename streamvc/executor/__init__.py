"""Pieces of work that do not depend on each other, done in this process, in several, or on a cluster.

    from streamvc.executor import open_executor

    executor = open_executor(jobs=4)                              # or cluster="tcp://host:8786"
    for done in executor.map(work, items, tell):
        ...                                                       # done.result, or done.error in one sentence

A `Work` says what is loaded once by whoever works and what is done with each item. All three executors give the same
results; only the order in which they come may differ, and `ordered=True` fixes that too.
"""

from __future__ import annotations

from collections.abc import Callable

from streamvc.errors import ConfigError
from streamvc.executor.work import Call, Done, Executor, Stopped, Work, WorkerLost

__all__ = ["Call", "Done", "Executor", "Stopped", "Work", "WorkerLost", "open_executor"]


def open_executor(
    jobs: int = 1, cluster: str | None = None, say: Callable[[str], None] = lambda line: None
) -> Executor:
    """The executor that the options of a command ask for.

    Args:
        jobs: processes of this machine; 1 works in this one.
        cluster: address of a Dask scheduler (`tcp://host:8786`, `tls://...`), or the path of its scheduler file.
        say: takes lines about workers and connections that are in trouble.

    Raises:
        ConfigError: `jobs` is less than 1, or both are asked for.
        RuntimeUnavailableError: a cluster is asked for and `distributed` is not installed.
    """
    if jobs < 1:
        raise ConfigError(f"{jobs} processes cannot work: --jobs is 1 or more.")
    # Each is imported when it is asked for: most commands need none, and start sooner.
    if cluster is None and jobs == 1:
        from streamvc.executor.here import Here

        return Here()
    if cluster is None:
        from streamvc.executor.processes import Processes

        return Processes(jobs)
    if jobs > 1:
        raise ConfigError("--jobs counts processes of this machine and --cluster names others: give one of them.")
    from streamvc.executor.cluster import Cluster

    return Cluster(cluster, say)
