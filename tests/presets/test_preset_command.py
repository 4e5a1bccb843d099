"""`svc preset` as it is typed."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from streamvc.cli.preset import SeveralValues, note_of, preset
from streamvc.errors import AudioError, OutputError, PresetError
from streamvc.presets import store
from streamvc.presets.blend import blend
from streamvc.presets.format import Preset

MakePreset = Callable[..., Preset]
Say = Callable[..., np.ndarray]


@pytest.fixture
def builtin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_preset: MakePreset) -> Path:
    """Built-in voices of the test's own: alice (200 Hz) and victor (90 Hz)."""
    path = tmp_path / "builtin"
    path.mkdir()
    for seed, (name, hz, sex) in enumerate((("alice", 200.0, "f"), ("victor", 90.0, "m"))):
        voice = make_preset(
            seed=seed, name=name, log_f0_mean=math.log(hz), sex=sex, description=f"This is {name}", source="A corpus"
        )
        voice.save(path / f"{name}.npz")
    monkeypatch.setattr(store, "builtin_folder", lambda: path)
    return path


def run(*arguments: str | Path, **options: Any) -> Result:
    return CliRunner().invoke(preset, [str(argument) for argument in arguments], **options)


def succeed(*arguments: str | Path, **options: Any) -> str:
    result = run(*arguments, **options)
    assert result.exit_code == 0, result.output
    return result.stdout


# Several values after one option


@click.command(cls=SeveralValues)
@click.argument("name")
@click.option("--from", "files", multiple=True, required=True)
@click.option("--note", default="")
@click.option("--flag", is_flag=True)
def probe(name: str, files: tuple[str, ...], note: str, flag: bool) -> None:
    click.echo(json.dumps([name, files, note, flag]))


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("bob --from a", ["a"]),
        ("bob --from a b c", ["a", "b", "c"]),
        ("bob --from a b --from c", ["a", "b", "c"]),
        ("--note n bob --from a b", ["a", "b"]),
        ("bob --from=a b", ["a", "b"]),
        ("--from a --flag bob", ["a"]),
        ("bob --from a - b", ["a", "-", "b"]),
        ("bob --from a --note -b", ["a"]),
        ("--from a b -- bob", ["a", "b"]),
    ],
)
def test_an_option_takes_several_values(line: str, files: list[str]) -> None:
    result = CliRunner().invoke(probe, line.split())
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)[:2] == ["bob", files]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("bob a b --from c", "unexpected extra argument"),
        ("bob", "Missing option '--from'"),
        ("bob --from", "requires an argument"),
        ("--from a b", "Missing argument 'NAME'"),
        ("bob --from a --flag b", "unexpected extra argument"),
    ],
)
def test_a_wrong_line_is_a_usage_error(line: str, words: str) -> None:
    result = CliRunner().invoke(probe, line.split())
    assert result.exit_code == 2
    assert words in result.output


# create


def test_create_makes_a_voice_that_can_be_found(
    folder: Path, builtin: Path, small_weights: Path, say: Say, tmp_path: Path
) -> None:
    files = [tmp_path / "a.wav", tmp_path / "b.wav"]
    for file in files:
        soundfile.write(file, say(6.0, 120.0), 16_000)
    meta = ("--description", "My own", "--licence", "CC0-1.0", "--consent", "I agree", "--sex", "m", "--gain", "-3")
    output = succeed("create", "bob", "--from", *files, *meta, "--weights", small_weights)
    assert "bob: " in output
    assert "12 s of speech" in output
    voice = store.resolve("bob")
    assert voice.f0_hz == pytest.approx(120, rel=0.02)
    assert (voice.description, voice.licence, voice.consent) == ("My own", "CC0-1.0", "I agree")
    assert (voice.sex, voice.gain, voice.source) == ("m", -3.0, "a.wav, b.wav")
    assert len(voice.created) == len("2026-01-31")
    assert (folder / "bob.npz").is_file()


