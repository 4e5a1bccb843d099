"""Explicit state: a tree of tensors that can be taken apart, mapped and put together."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from streamvc.state import State, flatten_state, map_state, parts, tensor, unflatten_state

LEAVES = st.integers(0, 4).map(lambda size: torch.arange(float(size)))
STATES = st.recursive(LEAVES, lambda children: st.lists(children, max_size=4).map(tuple), max_leaves=12)


def same(a: State, b: State) -> bool:
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return isinstance(a, Tensor) and isinstance(b, Tensor) and torch.equal(a, b)
    return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))


@given(state=STATES)
def test_taking_apart_and_putting_together_gives_the_same_tree(state):
    assert same(unflatten_state(state, iter(flatten_state(state))), state)


@given(state=STATES)
def test_map_reaches_every_tensor_and_leaves_the_original_alone(state):
    before = [leaf.clone() for leaf in flatten_state(state)]
    after = map_state(lambda leaf: leaf + 1, state)
    for old, copy, new in zip(flatten_state(state), before, flatten_state(after), strict=True):
        assert torch.equal(old, copy)
        assert torch.equal(new, old + 1)


def test_leaves_come_depth_first():
    a, b, c = (torch.full((1,), float(i)) for i in range(3))
    assert [leaf.item() for leaf in flatten_state(((a, (b,)), (), c))] == [0, 1, 2]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_another_number_of_tensors_is_refused(count):
    like = (torch.zeros(1), (torch.zeros(2),))
    with pytest.raises(ValueError, match=f"a state of 2 tensors cannot be put together from {count}"):
        unflatten_state(like, [torch.zeros(1)] * count)


def test_a_leaf_is_no_branch_and_a_branch_no_leaf():
    leaf = torch.zeros(1)
    assert tensor(leaf) is leaf
    assert parts((leaf,)) == (leaf,)
    with pytest.raises(TypeError, match="got a tuple"):
        tensor((leaf,))
    with pytest.raises(TypeError, match="got one tensor"):
        parts(leaf)
