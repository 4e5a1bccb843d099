"""Pieces on a real cluster: the same results, and what becomes of pieces whose worker or scheduler is lost."""

from __future__ import annotations

import pickle
import re
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from streamvc.errors import AudioError, ClusterError
from streamvc.executor import Done, open_executor
from streamvc.executor.cluster import Cluster
from streamvc.executor.cluster_worker import do_piece
from tests.dask_cluster import DaskCluster, wait_for
from tests.executor.works import Item, Squares


@pytest.fixture
def cluster(dask_cluster: DaskCluster) -> DaskCluster:
    """Two workers, both there."""
    dask_cluster.have(2)
    return dask_cluster


@pytest.fixture
def squares(tmp_path: Path) -> Squares:
    return Squares(tmp_path)


class Running:
    """A `map` in a thread of its own, so that a test can do something to the cluster meanwhile."""

    def __init__(self, cluster: DaskCluster, work: Squares, items: Iterable[Item]) -> None:
        self.said: list[str] = []
        self.found: list[Done[Item, int]] = []
        self.error: BaseException | None = None
        executor = Cluster(str(cluster.file), self.said.append)

        def run() -> None:
            try:
                self.found.extend(executor.map(work, items))
            except BaseException as error:
                self.error = error

        self.thread = threading.Thread(target=run)
        self.thread.start()

    def results(self) -> dict[int, Any]:
        """Result or error of each item, once all are there."""
        self.thread.join(240)
        assert not self.thread.is_alive()
        if self.error is not None:
            raise self.error
        assert len({done.number for done in self.found}) == len(self.found)
        return {done.item.value: done.result if done.error is None else done.error for done in self.found}


class TestSteady:
    """On a cluster that stays as it is."""

    def test_results_and_errors_are_those_of_this_process(
        self, cluster: DaskCluster, squares: Squares
    ) -> None:
        items = [Item(n, {3: "bad", 5: "fault"}.get(n, "square")) for n in range(30)]
        told: list[float] = []
        found = list(open_executor(cluster=str(cluster.file)).map(squares, items, told.append, ordered=True))
        here = list(open_executor().map(squares, items))

        def told_of(done: Done[Item, int]) -> tuple[object, ...]:
            # Whoever meets a fault keeps a log of its own.
            return done.number, done.item, done.result, re.sub(r"with \S+\.log", "with a log", str(done.error))

        assert [told_of(done) for done in found] == [told_of(done) for done in here]
        assert type(found[3].error) is AudioError
        assert sum(told) == 28
        # A failure is looked at by a second worker, and all else is done once.
        assert squares.count("begun-3") == 2 + 1
        assert all(squares.count(f"done-{n}") == 1 + 1 for n in range(30) if n not in (3, 5))

    def test_workers_load_once_for_all_runs(self, cluster: DaskCluster, squares: Squares) -> None:
        for _ in range(3):
            assert len(list(open_executor(cluster=str(cluster.file)).map(squares, map(Item, range(8))))) == 8
        assert squares.count("start") == len(squares.processes("start")) <= 2

    def test_closing_stops_pieces_in_the_middle(self, cluster: DaskCluster, squares: Squares) -> None:
        work = open_executor(cluster=str(cluster.file)).map(squares, [Item(0), *(Item(n, "hold") for n in range(1, 9))])
        assert next(work).number == 0
        wait_for(lambda: squares.count("begun-*") > 1, "a piece that holds")
        work.close()
        wait_for(lambda: squares.count("stopped-*") == squares.count("begun-*") - 1, "the end of what had begun")
        assert squares.count("done-*") == 1
        # The workers are free again.
        assert len(list(open_executor(cluster=str(cluster.file)).map(squares, map(Item, range(10, 14))))) == 4

    def test_a_client_that_is_gone_stops_pieces_too(self, cluster: DaskCluster, squares: Squares) -> None:

        from distributed import Client


        client = Client(scheduler_file=str(cluster.file), set_as_default=False)
        future = client.submit(do_piece, pickle.dumps(squares), Item(1, "hold"), "run", "the-key", {}, key="the-key")
        wait_for(lambda: squares.count("begun-1"), "the piece")
        assert future.status == "pending"
        client.close()
        wait_for(lambda: squares.count("stopped-1"), "the end of the piece")

    def test_another_version_is_refused(self, cluster: DaskCluster, squares: Squares, monkeypatch: Any) -> None:
        from streamvc.executor import cluster as module

        real: Callable[..., dict[str, str]] = module.versions
        monkeypatch.setattr(module, "versions", lambda names: real(names) | {"numpy": "0.1"})
        said: list[str] = []
        with pytest.raises(ClusterError, match=r"has numpy .* where this command has 0\.1.*install the same"):
            list(Cluster(str(cluster.file), said.append).map(squares, [Item(1), Item(2)]))
        assert squares.count("start") == 0


