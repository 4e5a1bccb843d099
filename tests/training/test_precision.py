"""bfloat16 is used where it is worth it."""

from __future__ import annotations

import pytest
import torch

from streamvc.training.precision import has_bfloat16


def test_graphics_cards_have_it() -> None:
    assert has_bfloat16("cuda")
    assert has_bfloat16(torch.device("cuda", 1))


def test_of_processors_onednn_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in (True, False):
        monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda a=answer: a)
        assert has_bfloat16(torch.device("cpu")) is answer


def test_processors_without_avx512_do_not() -> None:
    if "AVX512" not in torch.backends.cpu.get_cpu_capability() and "AMX" not in torch.backends.cpu.get_cpu_capability():
        assert not has_bfloat16("cpu")
