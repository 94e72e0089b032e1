"""How much each reason to say a turn counts in the fitted engine."""

from __future__ import annotations

from typing import NamedTuple


class Weights(NamedTuple):
    """How much each reason to say a turn counts, in units of a full context match."""

    context: float = 1.0
    thread: float = 0.9
    user: float = 0.25
    style: float = 0.15
    topic: float = 0.4
    way: float = 0.4
    edge: float = 0.8
    intent: float = 0.08
    again: float = 1.0  # of a let-down: like what was said before
    letdown: float = 0.4  # said after the like
