"""Synthetic users fitted to real conversations, and measured against them.

The verbs of the command line are functions here; each loads what it needs when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from understudy.conversations import Conversation, Corpus, CorpusCard, Ending, Turn
    from understudy.conversations.reading import Reading, read_corpus
    from understudy.conversations.splitting import split_corpus
    from understudy.conversations.writing import write_corpus
    from understudy.errors import UnderstudyError
    from understudy.measures.measurement import Measurement, MeasureSpec, measure
    from understudy.reports.audit import audit
    from understudy.reports.report import Report, save_report
    from understudy.rollouts.partners import open_partner
    from understudy.rollouts.simulate import simulate
    from understudy.sample import sample_corpus
    from understudy.users.opening import open_users
    from understudy.users.population import fit_population, load_population

__version__ = "0.1.0"

_HOME = {
    "Conversation": "conversations",
    "Corpus": "conversations",
    "CorpusCard": "conversations",
    "Ending": "conversations",
    "MeasureSpec": "measures.measurement",
    "Measurement": "measures.measurement",
    "Reading": "conversations.reading",
    "Report": "reports.report",
    "Turn": "conversations",
    "UnderstudyError": "errors",
    "audit": "reports.audit",
    "fit_population": "users.population",
    "load_population": "users.population",
    "measure": "measures.measurement",
    "open_partner": "rollouts.partners",
    "open_users": "users.opening",
    "read_corpus": "conversations.reading",
    "sample_corpus": "sample",
    "save_report": "reports.report",
    "simulate": "rollouts.simulate",
    "split_corpus": "conversations.splitting",
    "write_corpus": "conversations.writing",
}
__all__ = [  # noqa: RUF022 - in the order of the work
    "read_corpus", "write_corpus", "split_corpus", "sample_corpus", "fit_population", "load_population",
    "open_users", "open_partner", "simulate", "audit", "save_report", "measure", "Conversation", "Corpus",
    "CorpusCard", "Ending", "Measurement", "MeasureSpec", "Reading", "Report", "Turn", "UnderstudyError",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'understudy' has no attribute {name!r}")
    return getattr(importlib.import_module(f"understudy.{home}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
