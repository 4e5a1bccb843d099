"""Recipes and their keys as text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import tomli_w

from streamvc.config import LiveConfig, PaperConfig
from streamvc.training.trainer.keys import describe
from streamvc.training.trainer.kinds import KINDS
from streamvc.training.trainer.recipe import RunSettings, load_recipe, shipped
from streamvc.training.trainer.settings import StageSettings

_WIDTH = 100


def list_recipes() -> str:
    """Name and purpose of every shipped recipe."""
    rows = [f"  {name:16} {load_recipe(name).run.description}" for name in shipped()]
    return "\n".join(["Recipes (svc train run NAME):", *rows])


def list_keys() -> str:
    """Every key of a recipe with its default and its meaning."""
    lines = ["Keys at the top of a recipe (KEY = default):"]
    lines += _rows(describe(RunSettings))
    lines += ["", "Keys of every stage, [stages.NAME] (--set NAME.KEY=VALUE):"]
    lines += _rows(describe(StageSettings))
    common = {name: (default, meaning) for name, default, meaning in describe(StageSettings)}
    for kind, settings in KINDS.items():
        lines += ["", f"Keys of a stage of kind = \"{kind}\", beside these or with another default:"]
        own = ((n, d, m) for n, d, m in describe(settings) if common.get(n) != (d, m))
        lines += _rows(own)
    for config in (LiveConfig, PaperConfig):
        names = ", ".join(f"{name} = {default}" for name, default, _ in describe(config))
        lines += ["", f"Keys of [model] with name = \"{config().name}\" (streamvc/config.py):"]
        lines += textwrap.wrap(names, _WIDTH, initial_indent="  ", subsequent_indent="  ")
    return "\n".join(lines)


def _rows(keys: Iterator[tuple[str, str, str]]) -> list[str]:
    lines = []
    for name, default, meaning in keys:
        first = f"  {name} = {default}"
        lines.append(first)
        lines += textwrap.wrap(meaning, _WIDTH, initial_indent="      ", subsequent_indent="      ")
    return lines


def write_out(name_or_path: str) -> str:
    """A recipe with every key."""
    return tomli_w.dumps(load_recipe(name_or_path).to_table()).rstrip()
