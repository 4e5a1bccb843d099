"""Which names a voice may have."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamvc.presets.names import MAX_NAME_BYTES, is_safe_name


@pytest.mark.parametrize("name", ["alice", "Bob 2", "élise", "a", "7", "a+b-30", "v1.2", "小明", "under_score"])
def test_ordinary_names_are_safe(name: str) -> None:
    assert is_safe_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        ".",
        "..",
        ".hidden",
        "-option",
        "_start",
        "a/b",
        "../a",
        "a\\b",
        "C:a",
        "a\0b",
        "a\nb",
        "a\tb",
        "trailing ",
        "trailing.",
        "alice.npz",
        "Alice.NPZ",
        "con",
        "NUL",
        "com1.txt",
        "lpt9",
        "a*b",
        "a?b",
        'a"b',
        "a|b",
        "e\u0301lise",  # not composed: macOS and Linux would see two different files
        "\ud800",
        "\u202eevil",
        "x" * (MAX_NAME_BYTES + 1),
        "小" * (MAX_NAME_BYTES // 3 + 1),
    ],
)
def test_names_that_no_file_should_have_are_not(name: str) -> None:
    assert not is_safe_name(name)


@given(st.text(max_size=40))
def test_a_safe_name_is_one_plain_path_component(name: str) -> None:
    if is_safe_name(name):
        path = Path("folder") / f"{name}.npz"
        assert path.parent == Path("folder")
        assert path.stem == name
        assert name.isprintable()
