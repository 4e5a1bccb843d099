"""Weights come back as they were saved, and damaged ones are refused by name."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from streamvc.checkpoint import fingerprint, load_model, read_config, read_metadata, save_model
from streamvc.config import LiveConfig, PaperConfig
from streamvc.errors import CheckpointError, ConfigError
from streamvc.model import build_model

SMALL = {
    "live": LiveConfig(
        encoder_width=16, encoder_blocks=1, speech_width=16, speech_blocks=1, decoder_width=16, decoder_blocks=1,
        fine_width=16, fine_blocks=1,
    ),
    "paper": PaperConfig(content_channels=2, speech_channels=2, decoder_channels=2),
}
KEY = "decoder.head.bias"


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(build_model(SMALL["live"]), path, {"steps": 7})
    return path


def rewrite(path, change=lambda tensors: None, **meta):
    """Change the tensors, and fields of the metadata, of a saved file."""
    tensors, known = load_file(path), read_metadata(path)
    change(tensors)
    save_file(tensors, path, metadata={"streamvc": json.dumps(known | meta)})


@pytest.mark.parametrize("name", list(SMALL))
def test_a_model_comes_back(tmp_path, name):
    model = build_model(SMALL[name])
    save_model(model, tmp_path / "m.safetensors")
    back = load_model(tmp_path / "m.safetensors")
    assert back.config == model.config == read_config(tmp_path / "m.safetensors")
    assert not back.training
    state = model.state_dict()
    assert list(back.state_dict()) == list(state)
    for key, value in back.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, state[key].half().float())
        assert (value - state[key]).abs().max() <= 1e-3 * state[key].abs().max()


def test_full_precision_is_possible(tmp_path):
    model = build_model(SMALL["live"])
    save_model(model, tmp_path / "m.safetensors", dtype=torch.float32)
    for key, value in load_model(tmp_path / "m.safetensors").state_dict().items():
        assert torch.equal(value, model.state_dict()[key])


def test_half_precision_halves_the_file(tmp_path, saved):
    save_model(build_model(SMALL["live"]), tmp_path / "full.safetensors", dtype=torch.float32)
    assert saved.stat().st_size < 0.6 * (tmp_path / "full.safetensors").stat().st_size


def test_provenance_and_schema_are_kept(saved):
    assert read_metadata(saved)["provenance"] == {"steps": 7}
    assert read_metadata(saved)["schema"] == 1


def test_saving_replaces_the_file_and_leaves_nothing_else(tmp_path, saved):
    before = fingerprint(saved)
    save_model(build_model(SMALL["live"]), saved)
    assert fingerprint(saved) != before
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_a_failed_save_leaves_the_old_file(tmp_path, saved):
    before = fingerprint(saved)
    with pytest.raises(TypeError):
        save_model(build_model(SMALL["live"]), saved, {"steps": object()})
    assert fingerprint(saved) == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_the_fingerprint_is_of_the_content(tmp_path, saved):
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(saved.read_bytes())
    assert fingerprint(copy) == fingerprint(saved)
    assert len(fingerprint(saved)) == 16
    rewrite(copy, lambda tensors: tensors[KEY].add_(1))
    assert fingerprint(copy) != fingerprint(saved)


DAMAGES = {
    "unknown": lambda t: t.update({"decoder.extra": torch.zeros(1)}),
    "missing": lambda t: t.pop(KEY),
    "shape": lambda t: t.update({KEY: torch.zeros(3)}),
    "nan": lambda t: t[KEY].__setitem__(1, float("nan")),
    "infinite": lambda t: t[KEY].__setitem__(1, float("inf")),
}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("unknown", r"unknown 'decoder\.extra'"),
        ("missing", r"lacks 'decoder\.head\.bias'"),
        ("shape", r"'decoder\.head\.bias' is \[3\], not \[240\]"),
        ("nan", r"'decoder\.head\.bias' holds NaN or infinity"),
        ("infinite", r"'decoder\.head\.bias' holds NaN or infinity"),
    ],
)
def test_a_wrong_tensor_is_named(saved, damage, message):
    rewrite(saved, DAMAGES[damage])
    with pytest.raises(CheckpointError, match=message):
        load_model(saved)


def test_another_schema_is_refused(saved):
    rewrite(saved, schema=2)
    with pytest.raises(CheckpointError, match="another weights schema"):
        load_model(saved)


def test_an_unknown_configuration_is_refused(saved):
    rewrite(saved, config={"name": "other"})
    with pytest.raises(ConfigError, match="'other'"):
        load_model(saved)


def test_a_missing_configuration_is_refused(saved):
    rewrite(saved, config=None)
    with pytest.raises(CheckpointError, match="does not say the configuration"):
        load_model(saved)


def test_another_configuration_s_weights_are_refused(saved):
    other = dataclasses.asdict(dataclasses.replace(SMALL["live"], decoder_width=32))
    rewrite(saved, config=other)
    with pytest.raises(CheckpointError, match="'decoder"):
        load_model(saved)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_a_truncated_file_is_refused(saved, share):
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CheckpointError, match="again"):
        load_model(saved)


@pytest.mark.parametrize(
    "content", [b"RIFF" + bytes(100), b"\xff" * 64, b"PK\x03\x04" + bytes(60), (2).to_bytes(8, "little") + b"{}"],
    ids=["wave", "long header", "zip", "no metadata"],
)
def test_another_file_is_refused(tmp_path, content):
    (tmp_path / "m.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="is not a StreamVC weights file"):
        load_model(tmp_path / "m.safetensors")


def test_somebody_else_s_safetensors_are_refused(tmp_path):
    save_file({"x": torch.zeros(2)}, tmp_path / "m.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="is not a StreamVC weights file"):
        load_model(tmp_path / "m.safetensors")


@pytest.mark.parametrize("read", [load_model, read_metadata, fingerprint])
def test_a_missing_file_or_a_folder_is_said_so(tmp_path, read):
    with pytest.raises(CheckpointError, match="weights file"):
        read(tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match="weights file"):
        read(tmp_path)