def test_create_writes_elsewhere_and_warns(
    folder: Path, builtin: Path, small_weights: Path, say: Say, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "a.wav", say(5.0), 16_000)
    arguments = ("create", "bob", "--from", tmp_path / "a.wav", "--weights", small_weights, "-o", tmp_path / "x.npz")
    result = run(*arguments)
    assert result.exit_code == 0
    assert "Warning: A voice from 5.0 s of speech is a rough one" in result.stderr
    assert Preset.load(tmp_path / "x.npz").name == "bob"
    assert not folder.exists()
    with pytest.raises(OutputError, match="exists already"):
        run(*arguments, catch_exceptions=False)
    assert run(*arguments, "--overwrite").exit_code == 0


def test_create_refuses_before_it_works(folder: Path, builtin: Path, make_preset: MakePreset, tmp_path: Path) -> None:
    store.save_to_store(make_preset())
    nothing = tmp_path / "gone.wav"  # never looked for
    with pytest.raises(OutputError, match="exists already"):
        run("create", "bob", "--from", nothing, catch_exceptions=False)
    with pytest.raises(PresetError, match="built-in voice"):
        run("create", "alice", "--from", nothing, catch_exceptions=False)
    with pytest.raises(PresetError, match=r"name '\.\./bob'"):
        run("create", "../bob", "--from", nothing, catch_exceptions=False)
    with pytest.raises(AudioError, match="There is no file"):
        run("create", "new", "--from", nothing, catch_exceptions=False)
    assert sorted(path.name for path in folder.iterdir()) == ["bob.npz"]


# list


def test_list_prints_the_voices_low_to_high(folder: Path, builtin: Path, make_preset: MakePreset) -> None:
    store.save_to_store(make_preset(sex="unknown", source="x" * 60))
    lines = succeed("list").splitlines()
    assert lines[0].split() == ["NAME", "SEX", "PITCH", "KIND", "ORIGIN", "DESCRIPTION"]
    assert [line.split()[0] for line in lines[1:]] == ["victor", "bob", "alice"]
    assert lines[1].split() == ["victor", "m", "74-110", "Hz", "F#2", "built-in", "A", "corpus", "This", "is", "victor"]
    assert lines[2].split()[1:6] == ["?", "98-147", "Hz", "B2", "yours"]
    assert "x" * 39 + "…  A low voice" in lines[2]
    assert len({line.index("This is") for line in lines if "This is" in line}) == 1


def test_list_warns_of_broken_files(folder: Path, builtin: Path) -> None:
    folder.mkdir()
    (folder / "broken.npz").write_bytes(b"nothing")
    result = run("list")
    assert result.exit_code == 0
    assert "broken" not in result.stdout
    assert "broken.npz is not a usable preset" in result.stderr


def test_list_as_json_holds_everything(folder: Path, builtin: Path, make_preset: MakePreset) -> None:
    store.save_to_store(make_preset(description="é"))
    (folder / "broken.npz").write_bytes(b"nothing")
    entries = json.loads(succeed("list", "--json"))
    assert [entry["name"] for entry in entries] == ["victor", "bob", "alice", "broken"]
    bob, broken = entries[1], entries[3]
    assert bob["path"] == str(folder / "bob.npz")
    assert (bob["builtin"], bob["problem"], bob["description"]) == (False, None, "é")
    assert (bob["f0_hz"], bob["f0_low_hz"], bob["f0_high_hz"], bob["note"]) == (120.0, 98.25, 146.57, "B2")
    assert bob["licence"] == "CC-BY-4.0"
    assert "not a usable preset" in broken["problem"]


def test_list_of_nothing_is_a_head(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "builtin_folder", lambda: tmp_path / "none")
    assert len(succeed("list").splitlines()) == 1
    assert json.loads(succeed("list", "--json")) == []


