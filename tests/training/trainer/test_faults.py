"""What may go wrong, does: the last good checkpoint is kept, and one sentence says what happened."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from streamvc.errors import CorpusError, TrainingError
from streamvc.training.trainer.folder import StageFolder
from streamvc.training.trainer.launch import train
from streamvc.training.trainer.recipe import Recipe

PATIENCE = 240.0
"""Seconds for a process to get somewhere, on a machine that has other things to do."""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[Recipe, Path], subprocess.Popen[str]]]:
    """`start(recipe, folder)`: train in a process of its own, by its command."""
    begun: list[subprocess.Popen[str]] = []

    def run(recipe: Recipe, folder: Path) -> subprocess.Popen[str]:
        recipe.save(tmp_path / "given.toml")
        command = [sys.executable, "-m", "streamvc.training", str(tmp_path / "given.toml"), "--folder", str(folder)]
        one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=one_thread)
        begun.append(process)
        return process

    yield run
    for process in begun:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_for_lines(folder: Path, process: subprocess.Popen[str], more: int) -> None:
    """Until the log has so many more lines than now, or the process has ended."""
    log = folder / "content/metrics.jsonl"

    def lines() -> int:
        return len(log.read_text().splitlines()) if log.exists() else 0

    wanted, end = lines() + more, time.monotonic() + PATIENCE
    while lines() < wanted and process.poll() is None:
        assert time.monotonic() < end, "the training did not get on"
        time.sleep(0.02)


def test_a_run_survives_being_killed_at_any_moment(
    make_recipe, start, assert_same_state, read_curve, tmp_path: Path
) -> None:
    # A checkpoint after every step: some of the kills fall into the writing of one.
    recipe = make_recipe("content", steps=60, checkpoint_minutes=0.0, top={"threads": 1})
    folder, draw = tmp_path / "killed", random.Random(4)
    for _ in range(2):
        process = start(recipe, folder)
        wait_for_lines(folder, process, 12)
        time.sleep(draw.uniform(0, 0.1))
        process.kill()
        assert process.wait() == -signal.SIGKILL
        state = StageFolder(folder / "content").load()
        assert state is not None
        assert 0 < state["step"] < 60
    train(recipe, folder, resume=True)
    train(recipe, tmp_path / "whole")
    assert_same_state(folder / "content", tmp_path / "whole/content")
    assert read_curve(folder / "content") == read_curve(tmp_path / "whole/content")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_cleanly(make_recipe, start, tmp_path: Path, number: signal.Signals) -> None:
    recipe = make_recipe("content", steps=100_000)
    process = start(recipe, tmp_path / "run")
    wait_for_lines(tmp_path / "run", process, 4)
    process.send_signal(number)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number
    state = StageFolder(tmp_path / "run/content").load()
    assert state is not None
    assert state["step"] >= 3
    assert f"stopped after step {state['step']}" in said
    assert "Traceback" not in said


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Let writes beyond that fail, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_fails_keeps_the_last_checkpoint(make_recipe, tmp_path: Path) -> None:
    recipe = make_recipe("content", evaluate_every=100)
    train(recipe, tmp_path / "run", until=2)
    folder = tmp_path / "run/content"
    before = {path.name: path.read_bytes() for path in folder.glob("*.*t*")}
    message = r"state.pt cannot be written \(File too large"
    with files_no_larger_than(30_000), pytest.raises(TrainingError, match=message):
        train(recipe, tmp_path / "run", until=3)
    assert (folder / "state.pt").read_bytes() == before["state.pt"]
    assert not list(folder.glob(".state*"))
    train(recipe, tmp_path / "run")
    assert torch.load(folder / "state.pt", weights_only=True)["step"] == 6


def test_a_full_disk_keeps_the_last_checkpoint(make_recipe, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("a small disk to fill can be mounted by root only")
    try:
        recipe = make_recipe("content", evaluate_every=100)
        train(recipe, disk / "run", until=2)
        before = (disk / "run/content/state.pt").read_bytes()
        (disk / "ballast").write_bytes(b"\0" * (shutil.disk_usage(disk).free - 8_192))
        with pytest.raises(TrainingError, match=r"No space left on device.*last whole checkpoint is kept"):
            train(recipe, disk / "run", until=4)
        assert (disk / "run/content/state.pt").read_bytes() == before
        (disk / "ballast").unlink()
        train(recipe, disk / "run")
        assert torch.load(disk / "run/content/state.pt", weights_only=True)["step"] == 6
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_loss_that_is_no_number_keeps_the_last_checkpoint(make_recipe, tmp_path: Path) -> None:
    train(make_recipe("decoder"), tmp_path / "run", until=2)
    path = tmp_path / "run/decoder/state.pt"
    before = path.read_bytes()
    wild = make_recipe("decoder", rate=1e30, steps=30, warm_up=0.0, schedule="constant")
    with pytest.raises(TrainingError, match=r"loss of decoder became .*step 2 is kept.*--set decoder.rate="):
        train(wild, tmp_path / "run")
    assert path.read_bytes() == before
    train(make_recipe("decoder"), tmp_path / "run")
    assert torch.load(path, weights_only=True)["step"] == 6


def test_a_damaged_corpus_says_what_to_do(make_recipe, corpus_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "corpus"

    def expect(message: str, damage: Callable[[], object], stage: str = "content") -> None:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(corpus_folder, copy)
        damage()
        with pytest.raises(CorpusError, match=message):
            train(make_recipe(stage, top={"corpus": str(copy)}), tmp_path / "run")

    audio, index, units = (copy / name for name in ("audio.i16", "index.jsonl", "units-loudness.npy"))
    expect("no index.jsonl; build it", lambda: index.unlink())
    expect("audio.i16 cannot be read", lambda: audio.unlink())
    expect("label it with", lambda: units.unlink())
    expect("cannot be read.*build the corpus again", lambda: audio.write_bytes(audio.read_bytes()[:-1]))
    expect("labels for .* frames; label the corpus again", lambda: audio.write_bytes(audio.read_bytes()[:-64_000]))
    expect("does not fit its audio", lambda: audio.write_bytes(audio.read_bytes()[:-64_000]), "decoder")
    expect("Line 3 of .*index.jsonl is no utterance", lambda: index.write_text(index.read_text().replace(
        '"id": "low/2", "speaker"', '"id": "low/2", "spoken"')))  # fmt: skip
    expect("Line 24 of .*no utterance", lambda: index.write_text(index.read_text()[:-20]))
    expect("units-loudness.npy cannot be read", lambda: units.write_bytes(units.read_bytes()[:100]))
    expect("No utterance of the corpus is left", lambda: index.write_text(index.read_text().replace("train", "valid")))


def test_silence_and_full_scale_noise_give_finite_losses(make_recipe, corpus_folder: Path, tmp_path: Path) -> None:
    """What a broken converter may have packed is learnt from without an accident."""
    import numpy as np

    copy = tmp_path / "corpus"
    shutil.copytree(corpus_folder, copy)
    audio = np.fromfile(copy / "audio.i16", "<i2")
    audio[: len(audio) // 2] = 0
    audio[len(audio) // 2 :] = np.where(np.arange(len(audio) - len(audio) // 2) % 2, 32_767, -32_768)
    audio.tofile(copy / "audio.i16")
    train(make_recipe("content", "duel", top={"corpus": str(copy)}, steps=2), tmp_path / "run")
    assert torch.load(tmp_path / "run/duel/state.pt", weights_only=True)["step"] == 2
