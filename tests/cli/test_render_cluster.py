"""`svc render --cluster` with a real scheduler and real workers: every good file once, none half."""

from __future__ import annotations

import json
import signal

import pytest

from tests.dask_cluster import wait_for


@pytest.fixture
def many(folder, write_speech):
    """Two hundred short files, three of them poisoned."""
    write_speech(folder / "in" / "000.wav", 0.05)
    data = (folder / "in" / "000.wav").read_bytes()
    for number in range(1, 200):
        (folder / "in" / f"{number:03}.wav").write_bytes(data)
    (folder / "in" / "050.wav").write_bytes(b"")
    (folder / "in" / "100.wav").write_bytes(data[:-400])
    (folder / "in" / "150.wav").write_bytes(b"no audio at all, " * 99)
    return folder / "in"


def outputs(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".streamvc" not in path.parts
    }


def test_a_poisoned_file_among_hundreds_and_a_worker_that_is_killed(
    dask_cluster, start, svc, model, folder, many
):
    local = svc("render", "in", *model.options, "-o", "local", "--json")
    dask_cluster.have(2)
    process = start("render", "in", *model.options, "-o", "out", "--json", "--cluster", dask_cluster.file, cwd=folder)
    wait_for(lambda: process.poll() is not None or len(list((folder / "out").glob("*.wav"))) >= 20, "some outputs")
    dask_cluster.kill(dask_cluster.workers[0])
    out, err = process.communicate(timeout=240)
    assert process.returncode == local.code == 4
    reports = [json.loads(line) for line in out.splitlines()]
    assert sorted(report["input"] for report in reports) == sorted(f"in/{number:03}.wav" for number in range(200))
    # The same sentences, and the same bytes.
    expected = [json.loads(line) for line in local.out.splitlines()]
    failed = {report["input"]: report["error"] for report in reports if not report["ok"]}
    assert failed == {report["input"]: report["error"] for report in expected if not report["ok"]}
    assert sorted(failed) == ["in/050.wav", "in/100.wav", "in/150.wav"]
    assert outputs(folder / "out") == outputs(folder / "local")
    assert len(outputs(folder / "out")) == 197
    # All were made in this run, and nothing is left of the worker that died.
    runs = {json.loads(path.read_text())["run"] for path in (folder / "out" / ".streamvc").iterdir()}
    assert len(runs) == 1
    assert sorted(path.name for path in (folder / "out").iterdir() if path.name.startswith(".")) == [".streamvc"]
    assert "Traceback" not in err


def test_an_interrupt_and_what_follows(dask_cluster, start, svc, model, folder, write_speech):
    dask_cluster.have(2)
    write_speech(folder / "in" / "a.wav")
    # Long enough not to be done before the interrupt comes.
    write_speech(folder / "in" / "long.wav", 1800.0, 8_000)
    arguments = ["render", "in", *model.options, "-o", "out", "--cluster", str(dask_cluster.file)]
    process = start(*arguments, cwd=folder, start_new_session=True)
    wait_for(
        lambda: process.poll() is not None
        or ((folder / "out" / "a.wav").exists() and list((folder / "out").glob(".*.part"))),
        "the second file",
    )
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=240)
    assert (process.returncode, err.strip()) == (130, "Interrupted: nothing unfinished was left behind.")
    assert sorted(outputs(folder / "out")) == ["a.wav"]
    assert list((folder / "out").glob(".*.part")) == []
    write_speech(folder / "in" / "long.wav", 0.3)
    refused = svc(*arguments)
    assert refused.code == 11
    assert refused.err == (
        "Error: out/a.wav exists already: choose another name or allow overwriting (--overwrite).\n"
    )
    result = svc(*arguments, "--resume")
    assert result.code == 0
    assert result.out.count("done before") == 3  # in two lines, and in the sum
    assert "0 of 2 files rendered, 2 were done before" in result.out


def test_a_full_disk_on_one_worker(dask_cluster, svc, model, folder, write_speech):
    for number in range(6):
        write_speech(folder / "in" / f"{number}.wav", 1.5)
    assert svc("render", "in", *model.options, "-o", "local").code == 0
    with dask_cluster.odd_worker(others=1, file_size=30_000):
        result = svc("render", "in", *model.options, "-o", "out", "--cluster", dask_cluster.file, "--json")
    assert result.code == 0, result.err
    assert [json.loads(line)["ok"] for line in result.out.splitlines()] == [True] * 6
    assert outputs(folder / "out") == outputs(folder / "local")
    # Who was in trouble is named, as far as it got anything to do.
    assert all("failed at" in line or "gets no more work" in line for line in result.err.splitlines())


def test_jobs_and_cluster_exclude_each_other(svc, model, folder):
    result = svc("render", "in.wav", *model.options, "--cluster", "tcp://x:1", "--jobs", "2")
    assert result.code == 2
    assert "give one of them" in result.err


def test_no_scheduler(svc, model, folder, write_speech, monkeypatch):
    monkeypatch.setattr("streamvc.executor.cluster._CONNECT", 1.0)
    write_speech(folder / "in.wav")
    result = svc("render", "in.wav", *model.options, "-o", "out.wav", "--cluster", "tcp://127.0.0.1:9")
    assert result.code == 14
    assert result.err.startswith("Error: No Dask scheduler answers at tcp://127.0.0.1:9: start one with")
    assert result.err.count("\n") == 1
