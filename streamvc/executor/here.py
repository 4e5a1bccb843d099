"""One piece after the other, in this process."""

from __future__ import annotations

import secrets
from collections.abc import Generator, Iterable

from streamvc.executor.work import Call, Done, Item, Result, Tell, Work, attempt


class Here:
    """The executor that needs nothing; results are in the order of the items."""

    def map(
        self, work: Work[Item, Result], items: Iterable[Item], tell: Tell = lambda amount: None, *,
        ordered: bool = False, run: str | None = None,
    ) -> Generator[Done[Item, Result], None, None]:  # fmt: skip
        """As `Executor` says."""
        do, call = work.start(), Call(run or secrets.token_hex(8), tell)
        for number, item in enumerate(items):
            yield Done(number, item, *attempt(do, item, call, work.name(item)))
