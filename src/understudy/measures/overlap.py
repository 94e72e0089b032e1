"""Before anything is compared: do both sides count units alike, and does one repeat the other word for word?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from understudy.conversations import Corpus
from understudy.conversations.text import TOKEN_PATTERN

LONG_TURN = 8


class Units(NamedTuple):
    """Both sides with units of the same kind, and a sentence on what was done for it."""

    real: Corpus
    synthetic: Corpus
    statement: str


def _repeats(corpus: Corpus) -> bool:
    return len(np.unique(corpus.unit_ids)) < len(corpus)


def one_each(corpus: Corpus, rng: np.random.Generator) -> Corpus:
    """One conversation of each unit, drawn at random, in their original order."""
    order = rng.permutation(len(corpus))
    _, first = np.unique(corpus.unit_ids[order], return_index=True)
    return corpus.subset(np.sort(order[first]))


def same_units(real: Corpus, synthetic: Corpus, *, rng: np.random.Generator) -> Units:
    """Make the unit of analysis the same kind of thing on both sides.

    Where users repeat on one side only, relabelling users against single conversations is no exchange of like for
    like: the test would reject equal people. One conversation of each repeating user is then kept.

    >>> from understudy.conversations import Conversation
    >>> people = Corpus([Conversation(str(i), (), user_id=f"u{i // 3}") for i in range(9)])
    >>> single = Corpus([Conversation(str(i), ()) for i in range(5)])
    >>> units = same_units(people, single, rng=np.random.default_rng(0))
    >>> len(units.real), len(units.synthetic)
    (3, 5)
    """
    repeats = {"real": _repeats(real), "synthetic": _repeats(synthetic)}
    if all(repeats.values()):
        return Units(real, synthetic, "Units are users on both sides.")
    if not any(repeats.values()):
        statement = (
            "Units are conversations on both sides. If people repeat without being named, every test is too eager: "
            "name the users."
        )
        return Units(real, synthetic, statement)
    side = "real" if repeats["real"] else "synthetic"
    corpus = real if repeats["real"] else synthetic
    kept = one_each(corpus, rng)
    statement = (
        f"Only the {side} side has users with several conversations: one conversation of each was drawn "
        f"({len(kept)} of {len(corpus)}), so that both sides count single conversations. Name the users on the other "
        "side to use all of them."
    )
    return Units(kept, synthetic, statement) if side == "real" else Units(real, kept, statement)


def _long_turns(corpus: Corpus) -> dict[str, set[str]]:
    """The user turns of eight words or more, lower-cased, with the units that said them."""
    import polars as pl

    text = corpus.turns.filter(pl.col("is_user")).select(
        "conversation", said=pl.col("text").str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()
    )
    text = text.filter(pl.col("said").str.count_matches(TOKEN_PATTERN) >= LONG_TURN)
    found: dict[str, set[str]] = {}
    for row, said in text.iter_rows():
        found.setdefault(said, set()).add(str(corpus.unit_ids[row]))
    return found


class Copies(NamedTuple):
    """Shares of long user turns: synthetic ones that a real user said, real ones that another real user said."""

    synthetic: float | None
    real: float | None

    @property
    def many(self) -> bool:
        """Whether so much is copied that what the measures say of this set says little of its users."""
        return self.synthetic is not None and self.synthetic > 0.05 + 2 * (self.real or 0.0)

    @property
    def statement(self) -> str:
        """What a reader has to know before the numbers."""
        if self.synthetic is None:
            return f"No synthetic user turn has {LONG_TURN} words or more: copying cannot be seen."
        beside = "" if self.real is None else f"; of real ones {100 * self.real:.1f} % are another real user's"
        warning = ""
        if self.many:
            warning = " Copies look real to every measure here: what they say of this set says little of its users."
        return (
            f"Of the synthetic user turns of {LONG_TURN} words or more, {100 * self.synthetic:.1f} % are word for word "
            f"a turn of this real corpus{beside}.{warning}"
        )


def copies(real: Corpus, synthetic: Corpus) -> Copies:
    """How many long turns does one side repeat from the other, case and spacing aside?

    Range [0, 1] each, lower better for the first; None where a side has no turn of eight words.

    >>> from understudy.conversations import Conversation, Turn
    >>> said = "I would like to see a very old film"
    >>> def talks(*texts):
    ...     return Corpus([Conversation(f"{i}{t}", (Turn("user", t),)) for i, t in enumerate(texts)])
    >>> copies(talks(said), talks(said.upper(), "one two three four five six seven eight"))
    Copies(synthetic=0.5, real=0.0)
    """
    theirs, ours = _long_turns(synthetic), _long_turns(real)
    return Copies(
        sum(said in ours for said in theirs) / len(theirs) if theirs else None,
        sum(len(units) > 1 for units in ours.values()) / len(ours) if ours else None,
    )