@pytest.mark.parametrize(("hz", "note"), [(440.0, "A4"), (220.0, "A3"), (261.63, "C4"), (90.0, "F#2"), (246.0, "B3")])
def test_notes(hz: float, note: str) -> None:
    assert note_of(hz) == note


# show


def test_show_prints_all_facts(folder: Path, builtin: Path, make_preset: MakePreset, tmp_path: Path) -> None:
    output = succeed("show", "alice")
    facts = dict(line.split(None, 1) for line in output.splitlines())
    assert facts["name"] == "alice"
    assert facts["pitch"] == "164-244 Hz around 200 Hz (G3)"
    assert facts["licence"] == "CC-BY-4.0"
    assert facts["consent"] == "Bob agreed"
    assert facts["model"] == "0123456789abcdef"
    assert "blend" not in facts
    path = make_preset(name="c", licence="", parents=(("a", 0.25), ("b", 0.75))).save(tmp_path / "c.npz")
    output = succeed("show", path)
    assert "blend of     25 % a, 75 % b" in output
    assert "licence      unknown" in output


def test_show_as_json_is_the_meta(folder: Path, builtin: Path) -> None:
    facts = json.loads(succeed("show", "victor", "--json"))
    assert facts.items() >= store.resolve("victor").meta().items()
    assert facts["f0_hz"] == 90.0


def test_show_suggests_near_names(folder: Path, builtin: Path) -> None:
    with pytest.raises(PresetError, match="did you mean victor"):
        run("show", "viktor", catch_exceptions=False)


# blend and delete


def test_blend_as_in_the_manual(folder: Path, builtin: Path) -> None:
    output = succeed("blend", "alice", "victor", "--weight", "0.3")
    assert output.startswith("alice-victor-30: ")
    alice, victor = store.resolve("alice"), store.resolve("victor")
    assert store.resolve("alice-victor-30") == blend(alice, victor, 0.3, "alice-victor-30")


def test_blend_with_a_name_or_into_a_file(folder: Path, builtin: Path, tmp_path: Path) -> None:
    succeed("blend", "alice", "victor", "--name", "mixed", "--description", "Half and half")
    assert store.resolve("mixed").description == "Half and half"
    assert store.resolve("mixed").parents == (("alice", 0.5), ("victor", 0.5))
    with pytest.raises(OutputError, match="exists already"):
        run("blend", "alice", "victor", "--name", "mixed", catch_exceptions=False)
    succeed("blend", "victor", "alice", "--name", "mixed", "--overwrite")
    assert store.resolve("mixed").parents == (("victor", 0.5), ("alice", 0.5))
    succeed("blend", "alice", folder / "mixed.npz", "-o", tmp_path / "more.npz")
    assert Preset.load(tmp_path / "more.npz").name == "more"


def test_blend_refuses_weights_and_names(folder: Path, builtin: Path) -> None:
    for weight in ("1.5", "nan", "-1"):
        with pytest.raises(PresetError, match="weight of a blend"):
            run("blend", "alice", "victor", "--weight", weight, catch_exceptions=False)
    assert run("blend", "alice", "victor", "--weight", "much").exit_code == 2
    with pytest.raises(PresetError, match="built-in voice"):
        run("blend", "alice", "victor", "--name", "victor", catch_exceptions=False)
    with pytest.raises(PresetError, match="no preset 'nobody'"):
        run("blend", "alice", "nobody", catch_exceptions=False)
    assert not folder.exists()


def test_delete_asks_first(folder: Path, builtin: Path, make_preset: MakePreset) -> None:
    path = store.save_to_store(make_preset())
    assert run("delete", "bob", input="n\n").exit_code == 1
    assert path.exists()
    assert str(path) in succeed("delete", "bob", "--yes")
    assert not path.exists()
    with pytest.raises(PresetError, match="built-in voice and cannot be deleted"):
        run("delete", "alice", "--yes", catch_exceptions=False)


