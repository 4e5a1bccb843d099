"""A chain at work on a stream: which stages run, and what an edit does to them."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Final

import numpy as np
from pedalboard import ExternalPlugin, Plugin

from streamvc.plugin.chain_fade import Fade, run_all
from streamvc.plugin.chain_natives import check_native
from streamvc.plugin.chain_stages import Leaf, Stage, StreamFormat, arrange, make_stage, settle
from streamvc.plugin.fifo import Samples

_FADE_SECONDS: Final = 0.01


class ChainStream:
    """Runs the leaves of a chain over the blocks of one stream.

    Every block has as many samples as it was given, later by the sum of the stages' latencies. Leaves may change from
    block to block: what stays keeps its state, what is new begins from silence, and a crossfade of 10 ms lies between.
    Changes that come while one is under way wait for its end.

    Args:
        leaves: natives go on from the state they are in, as in a `Pedalboard`; processors begin anew.
        form: rate, channels, and the longest piece that natives are given at once.

    Attributes:
        form: as given.
        position: samples that have come in.
    """

    def __init__(self, leaves: Sequence[Leaf], form: StreamFormat) -> None:
        self.form: Final = form
        self.position = 0
        self._own: dict[int, Stage] = {}
        self._leaves: Sequence[Leaf] = []
        self._fade: Fade | None = None
        for leaf in leaves:
            if isinstance(leaf, ExternalPlugin):
                # It knows its delay at this rate only once it has been prepared.
                settle(leaf, form)
            self._add(leaf)
        self._rest(leaves)

    def latency_of(self, leaf: Leaf) -> int | None:
        """Samples of delay of a leaf that runs here, None for any other."""
        if any(known is leaf for known in self._leaves):
            stage = self._own.get(id(leaf))
            return 0 if stage is None else stage.latency
        return None

    def process(self, block: Samples, leaves: Sequence[Leaf]) -> Samples:
        """Process a block [channels, n] by the leaves that the chain has now."""
        self.position += block.shape[1]
        if self._fade is None and self._same(leaves):
            return run_all(self._stages, block)
        output = np.empty_like(block)
        start, count = 0, block.shape[1]
        while start < count:
            if self._fade is None and not self._same(leaves):
                self._change(leaves)
            stop = count if self._fade is None else min(count, start + self._fade.remaining)
            output[:, start:stop] = run_all(self._stages, np.ascontiguousarray(block[:, start:stop]))
            if self._fade is not None and self._fade.remaining == 0:
                self._rest(self._next)
            start = stop
        return output

    def _same(self, leaves: Sequence[Leaf]) -> bool:
        if leaves is self._leaves:
            return True
        return len(leaves) == len(self._leaves) and all(map(operator.is_, leaves, self._leaves))

    def _add(self, leaf: Leaf) -> None:
        if isinstance(leaf, Plugin):
            # An inner board may have been changed behind the chain's back.
            check_native(leaf)
        stage = make_stage(leaf, self.form)
        if stage is not None:
            self._own[id(leaf)] = stage

    def _rest(self, leaves: Sequence[Leaf]) -> None:
        """Run these leaves, and nothing else."""
        self._fade = None
        self._leaves = leaves
        present = {id(leaf) for leaf in leaves}
        self._own = {key: stage for key, stage in self._own.items() if key in present}
        self._stages = arrange(leaves, self._own, self.form)

    def _change(self, leaves: Sequence[Leaf]) -> None:
        """Begin the fade from the leaves that run to others."""
        old, new = self._leaves, leaves
        before = _common(old, new)
        after = _common(old[before:][::-1], new[before:][::-1])
        gone, come = old[before : len(old) - after], new[before : len(new) - after]
        known = {id(leaf) for leaf in old}
        for leaf in come:
            if id(leaf) not in known:
                if isinstance(leaf, Plugin):
                    settle(leaf, self.form)
                self._add(leaf)
        together = not {id(leaf) for leaf in gone} & {id(leaf) for leaf in come}
        length = max(1, round(_FADE_SECONDS * self.form.sample_rate))
        self._fade = Fade(self._arranged(gone), self._arranged(come), length, together)
        self._stages = [*self._arranged(old[:before]), self._fade, *self._arranged(old[len(old) - after :])]
        self._next = new

    def _arranged(self, leaves: Sequence[Leaf]) -> list[Stage]:
        return arrange(leaves, self._own, self.form)


def _common(one: Sequence[Leaf], other: Sequence[Leaf]) -> int:
    """How many leaves two sequences have in common at their beginning."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if a is not b:
            break
        count += 1
    return count
