"""A short form of the fuzzer: every kind of attack, and a check that it would notice."""

from __future__ import annotations

import pytest

from streamvc.errors import AudioError
from tests.fuzz import __main__ as fuzz
from tests.fuzz import attacks

COUNTS = {"audio": 30, "process": 60, "preset": 100, "toml": 40, "midi-file": 200, "midi-bytes": 50}


@pytest.mark.parametrize("kind", sorted(attacks.ATTACKS))
def test_nothing_breaks(kind):
    wrong = {seed: said for seed in range(COUNTS[kind]) if (said := attacks.case(kind, 5_000_000 + seed)) is not None}
    assert wrong == {}


def test_every_kind_has_its_share():
    assert set(fuzz.SHARES) == set(attacks.ATTACKS) == set(COUNTS)
    assert sum(fuzz.SHARES.values()) == pytest.approx(1.0)


def test_a_seed_shows_the_same_again(monkeypatch):
    drawn = []
    monkeypatch.setitem(attacks.ATTACKS, "toml", lambda random, folder: drawn.append(random.random()))
    for _ in range(2):
        attacks.case("toml", 17)
    assert drawn[0] == drawn[1]


def test_errors_that_are_no_sentences_are_wrong():
    assert attacks._sentence(AudioError("bad")) is not None
    assert attacks._sentence(AudioError("This is a sentence that says what to do.")) is None


@pytest.mark.parametrize(("kind", "seed"), [("midi-file", 3)])
def test_processes_that_die_are_noticed(monkeypatch, capsys, kind, seed):
    """The command of a worker that ends at its second case."""
    import subprocess
    import sys

    said = [{"begun": 3}, {"done": 3, "wrong": None, "took": 0}, {"begun": 4}]
    code = f"import json, os; print(*map(json.dumps, {said!r}), sep='\\n', flush=True); os.kill(os.getpid(), 11)"
    whole = subprocess.Popen
    starts = []

    def start(command, **options):
        starts.append(command)
        return whole([sys.executable, "-c", code] if len(starts) == 1 else command, **options)

    monkeypatch.setattr(subprocess, "Popen", start)
    done, wrong, _ = fuzz.attack(kind, seed, 3)
    assert done == 3
    assert wrong == [(4, "the process ended with -11")]
    assert "--kind midi-file --seed 4" in capsys.readouterr().out
