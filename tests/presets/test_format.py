"""Presets go to disk and come back; whatever else comes from disk is refused with a sentence."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import os
import pickle
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvc.controls import Controls
from streamvc.errors import OutputError, PresetError
from streamvc.presets.archive import MAX_BYTES, pack
from streamvc.presets.format import SCHEMA, Preset, check_model

MakePreset = Callable[..., Preset]


def arrays_of(preset: Preset) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(preset.to_bytes()), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def with_meta(preset: Preset, **changes: Any) -> bytes:
    """The preset's bytes with entries of its meta changed; None removes one."""
    arrays = arrays_of(preset)
    meta = json.loads(arrays["meta"].tobytes()) | changes
    text = json.dumps({key: value for key, value in meta.items() if value is not None})
    return pack(arrays | {"meta": np.frombuffer(text.encode(), np.uint8)})


def refusal(data: bytes) -> str:
    with pytest.raises(PresetError) as caught:
        Preset.from_bytes(data, "voice.npz")
    message = str(caught.value)
    assert message.startswith("voice.npz ")
    assert message.endswith(".")
    assert "\n" not in message
    return message


# Round trips


def test_every_field_survives_the_file(make_preset: MakePreset, tmp_path: Path) -> None:
    preset = make_preset(
        name="élise 2",
        description="“Quoted”, é, 小",
        sex="other",
        pitch=-3.5,
        formant=1,
        gain=-6.0,
        parents=(("alice", 0.25), ("bob", 0.75)),
    )
    path = preset.save(tmp_path / "voice.npz")
    again = Preset.load(path)
    for field in dataclasses.fields(Preset):
        value, expected = getattr(again, field.name), getattr(preset, field.name)
        assert np.array_equal(value, expected) if field.name == "latent" else value == expected
    assert again == preset
    assert hash(again) == hash(preset)
    assert again.latent.dtype == np.float32


@given(
    latent=st.lists(st.floats(-100, 100, width=32), min_size=64, max_size=64),
    mean=st.floats(math.log(40), math.log(800)),
    std=st.floats(0.01, 1.5),
    text=st.text(max_size=60).filter(str.isprintable),
)
@settings(max_examples=50, deadline=None)
def test_any_valid_preset_survives_its_bytes(latent: list[float], mean: float, std: float, text: str) -> None:
    preset = Preset("x", np.array(latent, np.float32), mean, std, "model", description=text)
    again = Preset.from_bytes(preset.to_bytes(), "x")
    assert again == preset
    assert again.latent.tobytes() == preset.latent.tobytes()
    assert (again.log_f0_mean, again.log_f0_std, again.description) == (mean, std, text)


def test_numpy_reads_the_file_without_pickles(make_preset: MakePreset) -> None:
    preset = make_preset()
    arrays = arrays_of(preset)
    assert sorted(arrays) == ["latent", "log_f0", "meta"]
    assert np.array_equal(arrays["latent"], preset.latent)
    assert arrays["log_f0"].tolist() == [preset.log_f0_mean, preset.log_f0_std]
    assert json.loads(arrays["meta"].tobytes())["schema"] == 1


def test_numpys_own_compressed_file_is_read(make_preset: MakePreset) -> None:
    preset = make_preset()
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays_of(preset))  # type: ignore[arg-type]
    assert Preset.from_bytes(stream.getvalue(), "x") == preset


def test_equal_presets_give_equal_bytes_in_any_process(make_preset: MakePreset, tmp_path: Path) -> None:
    preset = make_preset(pitch=0)
    assert preset.to_bytes() == make_preset(pitch=0.0).to_bytes()
    preset.save(tmp_path / "a.npz")
    code = (
        "import sys; from streamvc.presets.format import Preset;"
        "Preset.load(sys.argv[1]).save(sys.argv[2]); assert 'torch' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.npz"), str(tmp_path / "b.npz")], check=True, env=environment
    )
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes() == preset.to_bytes()


