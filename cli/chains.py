"""Chains from files, and the voice in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamvc.plugin.chain import EffectChain
    from streamvc.plugin.voice_converter import VoiceConverter


def chain_and_voice(path: Path) -> tuple[EffectChain, VoiceConverter | None]:
    """The chain of a TOML file, and the first converter in it.

    Raises:
        ConfigError, PresetError: the file is none, or names what is not there.
        CheckpointError, RuntimeUnavailableError: the model cannot be loaded.
    """
    from streamvc.plugin.chain_file import load_chain
    from streamvc.plugin.voice_converter import VoiceConverter

    chain = load_chain(path)
    return chain, next((element for element in _leaves(chain) if isinstance(element, VoiceConverter)), None)


def chain_content(path: Path) -> Any:
    """What a chain's sound depends on, as a value for `executor.digest`: its file, and the files and voices in it.

    Raises:
        ConfigError, PresetError: the file is none, or names what is not there.
    """
    from streamvc.plugin.chain_file import read_chain

    return _content(read_chain(path), path.parent)


def _content(value: Any, folder: Path) -> Any:
    from streamvc.presets.store import resolve

    if isinstance(value, list):
        return [_content(entry, folder) for entry in value]
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for name, entry in value.items():
        if name == "preset" and isinstance(entry, str):
            found[name] = resolve(str(folder / entry) if entry.endswith(".npz") else entry)
        elif (name == "path" or name.endswith("filename")) and isinstance(entry, str):
            found[name] = _files(folder / entry)
        else:
            found[name] = _content(entry, folder)
    return found


def _files(path: Path) -> list[tuple[str, str]]:
    """Names and contents of a file, or of all files of a plugin that is a folder."""
    from streamvc.storage.files import digest_of

    if not path.is_dir():
        return [(path.name, digest_of(path))]
    return [
        (file.relative_to(path).as_posix(), digest_of(file)) for file in sorted(path.rglob("*")) if file.is_file()
    ]


def _leaves(element: Any) -> Iterator[Any]:
    try:
        parts = list(element)
    except TypeError:
        yield element
        return
    for part in parts:
        yield from _leaves(part)
