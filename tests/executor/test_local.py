"""Pieces in this process and in several: same results, errors per piece, an end without remains."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamvc.errors import AudioError, ConfigError, StreamVCError
from streamvc.executor import WorkerLost, open_executor
from streamvc.executor.processes import AHEAD
from streamvc.fault import FaultError
from tests.executor.works import Item, Squares


@pytest.fixture
def squares(tmp_path: Path) -> Squares:
    return Squares(tmp_path)


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_and_errors_come_once_for_each_item(
    squares: Squares, jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where faults are kept, by this process and by others.
    logs = tmp_path / "logs"
    logs.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(logs))
    monkeypatch.setenv("TMPDIR", str(logs))
    items = [Item(n, {3: "bad", 5: "fault"}.get(n, "square")) for n in range(12)]
    told: list[float] = []
    found = list(open_executor(jobs).map(squares, items, told.append, ordered=True))
    assert [done.number for done in found] == list(range(12))
    assert [done.item for done in found] == items
    assert [done.result for done in found if done.error is None] == [n * n for n in range(12) if n not in (3, 5)]
    assert type(found[3].error) is AudioError
    assert str(found[3].error) == "number 3 is bad: take another."
    assert type(found[5].error) is FaultError
    (log,) = logs.glob("streamvc-fault-*.log")
    assert str(found[5].error).startswith("number 5: An unexpected ZeroDivisionError (by nothing) is a fault")
    assert str(log) in str(found[5].error)
    with pytest.raises(AudioError, match="number 3"):
        found[3].value()
    assert sum(told) == 10
    assert len(squares.processes("start")) <= jobs
    assert squares.count("start") <= jobs


def test_unordered_results_do_not_wait_for_a_slow_one(squares: Squares) -> None:
    work = open_executor(2).map(squares, [Item(0, "hold"), *map(Item, range(1, 6))])
    first = [next(work).number for _ in range(5)]
    assert sorted(first) == [1, 2, 3, 4, 5]
    (squares.diary / "go").touch()
    assert [done.number for done in work] == [0]


def test_items_are_read_as_they_are_needed(squares: Squares) -> None:
    read = 0

    def items() -> Iterator[Item]:
        nonlocal read
        for n in range(1000):
            read += 1
            yield Item(n)

    work = open_executor(2).map(squares, items(), ordered=True)
    assert next(work).result == 0
    assert read <= 2 * AHEAD + 1
    work.close()


def test_a_killed_process_is_told_of(squares: Squares) -> None:
    with pytest.raises(WorkerLost, match="use a smaller number of --jobs"):
        list(open_executor(2).map(squares, [Item(0), Item(1, "kill"), Item(2)]))


def test_closing_stops_pieces_in_the_middle(squares: Squares) -> None:
    work = open_executor(2).map(squares, [Item(0), Item(1, "hold")])
    assert next(work).number == 0
    work.close()
    # Either it had begun and was stopped, or it was not begun; close has waited for the process.
    assert squares.count("stopped-1") == squares.count("begun-1")
    assert squares.count("done-1") == 0


def test_an_error_of_the_consumer_stops_the_pieces(squares: Squares) -> None:
    def consume() -> None:
        for _ in open_executor(2).map(squares, [Item(0), Item(1, "hold")]):
            raise KeyError

    with pytest.raises(KeyError):
        consume()
    assert squares.count("done-1") == 0


def test_errors_of_the_start_are_errors_of_all(tmp_path: Path) -> None:
    for jobs in (1, 2):
        with pytest.raises(StreamVCError, match="cannot start"):
            list(open_executor(jobs).map(Broken(tmp_path), [Item(1), Item(2)]))


class Broken(Squares):
    """Cannot start."""

    def start(self):  # type: ignore[no-untyped-def]
        raise StreamVCError("It cannot start: mend it.")


def test_options_that_make_no_sense() -> None:
    with pytest.raises(ConfigError, match="1 or more"):
        open_executor(0)
    with pytest.raises(ConfigError, match="give one of them"):
        open_executor(2, "tcp://nowhere:1")


def test_all_errors_survive_the_way_between_processes() -> None:
    def children(kind: type[StreamVCError]) -> list[type[StreamVCError]]:
        return [kind, *(one for child in kind.__subclasses__() for one in children(child))]

    for kind in children(StreamVCError):
        again = pickle.loads(pickle.dumps(kind("One sentence.")))
        assert (type(again), str(again)) == (kind, "One sentence.")
