"""Commands and recipes of docs/training.md are ones that exist, with options and keys that exist."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from streamvc.training import speaker_pool, verified_voices
from streamvc.training.corpora.options import parser as corpus_parser
from streamvc.training.trainer.command import overrides
from streamvc.training.trainer.options import export_parser, recipes_parser, run_parser
from streamvc.training.trainer.recipe import load_recipe, parse_recipe
from streamvc.training.units.options import parse as parse_units

DOCUMENT = Path(__file__).parents[3] / "docs/training.md"
BLOCKS = re.findall(r"(?:^    .+\n|^\n(?=    ))+", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
PLAIN = [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in BLOCKS]
COMMANDS = [
    line.split("  #")[0].strip()
    for block in PLAIN for line in block.replace("\\\n", " ").splitlines()
    if re.match(r"(svc train|python -m|accelerate|torchrun)", line)
]  # fmt: skip


def spread(words: list[str]) -> list[str]:
    """What a shell makes of `a-{b,c}=d`."""
    found: list[str] = []
    for word in words:
        inner = re.search(r"\{([^{}]*,[^{}]*)\}", word)
        choices = inner.group(1).split(",") if inner else []
        found += [word.replace(inner.group(0), choice) for choice in choices] if inner else [word]
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_one(command: str) -> None:
    words = spread(shlex.split(command))
    if words[0] in ("accelerate", "torchrun"):
        at = words.index("streamvc.training")
        assert words[at - 1] == "-m"
        words = ["svc", "train", "run", *words[at + 1 :]]
    if words[:2] == ["python", "-m"]:
        programs = {f"streamvc.training.{p.__name__.rpartition('.')[2]}": p for p in (speaker_pool, verified_voices)}
        with pytest.raises(SystemExit) as stop:
            programs[words[2]].main([*words[3:], "--help"])
        assert stop.value.code == 0
        return
    name, rest = words[2], words[3:]
    if name == "run":
        options = run_parser("x").parse_args(rest)
        if options.recipe != "mine.toml":
            recipe = load_recipe(options.recipe, overrides(options))
            assert options.stage is None or options.stage in recipe.stages
    elif name == "voice":
        assert rest == ["recordings/", "-o", "alice.npz"]
    elif name == "corpus":
        corpus_parser("x").parse_args(rest)
    elif name == "units":
        parse_units(rest, "x")
    else:
        {"export": export_parser, "recipes": recipes_parser}[name]("x").parse_args(rest)


def test_the_example_of_a_recipe_is_one() -> None:
    (example,) = [block for block in PLAIN if "[stages" in block]
    assert list(parse_recipe(tomllib.loads(example)).stages) == ["content", "decoder"]


def test_there_are_commands() -> None:
    assert len(COMMANDS) >= 14
