"""`svc render` from and to an object store: moto's server, asked as the real one would be."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from urllib.request import Request, urlopen

import fsspec
import pytest

BUCKET = "speech"


@pytest.fixture
def store(monkeypatch, folder, write_speech):
    """A store with two recordings and a damaged one, and its file system."""
    from moto.server import ThreadedMotoServer
    from s3fs import S3FileSystem

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    # What an earlier server of this process held is still there.
    urlopen(Request(f"{endpoint}/moto-api/reset", method="POST")).close()
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    # Instances are kept by their arguments, which do not show the endpoint of an earlier test.
    S3FileSystem.clear_instance_cache()
    system = fsspec.filesystem("s3")
    system.mkdir(BUCKET)
    for name in ("a.wav", "deep/b.flac"):
        write_speech(folder / "in" / name)
        system.put_file(str(folder / "in" / name), f"{BUCKET}/in/{name}")
    system.pipe(f"{BUCKET}/in/broken.wav", b"no audio at all, " * 99)
    (folder / "in" / "broken.wav").write_bytes(b"no audio at all, " * 99)
    yield system
    S3FileSystem.clear_instance_cache()
    server.stop()


def outputs(system, place):
    system.invalidate_cache()
    return {name[len(place) + 1 :]: system.cat_file(name) for name in system.find(place) if ".streamvc" not in name}


def reports(result):
    return {report["input"]: report for report in map(json.loads, result.out.splitlines())}


@pytest.mark.parametrize("where", ["here", "cluster"])
def test_a_folder_is_rendered_and_resumed(svc, model, folder, store, dask_cluster, where):
    assert svc("render", "in", *model.options, "-o", "local").code == 4
    expected = {
        str(path.relative_to(folder / "local")): path.read_bytes()
        for path in (folder / "local").rglob("*")
        if path.is_file()
    }
    arguments = ["render", f"s3://{BUCKET}/in", *model.options, "-o", f"s3://{BUCKET}/out", "--resume", "--json"]
    with ExitStack() as stack:
        if where == "cluster":
            # One that knows the store.
            keys = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
            stack.enter_context(dask_cluster.odd_worker(others=0, **keys))
            arguments += ["--cluster", dask_cluster.file]
        first = svc(*arguments)
        assert first.code == 4, first.err
        found = reports(first)
        assert {name: report["ok"] for name, report in found.items()} == {
            f"s3://{BUCKET}/in/a.wav": True,
            f"s3://{BUCKET}/in/broken.wav": False,
            f"s3://{BUCKET}/in/deep/b.flac": True,
        }
        broken = found[f"s3://{BUCKET}/in/broken.wav"]["error"]
        assert broken.startswith(f"s3://{BUCKET}/in/broken.wav is not audio in a format that can be read here")
        assert outputs(store, f"{BUCKET}/out") == expected
        store.rm(f"{BUCKET}/out/a.wav")
        second = reports(svc(*arguments))
        skipped = {name: report["skipped"] for name, report in second.items() if report["ok"]}
        assert skipped == {f"s3://{BUCKET}/in/a.wav": False, f"s3://{BUCKET}/in/deep/b.flac": True}
        assert outputs(store, f"{BUCKET}/out") == expected


def test_one_file_from_a_path_to_an_address_and_back(svc, model, folder, store):
    result = svc("render", "in/a.wav", *model.options, "-o", f"s3://{BUCKET}/one.wav")
    assert result.code == 0, result.err
    assert result.out.startswith(f"in/a.wav -> s3://{BUCKET}/one.wav  0.4 s, ")
    # Without --resume there is no record.
    assert list(outputs(store, f"{BUCKET}/one.wav").values()) == [store.cat_file(f"{BUCKET}/one.wav")]
    assert store.ls(BUCKET) == [f"{BUCKET}/in", f"{BUCKET}/one.wav"]
    result = svc("render", f"s3://{BUCKET}/in/a.wav", *model.options, "-o", "one.wav")
    assert result.code == 0, result.err
    assert (folder / "one.wav").read_bytes() == store.cat_file(f"{BUCKET}/one.wav")
    again = svc("render", "in/a.wav", *model.options, "-o", f"s3://{BUCKET}/one.wav")
    assert again.code == 11
    assert again.err.startswith(f"Error: s3://{BUCKET}/one.wav exists already")


@pytest.mark.parametrize(
    ("source", "target", "code", "words"),
    [
        ("s3://speech/none.wav", "out.wav", 4, "There is no file s3://speech/none.wav"),
        ("s3://nobody/in/", "out", 4, "s3://nobody/in"),
        ("in/a.wav", "s3://nobody/a.wav", 11, "s3://nobody/a.wav"),
    ],
)
def test_what_is_not_there_is_one_sentence(svc, model, folder, store, source, target, code, words):
    result = svc("render", source, *model.options, "-o", target)
    assert result.code == code, result.err
    assert words in result.err
    assert result.err.startswith("Error: ")
    assert result.err.count("\n") == 1