def test_a_worker_that_is_killed_in_the_middle(cluster: DaskCluster, squares: Squares) -> None:
    running = Running(cluster, squares, [*(Item(n, "hold") for n in range(4)), *map(Item, range(4, 40))])
    wait_for(lambda: len(squares.processes("begun-*")) == 2, "pieces on both workers")
    cluster.kill(cluster.workers[0])
    (squares.diary / "go").touch()
    assert running.results() == {n: n * n for n in range(40)}
    # Nothing that was done is done again, and of what was not only the pieces that the dead worker had.
    assert all(squares.count(f"done-{n}") == 1 for n in range(40))
    assert sum(squares.count(f"begun-{n}") for n in range(40)) == 41


def test_a_worker_that_is_told_to_end_in_the_middle(cluster: DaskCluster, squares: Squares) -> None:
    running = Running(cluster, squares, [*(Item(n, "hold") for n in range(4)), *map(Item, range(4, 10))])
    wait_for(lambda: len(squares.processes("begun-*")) == 2, "pieces on both workers")
    cluster.workers[0].terminate()
    wait_for(lambda: squares.count("stopped-*"), "the end of its piece")
    cluster.workers[0].wait(240)
    (squares.diary / "go").touch()
    assert running.results() == {n: n * n for n in range(10)}


def test_a_piece_that_kills_its_workers_is_named_and_the_others_are_done(
    cluster: DaskCluster, squares: Squares
) -> None:
    running = Running(cluster, squares, [Item(n, "kill" if n == 7 else "square") for n in range(60)])
    wait_for(lambda: squares.count("begun-7") == 2, "the second death")
    # Another piece may have waited at the first worker and be suspected too; it is done by whoever comes next.
    cluster.have(1)
    found = running.results()
    error = found.pop(7)
    assert found == {n: n * n for n in range(60) if n != 7}
    assert type(error) is ClusterError
    assert str(error).startswith("number 7 ended every worker that took it up: check the file")
    # Once among others, and once alone.
    assert squares.count("begun-7") == 2


def test_a_worker_that_fails_where_others_do_not_gets_no_more(dask_cluster: DaskCluster, squares: Squares) -> None:
    # As a worker on whose machine the disk is full: everything fails there.
    with dask_cluster.odd_worker(others=1, TESTS_FAIL="1"):
        running = Running(dask_cluster, squares, [Item(n, "unless told") for n in range(30)])
        assert running.results() == {n: n * n for n in range(30)}
    assert sum("failed at number" in line for line in running.said) == squares.count("refused") >= 3
    assert sum("gets no more work" in line for line in running.said) == 1
    assert all(squares.count(f"done-{n}") == 1 for n in range(30))


def test_a_worker_with_several_threads_gets_no_work(dask_cluster: DaskCluster, squares: Squares) -> None:
    with dask_cluster.odd_worker("--nthreads", "2", others=1):
        # More than the one worker can hold, so that the other one is asked.
        running = Running(dask_cluster, squares, [*(Item(n, "hold") for n in range(4)), *map(Item, range(4, 30))])
        wait_for(lambda: any("has 2 threads" in line for line in list(running.said)), "a word about the threads")
        (squares.diary / "go").touch()
        assert running.results() == {n: n * n for n in range(30)}
    assert sum("has 2 threads where a piece of work needs one: start it with" in line for line in running.said) == 1


def test_a_scheduler_that_is_started_again(dask_cluster: DaskCluster, squares: Squares) -> None:
    dask_cluster.have(1)
    running = Running(dask_cluster, squares, [*map(Item, range(30)), Item(30, "hold")])
    wait_for(lambda: squares.count("begun-30"), "the last piece")
    assert dask_cluster.scheduler is not None
    dask_cluster.kill(dask_cluster.scheduler)
    wait_for(lambda: any("was lost" in line for line in list(running.said)), "a word about the scheduler")
    # Without its scheduler the worker drops what nobody waits for, and ends.
    wait_for(lambda: squares.count("stopped-30"), "the end of the piece")
    dask_cluster.workers[0].wait(240)
    dask_cluster.have(1)
    (squares.diary / "go").touch()
    assert running.results() == {n: n * n for n in range(31)}
    assert any("is back" in line for line in running.said)
    # What was reported before is not done again; a result that was on its way may be lost.
    assert sum(squares.count(f"done-{n}") for n in range(31)) <= 31 + 2


def test_no_scheduler(tmp_path: Path, squares: Squares, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamvc.executor.cluster._CONNECT", 1.0)
    for address in (str(tmp_path / "scheduler.json"), "tcp://127.0.0.1:9", "nonsense://here"):
        with pytest.raises(ClusterError, match=r"No Dask scheduler answers at .*start one with `dask scheduler`"):
            list(open_executor(cluster=address).map(squares, [Item(1)]))


def test_no_worker(dask_cluster: DaskCluster, squares: Squares) -> None:
    said: list[str] = []
    dask_cluster.have(0)
    with pytest.raises(ClusterError, match="has had no worker for 0 s"):
        list(Cluster(str(dask_cluster.file), said.append, patience=0.0).map(squares, [Item(1)]))
    assert said == ["The cluster has no worker: waiting for one; Ctrl-C ends."]
