"""The contract of every streaming layer: `y, state = layer(x, state)`."""

from __future__ import annotations

from torch import Tensor, nn

from streamvc.state import State, parts


class StreamingModule(nn.Module):
    """A causal layer over `[batch, channels, time]` whose memory is handed in and out.

    `forward(x, state=None) -> (y, new_state)`; None means silence before the first sample. The state that is handed in
    is never changed, and the module keeps none of its own, so offline is one long step through the same code.
    """

    def initial_state(self, batch: int, like: Tensor) -> State:
        """The state before the first sample, for `batch` streams, with the dtype and device of `like`."""
        raise NotImplementedError(f"{type(self).__name__} does not say its initial state")


class StreamingSequential(StreamingModule):
    """Streaming layers one after the other; its state is the tuple of theirs."""

    def __init__(self, *layers: StreamingModule) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def initial_state(self, batch: int, like: Tensor) -> State:
        return tuple(layer.initial_state(batch, like) for layer in self._typed())

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        states = parts(self.initial_state(x.shape[0], x) if state is None else state)
        after: list[State] = []
        for layer, before in zip(self._typed(), states, strict=True):
            x, new = layer(x, before)
            after.append(new)
        return x, tuple(after)

    def _typed(self) -> list[StreamingModule]:
        return [layer for layer in self.layers if isinstance(layer, StreamingModule)]
