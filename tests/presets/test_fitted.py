"""Voices that were fitted: what their files hold, and what is refused."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from streamvc.cli.preset import preset as preset_command
from streamvc.errors import PresetError
from streamvc.presets import format as preset_format
from streamvc.presets.archive import pack
from streamvc.presets.blend import blend
from streamvc.presets.checks import MAX_ADAPTATION
from streamvc.presets.fitted import Fitted
from streamvc.presets.format import SCHEMA, Preset
from streamvc.presets.store import save_to_store

MakePreset = Callable[..., Preset]
FITTED = Fitted(92.5, 21.0, 240, 3, 0.5, (("likeness", 0.71, 0.83), ("spectral distance", 0.52, 0.44)))
CHANGE = np.linspace(-0.5, 0.5, 30).astype(np.float32)


def arrays_of(preset: Preset) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(preset.to_bytes()), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def with_fitted(preset: Preset, value: object) -> bytes:
    arrays = arrays_of(preset)
    meta = json.loads(arrays["meta"].tobytes()) | {"fitted": value}
    return pack(arrays | {"meta": np.frombuffer(json.dumps(meta).encode(), np.uint8)})


def test_what_was_fitted_survives_the_file(make_preset: MakePreset, tmp_path: Path) -> None:
    change = CHANGE.copy()
    preset = make_preset(adaptation=change, fitted=FITTED)
    change[0] = 9.0
    again = Preset.load(preset.save(tmp_path / "voice.npz"))
    assert again == preset
    assert again.fitted == FITTED
    assert again.adaptation is not None
    assert np.array_equal(again.adaptation, CHANGE)
    with pytest.raises(ValueError, match="read-only"):
        again.adaptation[0] = 1.0
    assert np.array_equal(again.voice().conditioning, np.concatenate((preset.latent, CHANGE)))
    assert json.loads(arrays_of(preset)["meta"].tobytes())["schema"] == 2 == SCHEMA


def test_a_voice_that_was_not_fitted_is_written_as_ever(make_preset: MakePreset) -> None:
    """Older programs read it, and it has the bytes that they would have written."""
    preset = make_preset()
    arrays = arrays_of(preset)
    assert sorted(arrays) == ["latent", "log_f0", "meta"]
    meta = json.loads(arrays["meta"].tobytes())
    assert meta["schema"] == 1
    assert "fitted" not in meta
    assert Preset.from_bytes(preset.to_bytes(), "x").adaptation is None


def test_an_older_program_asks_for_an_update(make_preset: MakePreset, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_preset(adaptation=CHANGE).to_bytes()
    monkeypatch.setattr(preset_format, "SCHEMA", 1)
    with pytest.raises(PresetError, match="newer version of StreamVC: update"):
        Preset.from_bytes(data, "voice.npz")


def test_the_largest_adaptation_is_half_a_megabyte(make_preset: MakePreset) -> None:
    assert len(make_preset(adaptation=np.zeros(MAX_ADAPTATION)).to_bytes()) < 600_000
    with pytest.raises(PresetError, match="at most 131072 values"):
        make_preset(adaptation=np.zeros(MAX_ADAPTATION + 1))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (np.zeros((2, 3)), "one axis"), (np.zeros(0), "one axis"), ([np.nan], "NaN"), ([np.inf], "NaN"),
        ([101.0], "beyond 100"), ("some", "must be numbers"),
    ],
    ids=str,
)
def test_an_adaptation_that_cannot_be_one_is_refused(make_preset: MakePreset, change: Any, words: str) -> None:
    with pytest.raises(PresetError, match=words):
        make_preset(adaptation=change)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"adaptation": CHANGE.astype(np.float64)}, "'adaptation' must be float32, not float64"),
        ({"adaptation": CHANGE.reshape(2, -1)}, "one axis"),
        ({"adaptation": np.full(4, np.nan, np.float32)}, "NaN"),
        ({"other": CHANGE}, "unknown array 'other'"),
    ],
    ids=["float64", "matrix", "nan", "other"],
)
def test_wrong_arrays_are_refused(make_preset: MakePreset, arrays: dict[str, np.ndarray], words: str) -> None:
    data = pack(arrays_of(make_preset(adaptation=CHANGE)) | arrays)
    with pytest.raises(PresetError, match=words):
        Preset.from_bytes(data, "voice.npz")


def test_a_file_of_schema_1_has_no_adaptation(make_preset: MakePreset) -> None:
    data = pack(arrays_of(make_preset()) | {"adaptation": CHANGE})
    with pytest.raises(PresetError, match="unknown array 'adaptation'"):
        Preset.from_bytes(data, "voice.npz")


RECORD = FITTED.to_json()


@pytest.mark.parametrize(
    "value",
    [
        "yes", [], {}, RECORD | {"more": 1}, RECORD | {"seconds": -1}, RECORD | {"share": 2},
        RECORD | {"steps": "many"},
        RECORD | {"measures": 3}, RECORD | {"measures": [["a", 1]]}, RECORD | {"measures": [["a\n", 1, 2]]},
        RECORD | {"measures": [["a", 1, None]]}, RECORD | {"measures": [["a", 1, 2]] * 17},
        {key: value for key, value in RECORD.items() if key != "seed"},
    ],
    ids=range(13),
)
def test_a_record_that_cannot_be_true_is_refused(make_preset: MakePreset, value: object) -> None:
    with pytest.raises(PresetError, match="not a usable preset"):
        Preset.from_bytes(with_fitted(make_preset(adaptation=CHANGE), value), "voice.npz")


def test_only_a_record_says_how_a_voice_was_fitted(make_preset: MakePreset) -> None:
    with pytest.raises(PresetError, match="told by a Fitted"):
        make_preset(fitted={"seconds": 3})


def test_show_and_list_say_how_a_voice_was_fitted(
    make_preset: MakePreset, folder: Path
) -> None:
    save_to_store(make_preset(name="eve", adaptation=CHANGE, fitted=FITTED))
    save_to_store(make_preset(name="bob"))
    shown = CliRunner().invoke(preset_command, ["show", "eve"]).stdout
    assert "fitted       on 92 s of speech in 240 steps (seed 3), 50 % kept; on 21 s held out: " in shown
    assert "likeness 0.710 to 0.830, spectral distance 0.520 to 0.440" in shown
    assert "fitted" not in CliRunner().invoke(preset_command, ["show", "bob"]).stdout
    assert json.loads(CliRunner().invoke(preset_command, ["show", "eve", "--json"]).stdout)["fitted"] == RECORD
    listed = {line.split()[0]: line for line in CliRunner().invoke(preset_command, ["list"]).stdout.splitlines()}
    assert "yours, fitted" in listed["eve"]
    assert "fitted" not in listed["bob"]


def test_adaptations_blend_linearly(make_preset: MakePreset) -> None:
    first, second = make_preset(0, adaptation=CHANGE, fitted=FITTED), make_preset(1, name="eve", adaptation=3 * CHANGE)
    mixed = blend(first, second, 0.25, "mixed")
    assert mixed.adaptation == pytest.approx(0.75 * CHANGE + 0.25 * 3 * CHANGE)
    assert mixed.fitted is None
    assert blend(first, second, 0.0, "mixed").adaptation == pytest.approx(CHANGE)
    assert blend(first, second, 1.0, "mixed").adaptation == pytest.approx(3 * CHANGE)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_a_voice_that_was_not_fitted_blends_as_zeros(make_preset: MakePreset, weight: float) -> None:
    plain, fitted = make_preset(0), make_preset(1, name="eve", adaptation=CHANGE)
    assert blend(plain, fitted, weight, "mixed").adaptation == pytest.approx(weight * CHANGE)
    assert blend(fitted, plain, weight, "mixed").adaptation == pytest.approx((1 - weight) * CHANGE)
    assert blend(plain, replace(plain, name="other"), weight, "mixed").adaptation is None


def test_adaptations_of_two_sizes_do_not_blend(make_preset: MakePreset) -> None:
    with pytest.raises(PresetError, match="fitted with 30 and 6 values"):
        blend(make_preset(adaptation=CHANGE), make_preset(1, adaptation=CHANGE[:6]), 0.5, "mixed")
