"""Rows of batches: each is a function of the seed, the step and its place in the batch, and of nothing else.

So a resumed run draws what an uninterrupted one would have drawn, several processes draw what one would, and workers
may prepare rows in any order: there is no state of a generator to keep.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

Batch = dict[str, Tensor]


class Rows(Protocol):
    """What a stage draws."""

    def row(self, draw: Draw) -> Batch:
        """One row: tensors without the batch dimension."""
        ...


class Draw:
    """All randomness of a row: NumPy's generator, and PyTorch's, seeded by (seed, purpose, step, row)."""

    def __init__(self, *key: int) -> None:
        self.numpy = np.random.default_rng(key)
        self.torch = torch.Generator().manual_seed(int(self.numpy.integers(2**62)))
        self.step = key[-2] if len(key) > 1 else 0

    def seed(self) -> int:
        """A seed for a generator that somebody else owns."""
        return int(self.numpy.integers(2**62))


class _Table(Dataset[Batch]):
    def __init__(self, rows: Rows, seed: int) -> None:
        self.rows, self.seed = rows, seed

    def __getitem__(self, place: tuple[int, int]) -> Batch:
        return self.rows.row(Draw(self.seed, *place))


class _Order(Sampler[list[tuple[int, int]]]):
    """Places of this process' share of each step, in pieces, from `first` on."""

    def __init__(self, first: int, batch: int, pieces: int, rank: int, world: int, same: bool) -> None:
        self.first, self.pieces, self.same = first, pieces, same
        share = batch // world
        self.mine = range(rank * share, (rank + 1) * share)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        step = self.first
        size = len(self.mine) // self.pieces
        while True:
            drawn = 0 if self.same else step
            for piece in range(self.pieces):
                yield [(drawn, row) for row in self.mine[piece * size : (piece + 1) * size]]
            step += 1


def batches(
    rows: Rows, *, seed: int, first: int, batch: int, pieces: int = 1, rank: int = 0, world: int = 1,
    workers: int = 0, same: bool = False,
) -> Iterator[Batch]:
    """An endless stream of this process' pieces of batches, `pieces` for each step, from step `first` on.

    Args:
        rows: what to draw.
        seed: of the run.
        first: step to begin with.
        batch: rows per step over all processes; `world * pieces` divides it.
        pieces: parts of a process' share.
        rank, world: number of this process, and how many there are.
        workers: processes that prepare rows (0: this one).
        same: give the rows of step 0 in every step.
    """
    order = _Order(first, batch, pieces, rank, world, same)
    loader: DataLoader[Any] = DataLoader(
        _Table(rows, seed), batch_sampler=order, num_workers=workers,
        persistent_workers=workers > 0, collate_fn=collate, worker_init_fn=_ignore_interrupts,
    )
    return iter(loader)


def _ignore_interrupts(worker: int) -> None:
    """Ctrl-C reaches all processes of a terminal; the first one decides when to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def collate(rows: list[Batch]) -> Batch:
    """Rows, one on the other."""
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


def draw_rows(rows: Rows, seed: int, step: int, count: int) -> Batch:
    """The rows of one step as a batch, for evaluation."""
    return collate([rows.row(Draw(seed, step, number)) for number in range(count)])


def draw_pieces(rows: Rows, count: int, size: int) -> list[Batch]:
    """`count` rows of held-out speech, always the same, in batches of at most `size`."""
    whole = draw_rows(rows, 0, 0, count)
    return [{k: v[i : i + size] for k, v in whole.items()} for i in range(0, count, size)]