def test_none_of_this_imports_torch(folder: Path, make_preset: MakePreset) -> None:
    store.save_to_store(make_preset(name="one"))
    store.save_to_store(make_preset(name="two"))
    code = (
        "import sys; from streamvc.cli.preset import preset\n"
        "for line in ('--help', 'create --help', 'list', 'list --json', 'show one', 'blend one two'):\n"
        "    preset(line.split(), standalone_mode=False)\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    assert store.resolve("one-two-50").name == "one-two-50"


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("show viktor", 5, "Error: There is no preset 'viktor'"),
        ("show gone.npz", 5, "Error: There is no preset file gone.npz"),
        ("blend mine mine --weight 2", 5, "Error: The weight of a blend"),
        ("create new --from gone.wav", 4, "Error: There is no file gone.wav"),
        ("blend mine mine --name mine", 11, "Error: "),
        ("create a/b --from gone.wav", 5, "Error: The name 'a/b' cannot be a preset's"),
    ],
)
def test_whoever_types_it_wrong_reads_one_sentence(
    folder: Path, make_preset: MakePreset, line: str, code: int, words: str
) -> None:
    store.save_to_store(make_preset(name="mine"))
    command = [sys.executable, "-m", "streamvc.cli.main", "preset", *line.split()]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == code
    assert result.stdout == ""
    assert result.stderr.startswith(words)
    assert result.stderr.endswith(".\n")
    assert result.stderr.count("\n") == 1


def test_delete_looks_before_it_asks(folder: Path, builtin: Path, make_preset: MakePreset) -> None:
    for name in ("alice", "nobody"):
        with pytest.raises(PresetError):
            run("delete", name, input="y\n", catch_exceptions=False)
    store.save_to_store(make_preset())
    result = run("delete", "bob", input="n\n")
    assert str(folder / "bob.npz") in result.stdout + result.stderr


def test_rename(folder: Path, builtin: Path, make_preset: MakePreset) -> None:
    store.save_to_store(make_preset())
    store.save_to_store(make_preset(name="eve"))
    succeed("rename", "BOB", "robert")
    assert sorted(path.name for path in folder.iterdir()) == ["eve.npz", "robert.npz"]
    assert store.resolve("robert").name == "robert"
    succeed("rename", "robert", "Robert")
    assert sorted(path.name for path in folder.iterdir()) == ["Robert.npz", "eve.npz"]
    for old, new, error in (
        ("Robert", "eve", OutputError),
        ("Robert", "alice", PresetError),
        ("Robert", "../x", PresetError),
        ("Robert", "Robert", OutputError),
        ("alice", "mine", PresetError),
        ("nobody", "mine", PresetError),
    ):
        with pytest.raises(error):
            run("rename", old, new, catch_exceptions=False)
    succeed("rename", "Robert", "eve", "--overwrite")
    assert [path.name for path in folder.iterdir()] == ["eve.npz"]


def test_export(folder: Path, builtin: Path, make_preset: MakePreset, tmp_path: Path) -> None:
    store.save_to_store(make_preset())
    succeed("export", "bob", "-o", tmp_path / "x.npz")
    assert Preset.load(tmp_path / "x.npz").name == "bob"
    with pytest.raises(OutputError, match="exists already"):
        run("export", "bob", "-o", tmp_path / "x.npz", catch_exceptions=False)


def test_audition_writes_what_a_voice_sounds_like(tmp_path: Path, example_speech: Path) -> None:
    command = ["audition", "alice", "--speech", example_speech, "-o", tmp_path / "x.wav"]
    assert "written to" in succeed(*command)
    info = soundfile.info(tmp_path / "x.wav")
    assert (info.samplerate, info.channels) == (16_000, 1)
    assert info.frames == min(soundfile.info(example_speech).frames, 160_000)
    with pytest.raises(OutputError, match="the input itself"):
        run("audition", "alice", "--speech", example_speech, "-o", example_speech, catch_exceptions=False)
