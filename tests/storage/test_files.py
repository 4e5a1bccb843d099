"""Files that appear whole, at paths and in stores without and with renaming."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from streamvc.errors import AudioError, OutputError, RuntimeUnavailableError
from streamvc.storage import Address, Place, as_place
from streamvc.storage.files import digest_of, exists, fetch, publish, read, scratch, sweep, walk, write


@pytest.fixture(params=["path", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A file that is not there, in a folder that is not there: at a path, and in a store with renaming."""
    memory: Any = fsspec.filesystem("memory")
    yield tmp_path / "new" / "deep" / "a.bin" if request.param == "path" else as_place("memory://new/deep/a.bin")
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


def test_a_file_is_written_read_and_replaced(place: Place) -> None:
    assert not exists(place)
    assert read(place) is None
    write(place, b"one")
    assert exists(place)
    assert read(place) == b"one"
    first = digest_of(place)
    write(place, b"two")
    assert read(place) == b"two"
    assert digest_of(place) != first


def test_what_fails_leaves_nothing(place: Place, tmp_path: Path) -> None:
    def fail() -> None:
        with scratch(place, "run") as folder:
            (folder / place.name).write_bytes(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not exists(place)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_fails_in_the_middle_keeps_what_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    place = as_place("memory://kept/a.bin")
    write(place, b"old")
    memory: Any = fsspec.filesystem("memory")

    def broken(*arguments: object, **options: object) -> None:
        raise RuntimeError("the wire was cut")

    monkeypatch.setattr(type(memory), "mv", broken)
    with pytest.raises(OutputError, match=r"memory://kept/a.bin cannot be used \(RuntimeError: the wire was cut\)"):
        write(place, b"new")
    assert read(place) == b"old"
    assert memory.find("/kept") == ["/kept/a.bin"]


def test_scratch_at_a_path_lies_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.bin"
    with scratch(target, "run") as folder:
        assert folder.parent == target.parent
        (folder / "a.bin").write_bytes(b"x")
        publish(folder / "a.bin", target)
    assert [path.name for path in target.parent.iterdir()] == ["a.bin"]


def test_sweep_removes_the_remains_of_one_run_only(tmp_path: Path) -> None:
    for run in ("mine", "yours"):
        (tmp_path / f".{run}-0.part").mkdir()
    sweep(tmp_path, "mine")
    assert [path.name for path in tmp_path.iterdir()] == [".yours-0.part"]


def test_walk_finds_files_in_order_and_none_in_hidden_folders() -> None:
    for name in ("b.wav", "a/c.wav", ".streamvc/a.json", "a/.x.wav"):
        write(as_place(f"memory://walked/{name}"), b"")
    found = [str(one) for one in walk(Address("memory://walked"))]
    assert found == [f"memory://walked/{name}" for name in ("a/.x.wav", "a/c.wav", "b.wav")]


def test_folders_that_are_left_again_need_not_be_there(tmp_path: Path) -> None:
    place = tmp_path / "missing" / ".." / "a.bin"
    with scratch(place, "run") as folder:
        (folder / "a.bin").write_bytes(b"x")
        publish(folder / "a.bin", place)
    assert exists(place)
    assert read(place) == b"x"
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_missing_files_and_packages_are_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AudioError, match=r"There is no file memory://none\.wav"):
        fetch(Address("memory://none.wav"), tmp_path / "x")
    with pytest.raises(AudioError, match="There is no file"):
        digest_of(tmp_path / "none")
    with pytest.raises(OutputError, match=r"unheard://of cannot be used .*Protocol not known"):
        exists(Address("unheard://of"))
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(RuntimeUnavailableError, match="For gs:// addresses a package is missing"):
        exists(Address("gs://bucket/a.wav"))
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(RuntimeUnavailableError, match=r"the package fsspec is missing: run pip install"):
        exists(Address("s3://bucket/a.wav"))