def test_the_latent_is_a_copy_that_nobody_can_change(make_preset: MakePreset) -> None:
    latent = np.ones(64, np.float32)
    preset = make_preset(latent=latent)
    latent[0] = 5.0
    assert preset.latent[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        preset.latent[0] = 2.0


def test_voice_and_controls_are_the_presets(make_preset: MakePreset) -> None:
    preset = make_preset(pitch=2.0, formant=-1.0)
    voice = preset.voice()
    assert np.array_equal(voice.latent, preset.latent)
    assert (voice.log_f0_mean, voice.log_f0_std) == (preset.log_f0_mean, preset.log_f0_std)
    assert preset.controls() == Controls(pitch_semitones=2.0, formant_semitones=-1.0)


def test_the_pitch_range_is_one_deviation_around_the_mean(make_preset: MakePreset) -> None:
    preset = make_preset(log_f0_mean=math.log(200.0), log_f0_std=math.log(1.25))
    assert preset.f0_hz == pytest.approx(200.0)
    assert preset.f0_range_hz == pytest.approx((160.0, 250.0))


# Another model


def test_a_preset_of_this_model_is_accepted(make_preset: MakePreset) -> None:
    check_model(make_preset(model="abc"), "abc")


def test_a_preset_of_another_model_says_how_to_make_it_anew(make_preset: MakePreset) -> None:
    words = r"'my voice'.*another model \(abc, this one is def\).*create 'my voice' --from"
    with pytest.raises(PresetError, match=words):
        check_model(make_preset(name="my voice", model="abc"), "def")


# Fields


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "../bob"}, "name '../bob'"),
        ({"name": 7}, "name 7"),
        ({"latent": np.zeros(63)}, r"shape \[64\], not \[63\]"),
        ({"latent": np.zeros((1, 64))}, r"shape \[64\]"),
        ({"latent": np.full(64, np.nan)}, "NaN"),
        ({"latent": np.full(64, -np.inf)}, "NaN or infinite"),
        ({"latent": np.full(64, 2e3)}, "beyond 1000"),
        ({"latent": ["a"] * 64}, "64 numbers"),
        ({"log_f0_mean": math.log(39.0)}, "mean of ln"),
        ({"log_f0_mean": math.log(801.0)}, "mean of ln"),
        ({"log_f0_mean": 120.0}, "mean of ln"),
        ({"log_f0_mean": math.nan}, "mean of ln"),
        ({"log_f0_mean": True}, "mean of ln"),
        ({"log_f0_std": 0.009}, "spread of ln"),
        ({"log_f0_std": 1.6}, "spread of ln"),
        ({"log_f0_std": math.inf}, "spread of ln"),
        ({"log_f0_std": "0.2"}, "spread of ln"),
        ({"model": ""}, "fingerprint"),
        ({"model": None}, "fingerprint"),
        ({"description": "two\nlines"}, "description must be one printable line"),
        ({"description": "\x1b[2Jgone"}, "description must be one printable line"),
        ({"licence": "x" * 2001}, "licence must be one printable line"),
        ({"source": 3}, "source must be"),
        ({"consent": None}, "consent must be"),
        ({"sex": "x"}, "sex of a voice"),
        ({"sex": []}, "sex of a voice"),
        ({"pitch": 25}, "default pitch must lie from -24 to 24"),
        ({"pitch": 10**400}, "default pitch"),
        ({"formant": -4.5}, "default formant"),
        ({"gain": 25.0}, "default gain"),
        ({"gain": math.nan}, "default gain"),
        ({"created": "31.1.2026"}, "creation date"),
        ({"created": 2026}, "creation date"),
        ({"parents": (("a", 2.0),)}, "weight of a parent"),
        ({"parents": (("../a", 0.5),)}, "name '../a'"),
        ({"parents": ("ab",)}, "a name and a weight"),
        ({"parents": {"a": 1}}, "parents"),
        ({"parents": (("a", 0.1),) * 65}, "at most 64"),
    ],
)
def test_a_field_out_of_its_range_is_refused(make_preset: MakePreset, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(PresetError, match=words):
        make_preset(**fields)


@pytest.mark.parametrize("fields", [{"log_f0_mean": math.log(40.0)}, {"log_f0_std": 1.5}, {"pitch": -24}, {"gain": 24}])
def test_the_ends_of_a_range_belong_to_it(make_preset: MakePreset, fields: dict[str, Any]) -> None:
    preset = make_preset(**fields)
    assert Preset.from_bytes(preset.to_bytes(), "x") == preset


# Hostile and damaged files


class Payload:
    """Writes a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_pickles_are_never_opened(make_preset: MakePreset, tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    stream = io.BytesIO()
    objects = np.array([Payload(touched)], dtype=object)
    np.savez(stream, **(arrays_of(make_preset()) | {"latent": objects}))  # type: ignore[arg-type]
    assert "pickled objects" in refusal(stream.getvalue())
    assert "not an intact .npz" in refusal(pickle.dumps(Payload(touched)))
    assert not touched.exists()


@pytest.mark.parametrize("data", [b"", b"PK", b"\x93NUMPY", b"RIFF\0\0\0\0WAVEfmt ", b"\0" * 5000], ids=range(5))
def test_other_files_are_refused(data: bytes) -> None:
    assert "not an intact .npz" in refusal(data)


def test_every_truncation_is_refused(make_preset: MakePreset) -> None:
    data = make_preset().to_bytes()
    for length in range(0, len(data), 7):
        refusal(data[:length])


@given(position=st.integers(0, 10**6), value=st.integers(1, 255))
@settings(max_examples=300, deadline=None)
def test_a_flipped_byte_never_changes_a_voice_or_crashes(position: int, value: int) -> None:
    preset = Preset("x", np.linspace(-1, 1, 64, dtype=np.float32), 5.0, 0.2, "model", description="text")
    data = bytearray(preset.to_bytes())
    data[position % len(data)] ^= value
    try:
        again = Preset.from_bytes(bytes(data), "x")
    except PresetError:
        return
    assert again == preset  # the byte was in a date or another field of the zip that says nothing about the voice


def zip_of(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def header_only(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    stream = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue()


def test_a_zip_bomb_is_refused_by_what_it_declares() -> None:
    data = zip_of({"latent.npy": bytes(50_000_000)})
    assert len(data) < MAX_BYTES
    assert f"take more than {MAX_BYTES} bytes" in refusal(data)


def test_a_zip_bomb_that_lies_about_its_size_is_refused() -> None:
    honest = zip_of({"latent.npy": bytes(50_000_000)})
    lie = honest.replace((50_000_000).to_bytes(4, "little"), (400).to_bytes(4, "little"))
    assert lie != honest
    refusal(lie)


def test_a_header_that_claims_a_huge_array_allocates_nothing() -> None:
    message = refusal(zip_of({"latent.npy": header_only((10**12,)) + bytes(256)}))
    assert "less or more than its header says" in message


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (header_only((-64,)) + bytes(256), "impossible shape"),
        (header_only((1,) * 5) + bytes(4), "impossible shape"),
        (header_only((64,), "<U1") + bytes(256), "type <U1"),
        (header_only((64,), ">f4") + bytes(256), "type >f4"),
        (header_only((64,), "|V4") + bytes(256), "type |V4"),
        (b"\x93NUMPY\x01\x00\x10\x00" + b"[[[[[[[[[[[[[[[[", "damaged header"),
        (b"\x93NUMPY\x01\x00\x04\x00" + b"1+1\n", "damaged header"),
        (b"\x93NUMPY\x01\x00\xff\xff", "damaged header"),
        (b"\x93NUMPY\x03\x00\x00\x00", "unknown version"),
        (b"not an array", "damaged header"),
    ],
)
def test_arrays_that_are_not_plain_numbers_are_refused(member: bytes, words: str) -> None:
    assert words in refusal(zip_of({"latent.npy": member}))


@given(text=st.text(alphabet="{}[]()'\"descrfotan_oshpe:,<4f0 \n#-", max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_header_gets_past_the_check_of_sizes(text: str) -> None:
    header = text.encode()
    member = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    refusal(zip_of({"latent.npy": member}))


def test_archives_of_the_wrong_make_are_refused(make_preset: MakePreset) -> None:
    one = npy(np.zeros(1))
    assert "more than 16 arrays" in refusal(zip_of({f"a{i}.npy": one for i in range(17)}))
    assert "not arrays" in refusal(zip_of({"../../evil.sh": b"rm"}))
    assert "unknown way" in refusal(zip_of({"a.npy": one}, zipfile.ZIP_LZMA))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.npy", one)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.npy", one)
    assert "twice" in refusal(stream.getvalue())
    assert "larger than" in refusal(bytes(MAX_BYTES + 1))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"latent": np.zeros(64, np.float64)}, "must be float32 [64], not float64 [64]"),
        ({"latent": np.zeros(32, np.float32)}, "must be float32 [64], not float32 [32]"),
        ({"latent": np.zeros((64, 1), np.float32)}, "not float32 [64, 1]"),
        ({"latent": np.full(64, np.nan, np.float32)}, "NaN or infinite"),
        ({"latent": np.full(64, np.inf, np.float32)}, "NaN or infinite"),
        ({"latent": None}, "array 'latent' is missing"),
        ({"log_f0": None}, "array 'log_f0' is missing"),
        ({"meta": None}, "array 'meta' is missing"),
        ({"log_f0": np.array([5.0, 0.2, 1.0])}, "must be float64 [2]"),
        ({"log_f0": np.array([5, 1])}, "must be float64 [2], not int64"),
        ({"log_f0": np.array([np.nan, 0.2])}, "mean of ln(f0)"),
        ({"log_f0": np.array([math.log(30), 0.2])}, "mean of ln(f0)"),
        ({"log_f0": np.array([5.0, np.inf])}, "spread of ln(f0)"),
        ({"log_f0": np.array([5.0, 0.0])}, "spread of ln(f0)"),
        ({"more": np.zeros(3)}, "unknown array 'more'"),
        ({"meta": np.frombuffer(b"{", np.uint8)}, "not valid JSON"),
        ({"meta": np.frombuffer(b"\xff\xfe", np.uint8)}, "not valid JSON"),
        ({"meta": np.frombuffer(b"[" * 50_000, np.uint8)}, "not valid JSON"),
        ({"meta": np.frombuffer(b"[1]", np.uint8)}, "not a JSON object"),
        ({"meta": np.frombuffer(b"{}", np.uint8)}, "no schema number"),
        ({"meta": np.zeros(70_000, np.uint8)}, "bytes of JSON"),
        ({"meta": np.zeros(10)}, "bytes of JSON"),
    ],
)
def test_wrong_arrays_are_refused(make_preset: MakePreset, changes: dict[str, Any], words: str) -> None:
    arrays = arrays_of(make_preset()) | changes
    message = refusal(pack({name: array for name, array in arrays.items() if array is not None}))
    assert words in message
    assert "svc preset create" in message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema": 0}, "no schema number"),
        ({"schema": True}, "no schema number"),
        ({"schema": "1"}, "no schema number"),
        ({"name": None}, "lacks 'name'"),
        ({"licence": None}, "lacks 'licence'"),
        ({"colour": "red"}, "unknown entry 'colour'"),
        ({"name": "../../etc/passwd"}, "cannot be a preset's"),
        ({"name": ["bob"]}, "cannot be a preset's"),
        ({"description": "\u001b]0;title\u0007"}, "printable line"),
        ({"description": "\ud800"}, "printable line"),
        ({"sex": 1}, "sex of a voice"),
        ({"pitch": "high"}, "default pitch"),
        ({"pitch": math.nan}, "default pitch"),
        ({"gain": 10**400}, "default gain"),
        ({"created": "yesterday"}, "creation date"),
        ({"parents": [["a"]]}, "a parent must be"),
        ({"parents": 3}, "parents must be"),
    ],
)
def test_wrong_meta_is_refused(make_preset: MakePreset, changes: dict[str, Any], words: str) -> None:
    assert words in refusal(with_meta(make_preset(), **changes))


def test_a_newer_schema_asks_for_an_update(make_preset: MakePreset) -> None:
    arrays = arrays_of(make_preset()) | {"low_rank": np.zeros((4, 8), np.float32)}
    meta = json.dumps({"schema": SCHEMA + 1, "colour": "red"})
    message = refusal(pack(arrays | {"meta": np.frombuffer(meta.encode(), np.uint8)}))
    assert "newer version" in message
    assert "update" in message


# Files


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match=r"no preset file .*gone\.npz"):
        Preset.load(tmp_path / "gone.npz")
    with pytest.raises(PresetError, match="is a folder"):
        Preset.load(tmp_path)
    with pytest.raises(PresetError, match="cannot be read"):
        Preset.load("a\0b.npz")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.npz")
        with pytest.raises(PresetError, match="not a regular file"):
            Preset.load(tmp_path / "pipe.npz")


def test_a_huge_file_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "huge.npz"
    with path.open("wb") as stream:
        stream.truncate(10**12)  # sparse: reading it would need a terabyte
    with pytest.raises(PresetError, match=f"larger than {MAX_BYTES} bytes"):
        Preset.load(path)


def test_an_existing_file_stays_unless_overwriting_is_asked_for(make_preset: MakePreset, tmp_path: Path) -> None:
    path = make_preset(seed=1).save(tmp_path / "voice.npz")
    with pytest.raises(OutputError, match="exists already"):
        make_preset(seed=2).save(path)
    assert Preset.load(path) == make_preset(seed=1)
    make_preset(seed=2).save(path, overwrite=True)
    assert Preset.load(path) == make_preset(seed=2)
    assert [entry.name for entry in tmp_path.iterdir()] == ["voice.npz"]


def test_a_write_that_fails_leaves_nothing(make_preset: MakePreset, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        make_preset().save(tmp_path / "missing" / "voice.npz")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        make_preset().save(tmp_path / "folder", overwrite=True)
    with pytest.raises(OutputError, match="cannot be written"):
        make_preset().save(tmp_path / ("x" * 300))
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_reported(make_preset: MakePreset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A temporary file that is a link to a full device fails as a full disk does: when it is flushed.
    original = Path.open

    def open_full(self: Path, mode: str = "r", **rest: Any) -> Any:
        return original(Path("/dev/full"), "wb", **rest) if mode == "xb" else original(self, mode, **rest)

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(OutputError, match="no space left"):
        make_preset().save(tmp_path / "voice.npz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_the_file_has_the_permissions_of_any_new_file(make_preset: MakePreset, tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    path = make_preset().save(tmp_path / "voice.npz")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)
