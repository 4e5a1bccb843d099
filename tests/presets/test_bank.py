"""Presets held in memory: what is kept, what it costs, and that no file is read afterwards."""

from __future__ import annotations

import shutil
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from streamvc.errors import PresetError
from streamvc.presets.bank import PresetBank
from streamvc.presets.format import Preset

MODEL = "00000000000000aa"


def make(number, text=0):
    latent = np.random.default_rng(number).standard_normal(64).astype(np.float32)
    note = "x" * text
    return Preset(
        f"voice{number}", latent, 5.0, 0.2, model=MODEL, description=note, source=note, licence="CC0", consent=note
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    path = tmp_path / "presets"
    path.mkdir()
    monkeypatch.setenv("SVC_PRESETS", str(path))
    return path


def test_two_hundred_presets_take_less_than_fifty_megabytes_and_no_file_is_read_again(folder):
    paths = [make(number, text=300).save(folder / f"voice{number}.npz") for number in range(200)]
    bank = PresetBank(MODEL)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        bank.load(paths)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(bank) == 200
    assert 200 * 256 < after - before < 50e6
    assert peak - before < 50e6
    shutil.rmtree(folder)
    assert [bank.get(path).name for path in paths] == [f"voice{number}" for number in range(200)]
    with pytest.raises(PresetError, match="voice0"):
        PresetBank(MODEL).get(paths[0])


def test_names_paths_and_presets_are_known_as_they_were_given(folder):
    path = make(1).save(folder / "one.npz")
    bank = PresetBank(MODEL)
    bank.load(["one", path, str(path), make(2)])
    path.unlink()
    for given in ("one", path, str(path), "voice2"):
        assert bank.get(given) is bank.get(given)
    assert bank.get("one").name == "one"


def test_a_name_that_was_not_loaded_is_read(folder):
    make(1).save(folder / "one.npz")
    bank = PresetBank(MODEL)
    assert bank.get("one").name == "one"
    assert len(bank) == 0


def test_loading_again_takes_up_a_changed_file(folder):
    path = make(1).save(folder / "one.npz")
    bank = PresetBank(MODEL)
    bank.load(["one"])
    replace(make(1), pitch=3.0).save(path, overwrite=True)
    assert bank.get("one").pitch == 0.0
    bank.load(["one"])
    assert bank.get("one").pitch == 3.0


def test_one_that_cannot_be_loaded_keeps_all_out(folder):
    make(1).save(folder / "one.npz")
    (folder / "broken.npz").write_bytes(b"PK")
    bank = PresetBank(MODEL)
    for wrong in ("broken", "nobody", replace(make(3), model="00000000000000bb"), 7):
        with pytest.raises(PresetError):
            bank.load(["one", wrong])
    assert len(bank) == 0
    with pytest.raises(PresetError, match="another model"):
        bank.get(replace(make(3), model="00000000000000bb"))


def test_one_name_where_a_list_is_wanted_is_not_taken_for_its_letters(folder):
    path = make(1).save(folder / "one.npz")
    for wrong in ("one", path, make(1)):
        with pytest.raises(PresetError, match="put it in brackets"):
            PresetBank(MODEL).load(wrong)
