"""The list that a chain is: what may stand in it, and what it comes down to."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, MutableSequence, Sequence
from typing import Self, overload

from pedalboard import Chain, Plugin

from streamvc.errors import ConfigError
from streamvc.plugin.chain_natives import check_native, name_of, plugins_in
from streamvc.plugin.chain_stages import Leaf
from streamvc.plugin.processor import Processor

Element = Plugin | Processor
"""What stands in a chain: any effect plugin of pedalboard (built in, VST3 or AU, `Pedalboard` or `Mix`), any
`Processor`, and that includes other chains."""


class ElementList(MutableSequence[Element]):
    """A list that takes only what can stream, and whose every edit happens at once or not at all.

    Args:
        elements: in order.

    Raises:
        ConfigError: an element cannot stand in a chain; an editing method that raises this has changed nothing.
    """

    def __init__(self, elements: Iterable[Element] = ()) -> None:
        # Replaced and never changed, so that an edit of another thread is seen whole or not at all.
        self._elements: list[Element] = []
        self._checked: list[Leaf] | None = None
        self._replace(list(elements))

    def __len__(self) -> int:
        return len(self._elements)

    def __iter__(self) -> Iterator[Element]:
        return iter(self._elements)

    def __contains__(self, element: object) -> bool:
        return any(element is own for own in self._elements)

    @overload
    def __getitem__(self, index: int) -> Element: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> Element | Self:
        """One element, or a new chain of the same ones for a slice.

        Raises:
            IndexError: there is none.
        """
        if isinstance(index, slice):
            return type(self)(self._elements[index])
        return self._elements[index]

    @overload
    def __setitem__(self, index: int, value: Element) -> None: ...

    @overload
    def __setitem__(self, index: slice, value: Iterable[Element]) -> None: ...

    def __setitem__(self, index: int | slice, value: Element | Iterable[Element]) -> None:
        elements = list(self._elements)
        elements[index] = value  # type: ignore[index, assignment]
        self._replace(elements)

    def __delitem__(self, index: int | slice) -> None:
        elements = list(self._elements)
        del elements[index]
        self._replace(elements)

    def insert(self, index: int, value: Element) -> None:
        """Put an element before the one at `index`.

        Raises:
            ConfigError: it cannot stand in a chain.
        """
        elements = list(self._elements)
        elements.insert(index, value)
        self._replace(elements)

    def extend(self, values: Iterable[Element]) -> None:
        """Append several elements as one edit.

        Raises:
            ConfigError: one of them cannot stand in a chain.
        """
        self._replace([*self._elements, *values])

    def remove(self, value: Element) -> None:
        """Take out the first place of this very object.

        Raises:
            ValueError: it is not here.
        """
        del self[self.index(value)]

    def index(self, value: Element, start: int = 0, stop: int | None = None) -> int:
        """The first place of this very object.

        Raises:
            ValueError: it is not here.
        """
        for place in range(*slice(start, stop).indices(len(self))):
            if self._elements[place] is value:
                return place
        raise ValueError(f"{value!r} is not in the chain")

    def clear(self) -> None:
        """Take out all elements as one edit."""
        self._replace([])

    def reverse(self) -> None:
        """Turn the order round as one edit."""
        self._replace(self._elements[::-1])

    def __repr__(self) -> str:
        count = len(self._elements)
        return f"<{type(self).__name__} with {count} element{'' if count == 1 else 's'}: {self._elements!r}>"

    def _replace(self, elements: list[Element]) -> None:
        for element in elements:
            _check_element(element)
        for leaf in self._flat(elements):
            if isinstance(leaf, Plugin):
                check_native(leaf)
        self._elements = elements

    def _leaves(self, check: bool = True) -> list[Leaf]:
        """All elements in order, with those of inner chains and boards in their places.

        Raises:
            ConfigError: with `check`, if one of them stands there twice.
        """
        elements = self._elements
        if elements is self._checked:
            return elements
        # Boards can change without a word to the chain that they stand in, so this is done for every block.
        leaves = self._flat(elements)
        known = self._checked
        if known is not None and _same(leaves, known):
            return known
        if check:
            _check_once(leaves)
            self._checked = elements if _same(leaves, elements) else leaves
            return self._checked
        return leaves

    def _flat(self, elements: Iterable[Element], boards: bool = True) -> list[Element]:
        """Elements of this list, with those of inner chains, and of inner boards unless told, in their places.

        Raises:
            ConfigError: a list stands inside itself.
        """
        flat: list[Element] = []
        _flatten(elements, boards, (self,), flat)
        return flat


def _flatten(
    elements: Iterable[Element | ElementList | None], boards: bool, inside: tuple[ElementList, ...], flat: list[Element]
) -> None:
    for element in elements:
        if isinstance(element, Plugin):
            if boards and isinstance(element, Chain):
                _flatten(element, boards, inside, flat)
            else:
                flat.append(element)
        elif isinstance(element, ElementList):
            if any(element is outer for outer in inside):
                raise ConfigError("A chain cannot stand inside itself: use another one.")
            _flatten(element._elements, boards, (*inside, element), flat)
        elif element is not None:
            flat.append(element)


def _same(one: Sequence[object], other: Sequence[object]) -> bool:
    return len(one) == len(other) and all(map(operator.is_, one, other))


def _check_element(element: object) -> None:
    """Refuse what is neither an effect of pedalboard nor a processor."""
    if isinstance(element, type):
        raise ConfigError(f"{element.__name__} is a class where an object is needed: write {element.__name__}(...).")
    if isinstance(element, Plugin):
        return
    lacking = [name for name in ("process", "reset", "latency_samples") if not callable(getattr(element, name, None))]
    if lacking:
        raise ConfigError(
            f"{element!r} cannot stand in a chain because it has no {' and no '.join(lacking)}: use a plugin of "
            "pedalboard or an object with process, reset and latency_samples."
        )


def _check_once(leaves: Sequence[Leaf]) -> None:
    """Refuse a chain in which an element stands twice: it cannot hear two signals at once."""
    # All at once in a list: pedalboard makes new objects for the plugins in a board, and ids of past ones come again.
    elements = [
        element for leaf in leaves for element in (plugins_in(leaf) if isinstance(leaf, Plugin) else (leaf,))
    ]
    seen: set[int] = set()
    for element in elements:
        if id(element) in seen:
            raise ConfigError(f"One and the same {name_of(element)} stands twice in the chain: make a second one.")
        seen.add(id(element))
