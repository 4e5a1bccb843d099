"""Where voices are kept, and how a name finds one.

Built-in voices lie in the package (`presets/data/NAME.npz`), a person's own in a user folder. The user's voice wins
over a built-in one of the same name, so that a later release cannot take a name away.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from streamvc.errors import OutputError, PresetError
from streamvc.presets.checks import checked_name
from streamvc.presets.files import reason
from streamvc.presets.format import Preset
from streamvc.presets.names import is_safe_name

SUFFIX = ".npz"


@dataclass(frozen=True)
class PresetInfo:
    """One entry of the list of voices.

    Attributes:
        name: what `resolve` takes: the file's name without `.npz`.
        path: the file.
        builtin: whether it came with the package.
        preset: the voice; None when the file is not usable.
        problem: why it is not usable, one sentence; None when it is.
    """

    name: str
    path: Path
    builtin: bool
    preset: Preset | None
    problem: str | None = None


def builtin_folder() -> Path:
    """The folder of the voices that came with the package."""
    return Path(str(resources.files("streamvc.presets").joinpath("data")))


def user_folder(environment: Mapping[str, str] | None = None, platform: str = sys.platform) -> Path:
    """The folder of the user's own voices; it need not exist yet.

    `$SVC_PRESETS` if set; else `streamvc/presets` below `%APPDATA%` on Windows, `~/Library/Application Support` on
    macOS, `$XDG_DATA_HOME` (or `~/.local/share`) elsewhere.

    Args:
        environment: variables to look at instead of the process's own.
        platform: as `sys.platform`.
    """
    variables = os.environ if environment is None else environment
    if chosen := variables.get("SVC_PRESETS"):
        return Path(chosen).expanduser()
    if platform == "win32":
        base = Path(variables.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    elif platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        # The XDG specification says that a relative path here is to be ignored.
        xdg = Path(variables.get("XDG_DATA_HOME") or "")
        base = xdg if xdg.is_absolute() else Path.home() / ".local" / "share"
    return base / "streamvc" / "presets"


def resolve(name_or_path: str | os.PathLike[str]) -> Preset:
    """Find a voice by name (any case; the user's own before built-in ones) or load it from a path.

    A string is a path when it ends in `.npz` or holds a folder separator. A voice found by name bears the name of
    its file, so a file may simply be renamed.

    Raises:
        PresetError: no voice has that name (near names are suggested), or the file is not a usable preset.
    """
    if not isinstance(name_or_path, (str, os.PathLike)):
        raise PresetError(f"A preset is given as a name, a path or a Preset, not as {name_or_path!r:.100}.")
    if not isinstance(name_or_path, str) or _looks_like_path(name_or_path):
        path = Path(name_or_path)
        return Preset.load(path.expanduser())
    files = _files()
    wanted = name_or_path.casefold()
    for name, path, _ in files:
        if name == name_or_path:
            return replace(Preset.load(path), name=name)
    for name, path, _ in files:
        if name.casefold() == wanted:
            return replace(Preset.load(path), name=name)
    raise PresetError(_unknown(name_or_path, sorted({name for name, _, _ in files})))


def list_presets() -> list[PresetInfo]:
    """All voices that a name can reach, sorted by name; damaged files are listed with their problem.

    A built-in voice that one of the user's hides is left out.

    Raises:
        PresetError: the user folder exists and cannot be read.
    """
    entries: dict[str, PresetInfo] = {}
    for name, path, builtin in _files():
        if name.casefold() in entries:
            continue
        try:
            info = PresetInfo(name, path, builtin, replace(Preset.load(path), name=name))
        except PresetError as error:
            info = PresetInfo(name, path, builtin, None, str(error))
        entries[name.casefold()] = info
    return sorted(entries.values(), key=lambda info: info.name.casefold())


def user_path(name: str) -> Path:
    """The file that the user's voice of that name has, or would have.

    Raises:
        PresetError: the name is not safe as a file name.
    """
    name = checked_name(name)
    for existing, path, builtin in _files():
        if not builtin and existing.casefold() == name.casefold():
            return path
    return user_folder() / f"{name}{SUFFIX}"


def check_free(name: str, *, overwrite: bool = False) -> Path:
    """Tell whether the user's folder may take a voice of that name; returns the file it would have.

    Raises:
        PresetError: the name is not safe, or belongs to a built-in voice.
        OutputError: a voice of that name is there and `overwrite` is false.
    """
    check_builtin(name)
    path = user_path(name)
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists already: choose another name or allow overwriting (--overwrite).")
    return path


def check_builtin(name: str) -> None:
    """Refuse the name of a built-in voice.

    Raises:
        PresetError: it is one.
    """
    for existing, _, builtin in _files():
        if builtin and existing.casefold() == name.casefold():
            raise PresetError(f"{existing!r} is the name of a built-in voice: choose another name.")


def save_to_store(preset: Preset, *, overwrite: bool = False) -> Path:
    """Keep a voice in the user folder, which is made if need be; returns the file.

    Raises:
        PresetError: the name belongs to a built-in voice.
        OutputError: a voice of that name is there and `overwrite` is false, or the file cannot be written.
    """
    path = check_free(preset.name, overwrite=overwrite)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The folder {path.parent} cannot be made ({reason(error)}): set SVC_PRESETS to a writable folder."
        ) from error
    return preset.save(path, overwrite=overwrite)


def own_file(name: str) -> Path:
    """The file of one of the user's own voices, by its name in any case.

    Raises:
        PresetError: it is built in, or there is none of that name.
    """
    files = _files()
    for existing, path, builtin in files:
        if existing.casefold() == name.casefold():
            if builtin:
                raise PresetError(
                    f"{existing!r} is a built-in voice and cannot be deleted or renamed: name one of your own."
                )
            return path
    raise PresetError(_unknown(name, sorted(existing for existing, _, builtin in files if not builtin)))


def delete_from_store(name: str) -> Path:
    """Delete one of the user's own voices; returns the file that is gone.

    Raises:
        PresetError: it is built in, or there is none of that name.
        OutputError: it cannot be deleted.
    """
    path = own_file(name)
    try:
        path.unlink()
    except OSError as error:
        raise OutputError(f"{path} cannot be deleted ({reason(error)}): check the folder's permissions.") from error
    return path


def rename_in_store(name: str, new_name: str, *, overwrite: bool = False) -> Path:
    """Give one of the user's own voices another name; returns its new file.

    Raises:
        PresetError: the voice is built in, damaged, or there is none of that name; or the new name is not safe or
            belongs to a built-in voice.
        OutputError: a voice of the new name is there and `overwrite` is false, or a file cannot be written or deleted.
    """
    old = own_file(name)
    voice = replace(Preset.load(old), name=checked_name(new_name))
    # The same name in another case is the same file where folders know no case.
    only_case = old.stem.casefold() == new_name.casefold()
    if old.stem == new_name:
        raise OutputError(f"{name!r} has this name already: choose another one.")
    if only_case:
        check_builtin(new_name)
        new = voice.save(old.with_name(f"{new_name}{SUFFIX}"), overwrite=True)
        if old.exists() and not os.path.samefile(old, new):
            old.unlink()
        return new
    new = save_to_store(voice, overwrite=overwrite)
    try:
        old.unlink()
    except OSError as error:
        raise OutputError(f"{old} cannot be deleted ({reason(error)}): delete it by hand; {new} is there.") from error
    return new


def _files() -> list[tuple[str, Path, bool]]:
    """(name, file, builtin) of every preset file, the user's first."""
    return [*_folder(user_folder(), builtin=False), *_folder(builtin_folder(), builtin=True)]


def _folder(folder: Path, *, builtin: bool) -> Iterator[tuple[str, Path, bool]]:
    try:
        paths = sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise PresetError(
            f"The folder of presets {folder} cannot be read ({reason(error)}): check its permissions, or"
            " set SVC_PRESETS to another folder."
        ) from error
    for path in paths:
        if path.suffix == SUFFIX and is_safe_name(path.stem):
            yield path.stem, path, builtin


def _looks_like_path(text: str) -> bool:
    return text.lower().endswith(SUFFIX) or "/" in text or os.sep in text or text.startswith("~")


def _unknown(name: str, known: list[str]) -> str:
    by_fold = {candidate.casefold(): candidate for candidate in known}
    near = [by_fold[fold] for fold in difflib.get_close_matches(name.casefold(), by_fold, n=3, cutoff=0.6)]
    hint = f"did you mean {' or '.join(near)}? `svc preset list` shows all" if near else "`svc preset list` shows all"
    return f"There is no preset {name!r:.100}: {hint}, and a path to an .npz file will do as well."
