"""Names find voices: the user's own, the built-in ones, and files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from streamvc.errors import OutputError, PresetError
from streamvc.presets import store
from streamvc.presets.format import Preset
from streamvc.presets.store import (
    delete_from_store,
    list_presets,
    resolve,
    save_to_store,
    user_folder,
    user_path,
)

MakePreset = Callable[..., Preset]


@pytest.fixture
def builtin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_preset: MakePreset) -> Path:
    """Built-in voices of the test's own: alice and martin."""
    path = tmp_path / "builtin"
    path.mkdir()
    for seed, name in enumerate(("alice", "martin")):
        make_preset(seed=seed, name=name).save(path / f"{name}.npz")
    monkeypatch.setattr(store, "builtin_folder", lambda: path)
    return path


def test_a_name_finds_a_built_in_voice(folder: Path, builtin: Path) -> None:
    assert resolve("alice") == Preset.load(builtin / "alice.npz")
    assert resolve("ALICE").name == "alice"


def test_the_users_voice_wins_over_a_built_in_one(folder: Path, builtin: Path, make_preset: MakePreset) -> None:
    folder.mkdir()
    mine = make_preset(seed=7, name="alice")
    mine.save(folder / "alice.npz")
    assert resolve("alice") == mine
    assert [(info.name, info.builtin) for info in list_presets()] == [("alice", False), ("martin", True)]


def test_case_decides_only_when_nothing_fits_exactly(folder: Path, builtin: Path, make_preset: MakePreset) -> None:
    folder.mkdir()
    for seed, name in enumerate(("Zoe", "zoe")):
        make_preset(seed=seed, name=name).save(folder / f"{name}.npz", overwrite=True)
    names = sorted(path.stem for path in folder.iterdir())  # one file where the disk ignores case
    for name in names:
        assert resolve(name).name == name
    assert resolve("ZOE").name in names


def test_a_file_may_be_renamed(folder: Path, builtin: Path, make_preset: MakePreset) -> None:
    make_preset(name="bob").save(builtin / "robert.npz")
    assert resolve("robert").name == "robert"
    assert resolve(builtin / "robert.npz").name == "bob"


def test_paths_are_loaded_as_they_are(folder: Path, builtin: Path, make_preset: MakePreset, tmp_path: Path) -> None:
    path = make_preset(seed=5).save(tmp_path / "voice.npz")
    assert resolve(path) == resolve(str(path)) == make_preset(seed=5)
    with pytest.raises(PresetError, match=r"no preset file .*alice\.npz"):
        resolve("alice.npz")  # a path here, where there is no such file
    with pytest.raises(PresetError, match="no preset file"):
        resolve(f".{os.sep}alice")


def test_a_relative_path_needs_no_folder(
    folder: Path, builtin: Path, make_preset: MakePreset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_preset(seed=5).save(tmp_path / "voice.npz")
    monkeypatch.chdir(tmp_path)
    assert resolve("voice.npz") == make_preset(seed=5)


def test_a_home_folder_is_expanded(
    folder: Path, builtin: Path, make_preset: MakePreset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    make_preset(seed=5).save(tmp_path / "voice.npz")
    assert resolve("~/voice.npz") == make_preset(seed=5)


@pytest.mark.parametrize(("typed", "meant"), [("alise", "alice"), ("Alicia", "alice"), ("martyn", "martin")])
def test_near_names_are_suggested(folder: Path, builtin: Path, typed: str, meant: str) -> None:
    with pytest.raises(PresetError, match=f"no preset '{typed}': did you mean {meant}"):
        resolve(typed)


def test_far_names_are_not(folder: Path, builtin: Path) -> None:
    with pytest.raises(PresetError, match="no preset 'xylophone': `svc preset list`") as caught:
        resolve("xylophone")
    assert "did you mean" not in str(caught.value)
    with pytest.raises(PresetError, match="no preset ''"):
        resolve("")


def test_a_damaged_file_is_listed_with_its_problem(folder: Path, builtin: Path, make_preset: MakePreset) -> None:
    folder.mkdir()
    (folder / "broken.npz").write_bytes(b"PK nothing")
    (folder / "notes.txt").write_text("not a preset")
    (folder / "-unsafe.npz").write_bytes(b"")
    make_preset(name="good").save(folder / "good.npz")
    entries = {info.name: info for info in list_presets()}
    assert list(entries) == ["alice", "broken", "good", "martin"]
    assert entries["broken"].preset is None
    assert "broken.npz is not a usable preset" in str(entries["broken"].problem)
    assert entries["good"].problem is None
    assert entries["good"].preset == make_preset(name="good")
    assert entries["good"].path == folder / "good.npz"
    with pytest.raises(PresetError, match="not a usable preset"):
        resolve("broken")


def test_a_user_folder_that_is_a_file_holds_no_voices(folder: Path, builtin: Path) -> None:
    folder.write_text("")
    assert [info.name for info in list_presets()] == ["alice", "martin"]


def test_saving_makes_the_folder_and_keeps_what_is_there(folder: Path, builtin: Path, make_preset: MakePreset) -> None:
    path = save_to_store(make_preset(seed=1))
    assert path == folder / "bob.npz" == user_path("bob")
    assert resolve("bob") == make_preset(seed=1)
    with pytest.raises(OutputError, match="exists already"):
        save_to_store(make_preset(seed=2))
    with pytest.raises(OutputError, match="exists already"):
        save_to_store(make_preset(seed=2, name="BOB"))
    assert save_to_store(make_preset(seed=2), overwrite=True) == path
    assert resolve("bob") == make_preset(seed=2)


def test_built_in_names_are_taken(folder: Path, builtin: Path, make_preset: MakePreset) -> None:
    with pytest.raises(PresetError, match="'alice' is the name of a built-in voice"):
        save_to_store(make_preset(name="Alice"), overwrite=True)
    assert not folder.exists()


def test_a_folder_that_cannot_be_made_is_reported(
    builtin: Path, make_preset: MakePreset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SVC_PRESETS", str(tmp_path / "file" / "voices"))
    with pytest.raises(OutputError, match=r"cannot be made .*set SVC_PRESETS"):
        save_to_store(make_preset())


def test_only_the_users_voices_can_be_deleted(folder: Path, builtin: Path, make_preset: MakePreset) -> None:
    path = save_to_store(make_preset())
    assert delete_from_store("bob") == path
    assert not path.exists()
    with pytest.raises(PresetError, match="no preset 'bob'"):
        delete_from_store("bob")
    with pytest.raises(PresetError, match="'alice' is a built-in voice"):
        delete_from_store("alice")
    assert (builtin / "alice.npz").exists()


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {"SVC_PRESETS": "/voices", "XDG_DATA_HOME": "/data"}, Path("/voices")),
        ("win32", {"SVC_PRESETS": "/voices", "APPDATA": "/roaming"}, Path("/voices")),
        ("linux", {"XDG_DATA_HOME": "/data"}, Path("/data/streamvc/presets")),
        ("linux", {"XDG_DATA_HOME": "data"}, Path.home() / ".local/share/streamvc/presets"),
        ("linux", {}, Path.home() / ".local/share/streamvc/presets"),
        ("darwin", {"XDG_DATA_HOME": "/data"}, Path.home() / "Library/Application Support/streamvc/presets"),
        ("win32", {"APPDATA": "/roaming"}, Path("/roaming/streamvc/presets")),
        ("win32", {}, Path.home() / "AppData/Roaming/streamvc/presets"),
    ],
)
def test_the_user_folder_follows_the_platform(platform: str, environment: dict[str, str], expected: Path) -> None:
    assert user_folder(environment, platform) == expected
