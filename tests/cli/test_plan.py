from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from streamvc.cli.plan import Job, plan
from streamvc.errors import AudioError, ConfigError, OutputError
from streamvc.storage import as_place


def tree(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def targets(jobs):
    return [str(job.target) for job in jobs]


def test_one_file_goes_where_it_is_told(folder):
    assert plan([Path("a.wav")], Path("x/b.flac"), "alice") == [Job(Path("a.wav"), Path("x/b.flac"))]


def test_one_file_goes_into_a_folder_that_is_there_or_ends_with_a_slash(folder):
    (folder / "out").mkdir()
    assert targets(plan([Path("in/a.wav")], Path("out"), "alice")) == ["out/a.wav"]


def test_without_a_place_the_voice_stands_in_the_name(folder):
    assert targets(plan([Path("in/a.wav"), Path("b.flac")], None, "alice")) == ["in/a-alice.wav", "b-alice.flac"]


@pytest.mark.parametrize(
    ("source", "format_", "target"),
    [
        ("a.wav", None, "a-v.wav"),
        ("a.WAV", None, "a-v.WAV"),
        ("a.m4a", None, "a-v.wav"),
        ("a", None, "a-v.wav"),
        ("a.wav", "flac", "a-v.flac"),
        ("a.aif", "aiff", "a-v.aif"),
        ("a.b.mp3", "ogg", "a.b-v.ogg"),
    ],
)
def test_the_ending_says_the_format(folder, source, format_, target):
    assert targets(plan([Path(source)], None, "v", format_)) == [target]


def test_a_folder_is_walked_and_its_shape_kept(folder):
    tree(folder, "in/b.wav", "in/a.FLAC", "in/sub/c.mp3", "in/notes.txt", "in/.hidden.wav", "in/.git/d.wav")
    jobs = plan([Path("in")], Path("out"), "alice")
    assert [str(job.source) for job in jobs] == ["in/a.FLAC", "in/b.wav", "in/sub/c.mp3"]
    assert targets(jobs) == ["out/a.FLAC", "out/b.wav", "out/sub/c.mp3"]


def test_a_folder_without_a_place_gets_a_neighbour(folder):
    tree(folder, "in/a.wav")
    assert targets(plan([Path("in")], None, "alice")) == [str(folder / "in-alice" / "a.wav")]


def test_results_inside_the_folder_are_not_rendered_again(folder):
    tree(folder, "a.wav", "out/a.wav", "out/sub/b.wav", "other/c.wav")
    assert targets(plan([Path(".")], Path("out"), "alice")) == ["out/a.wav", "out/other/c.wav"]


def test_files_and_folders_together(folder):
    tree(folder, "in/a.wav", "b.wav")
    assert targets(plan([Path("b.wav"), Path("in")], Path("out"), "alice")) == ["out/b.wav", "out/a.wav"]


def test_two_inputs_of_one_name(folder):
    with pytest.raises(ConfigError, match=r"x/a.wav and y/A.wav would both"):
        plan([Path("x/a.wav"), Path("y/A.wav")], Path("out"), "alice")


def test_a_folder_without_audio(folder):
    tree(folder, "in/notes.txt")
    with pytest.raises(AudioError, match="no audio files"):
        plan([Path("in")], Path("out"), "alice")


def test_several_files_do_not_fit_into_one(folder):
    tree(folder, "out", "in/a.wav")
    for inputs, output in (
        ([Path("a.wav"), Path("b.wav")], Path("c.wav")),
        ([Path("a.wav"), Path("b.wav")], Path("out")),
        ([Path("in")], Path("out")),
    ):
        with pytest.raises(OutputError, match="give a folder"):
            plan(inputs, output, "alice")


def test_an_address_is_walked_as_a_folder_is(folder, monkeypatch):
    from streamvc.cli import plan as module

    monkeypatch.setattr(module, "find_spec", lambda name: None)
    memory = fsspec.filesystem("memory")
    names = "b.opus a.FLAC sub/c.mp3 sub/.hidden.wav .streamvc/a.wav film.mp4 notes.txt out/d.wav"
    for name in names.split():
        memory.pipe(f"/in/{name}", b"")
    told = []
    try:
        jobs = plan(
            [as_place("memory://in")], as_place("memory://in/out"), "v", on_left_out=lambda *what: told.append(what)
        )
    finally:
        memory.store.clear()
        memory.pseudo_dirs[:] = [""]
    assert [str(job.source) for job in jobs] == [f"memory://in/{name}" for name in ("a.FLAC", "b.opus", "sub/c.mp3")]
    assert targets(jobs) == [f"memory://in/out/{name}" for name in ("a.FLAC", "b.wav", "sub/c.mp3")]
    assert [(str(place), why[:20]) for place, why in told] == [
        ("memory://in/film.mp4", "its format needs an "),
        ("memory://in/out", "it is where the resu"),
        ("memory://in/sub/.hidden.wav", "it is hidden"),
    ]
