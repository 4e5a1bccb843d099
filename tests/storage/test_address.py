"""Addresses look like paths where planning needs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamvc.storage import Address, as_place


@pytest.mark.parametrize("text", ["speech.wav", "a/b", "/a/b.wav", "C:/a.wav", "c:\\a.wav", "a:b/c", "x://y"])
def test_paths_are_paths(text: str) -> None:
    assert as_place(text) == Path(text)


def test_file_addresses_are_paths() -> None:
    assert as_place("file:///a/b.wav") == Path("/a/b.wav")


@pytest.mark.parametrize("text", ["s3://bucket/a/b.c.wav", "sftp://me@host:22/a/b.c.wav", "gs://bucket/a/b.c.wav"])
def test_parts_of_an_address(text: str) -> None:
    place = as_place(text)
    assert isinstance(place, Address)
    assert str(place) == text
    assert (place.name, place.stem, place.suffix) == ("b.c.wav", "b.c", ".wav")
    assert str(place.with_name("x.flac")) == text.replace("b.c.wav", "x.flac")
    assert str(place.parent / "b.c.wav") == text
    assert place.scheme == text.partition(":")[0]
    assert place.relative_to(place.parent.parent).as_posix() == "a/b.c.wav"


def test_a_slash_at_the_end_is_no_part() -> None:
    folder = Address("s3://bucket/out/")
    assert folder.name == "out"
    assert str(folder / "a.wav") == "s3://bucket/out/a.wav"
