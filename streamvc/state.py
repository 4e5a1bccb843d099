"""Explicit stream state: a tensor, or a tuple of states. Nothing else carries memory from one step to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from torch import Tensor

State = Tensor | tuple["State", ...]


def flatten_state(state: State) -> list[Tensor]:
    """The tensors of a state, depth first."""
    if isinstance(state, Tensor):
        return [state]
    return [leaf for child in state for leaf in flatten_state(child)]


def unflatten_state(like: State, leaves: Iterable[Tensor]) -> State:
    """A state of the structure of `like` with the given tensors, in the order of :func:`flatten_state`.

    Raises:
        ValueError: there are more or fewer tensors than `like` has.
    """
    given = list(leaves)
    count = len(flatten_state(like))
    if len(given) != count:
        raise ValueError(f"a state of {count} tensors cannot be put together from {len(given)}")
    return _take(like, iter(given))


def _take(like: State, leaves: Iterator[Tensor]) -> State:
    if isinstance(like, Tensor):
        return next(leaves)
    return tuple(_take(child, leaves) for child in like)


def map_state(function: Callable[[Tensor], Tensor], state: State) -> State:
    """A new state with `function` applied to every tensor."""
    if isinstance(state, Tensor):
        return function(state)
    return tuple(map_state(function, child) for child in state)


def tensor(state: State) -> Tensor:
    """A state that must be one tensor."""
    if not isinstance(state, Tensor):
        raise TypeError("expected a state of one tensor, got a tuple")
    return state


def parts(state: State) -> tuple[State, ...]:
    """A state that must be a tuple."""
    if isinstance(state, Tensor):
        raise TypeError("expected a tuple of states, got one tensor")
    return state
