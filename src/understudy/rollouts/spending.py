"""What a run has spent, kept in its journal: a budget holds over all that a run takes, however often it is resumed."""

from __future__ import annotations

import msgspec

from understudy.models.budget import Budget, Spend
from understudy.rollouts.journal import Journal

_NAME = "spent"


def keep_spend(journal: Journal, budget: Budget) -> None:
    """Add to `budget` what the run in `journal` has spent before, and from now on keep what it spends.

    It is written with every turn, calls under way at their worst case. A run that is stopped, even by an error or
    Ctrl-C, is exact. Of what is limited, a ledger that covers a call is on disk before the call begins: after
    `kill -9` calls may count that were never made, as many as were under way at most; none is forgotten.

    >>> import tempfile
    >>> from pathlib import Path
    >>> journal = Journal.create(Path(tempfile.mkdtemp(), "run"), settings={}, ids=["a"])
    >>> budget = Budget(max_calls=10)
    >>> with journal:
    ...     keep_spend(journal, budget)
    ...     budget.spent += Spend(calls=4)
    ...     journal.keep_now()
    >>> with Journal.resume(journal.path) as again:
    ...     keep_spend(again, resumed := Budget(max_calls=10))
    >>> resumed.spent.calls
    4
    """
    before = journal.beside(_NAME)
    if before is not None:
        budget.spent += msgspec.convert(before, Spend)
    journal.keep_beside(_NAME, lambda: msgspec.to_builtins(budget.ledger()), budget.ledger_kept)
    budget.keep_ahead(journal.keep)
