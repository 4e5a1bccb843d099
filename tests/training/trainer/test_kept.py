"""Heads and discriminators that one training leaves to the next."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from streamvc.errors import TrainingError
from streamvc.training.trainer.kept import earlier, keep


def state(critics: float | None = None, heads: float | None = None) -> dict:
    values = {"model.decoder.head.bias": torch.zeros(3)}
    if heads is not None:
        values["heads.heads.units.weight"] = torch.full((4, 2), heads)
    return {
        "critics": None if critics is None else {"members.0.weight": torch.full((5,), critics)},
        "average": {"values": values}, "optimiser": {"state": torch.zeros(1000)},
    }


def test_heads_and_discriminators_come_back_and_nothing_else_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "kept.safetensors"
    assert keep([state(heads=0.5), state(critics=1 / 3)], path) == ["heads", "discriminators"]
    assert set(load_file(path)) == {"heads.heads.units.weight", "critics.members.0.weight"}
    assert all(value.dtype == torch.float16 for value in load_file(path).values())
    back = earlier(path)
    assert torch.equal(back["average"]["values"]["heads.heads.units.weight"], torch.full((4, 2), 0.5))
    torch.testing.assert_close(back["critics"]["members.0.weight"], torch.full((5,), 1 / 3), rtol=1e-3, atol=0)
    assert list(tmp_path.iterdir()) == [path]


def test_of_two_stages_the_later_one_counts(tmp_path: Path) -> None:
    path = tmp_path / "kept.safetensors"
    keep([state(critics=1.0), state(critics=2.0), state()], path)
    assert earlier(path)["critics"]["members.0.weight"][0] == 2
    assert earlier(path)["average"]["values"] == {}


def test_a_state_of_a_run_serves_as_well(tmp_path: Path) -> None:
    torch.save(state(critics=1.0), tmp_path / "state.pt")
    assert earlier(tmp_path / "state.pt")["critics"]["members.0.weight"][0] == 1


def test_what_cannot_be_kept_or_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "kept.safetensors"
    with pytest.raises(TrainingError, match="neither heads nor discriminators"):
        keep([state()], path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(TrainingError, match="There is no file"):
        earlier(path)
    path.write_bytes(b"no tensors")
    with pytest.raises(TrainingError, match="cannot be read"):
        earlier(path)
