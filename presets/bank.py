"""Presets held in memory, so that a switch on stage reads no file."""

from __future__ import annotations

import os
from collections.abc import Iterable

from streamvc.errors import PresetError
from streamvc.presets.format import Preset, check_model
from streamvc.presets.store import resolve


class PresetBank:
    """What names and paths stood for when they were loaded.

    Args:
        fingerprint: of the weights that every preset must have been made for.
    """

    def __init__(self, fingerprint: str) -> None:
        self._fingerprint = fingerprint
        self._known: dict[str | os.PathLike[str], Preset] = {}

    def __len__(self) -> int:
        return len(self._known)

    def load(self, presets: Iterable[str | os.PathLike[str] | Preset]) -> None:
        """Keep presets under the names or paths given here, a `Preset` under its own name.

        What was kept under the same name gives way, so loading again takes up a changed file.

        Raises:
            PresetError: one of them is unknown, damaged or of other weights; then none of them is kept.
        """
        if isinstance(presets, (str, os.PathLike, Preset)):
            raise PresetError(f"Presets to be loaded are given as a list, not as {presets!r:.100}: put it in brackets.")
        found: dict[str | os.PathLike[str], Preset] = {}
        for wanted in presets:
            preset = wanted if isinstance(wanted, Preset) else resolve(wanted)
            check_model(preset, self._fingerprint)
            found[preset.name if isinstance(wanted, Preset) else wanted] = preset
        # A new dictionary, since another thread may be looking something up.
        self._known = {**self._known, **found}

    def get(self, wanted: str | os.PathLike[str] | Preset) -> Preset:
        """The preset that was loaded under this name or path; one that was not is looked for in the store.

        Raises:
            PresetError: it is unknown, damaged or of other weights.
        """
        preset = wanted if isinstance(wanted, Preset) else self._known.get(wanted) or resolve(wanted)
        check_model(preset, self._fingerprint)
        return preset
