"""What a generated conversation must not carry: real people's long phrases, test items, its own exemplars, a twin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from understudy.conversations import Conversation, Corpus
from understudy.conversations.near_duplicates import find_near_duplicates
from understudy.conversations.text import tokens
from understudy.measures.behaviours import writing
from understudy.users.copy_guard import SPAN, Barred, CopyGuard, SpanHasher, SpanIndex, calibrate


class Guards:
    """The checks of one generated conversation against the reference and the test set.

    `verdict` gives the reason for which a conversation cannot be kept, or None. A span is eight words (characters
    in scripts without spaces); one that two users of the reference share is common property.

    >>> from understudy.conversations import Turn
    >>> def one(id, text): return Conversation(id, (Turn("user", text),), user_id=id)
    >>> real = Corpus([one("a", "my cat sat on the old red mat and slept")])
    >>> guards = Guards(real, None, most_copied=0.0)
    >>> guards.verdict(one("s", "well, my cat sat on the old red mat"), {})
    'copy of a real user: 1 of 1 user turns'
    """

    def __init__(self, reference: Corpus | None, test: Corpus | None, *, most_copied: float) -> None:
        self._most = most_copied
        said = _turns(reference, user_only=True)
        self._copies = CopyGuard.of(said, common=calibrate(said)[0] if said else 2)
        # Eight characters are five words or so, which anybody may say: in scripts without spaces it takes twice.
        size = SPAN if test is None or not len(test) or writing(test).spaced else 2 * SPAN
        hasher = SpanHasher(size)
        held = SpanIndex.of(_turns(test, user_only=False), size=size)
        known = SpanIndex.of(_turns(reference, user_only=False), size=size)
        # What people of both sets say, or several of the test set, is no sign of one of its conversations.
        self._test = CopyGuard(Barred(hasher, held.keys[(held.units < 2) & (known.counts(held.keys) == 0)]))

    def verdict(self, talk: Conversation, exemplars: Mapping[str, CopyGuard]) -> str | None:
        """Why this conversation cannot be kept. `exemplars`: what a model was shown for it, by id."""
        words = [tokens(turn.text) for turn in talk.turns]
        mine = [w for w, turn in zip(words, talk.turns, strict=True) if turn.role == "user"]
        if any(self._test.first_copy(w) is not None for w in words):
            return "test contamination"
        for name, guard in exemplars.items():
            if any(guard.first_copy(w) is not None for w in words):
                return f"copy of its exemplar {name}"
        copied = sum(self._copies.first_copy(w) is not None for w in mine)
        if copied > self._most * len(mine):
            return f"copy of a real user: {copied} of {len(mine)} user turns"
        return None


def _turns(corpus: Corpus | None, *, user_only: bool) -> list[tuple[str, int]]:
    if corpus is None:
        return []
    _, units = np.unique(corpus.unit_ids, return_inverse=True)
    return [
        (turn.text, int(unit))
        for talk, unit in zip(corpus, units, strict=True)
        for turn in talk.turns
        if turn.role == "user" or not user_only
    ]


def exemplar_guard(talk: Conversation) -> CopyGuard:
    """The spans of one conversation that was shown to a model."""
    return CopyGuard.of([(turn.text, 0) for turn in talk.turns], common=2)


class TrainSide(msgspec.Struct, frozen=True):
    """The reference without what belongs to the test set, and how many conversations that cost."""

    rows: tuple[int, ...]
    left_out: int


def train_side(reference: Corpus, test: Corpus | None, *, threshold: float = 0.6) -> TrainSide:
    """Which reference conversations may serve as exemplars and material: none that the test set has too.

    Left out: equal ids with equal words, and near-duplicates (`conversations.near_duplicates`) of a test
    conversation at the Jaccard index `threshold`.

    >>> from understudy.conversations import Turn
    >>> talk = lambda id: Conversation(id, (Turn("user", "hello there"),))
    >>> train_side(Corpus([talk("a"), talk("b")]), Corpus([talk("b")])).rows
    (0,)
    """
    if test is None:
        return TrainSide(tuple(range(len(reference))), 0)
    seen = {(talk.id, _words(talk)) for talk in test}
    out = {row for row, talk in enumerate(reference) if (talk.id, _words(talk)) in seen}
    n = len(reference)
    for pair in find_near_duplicates([*reference, *test], threshold):
        if pair.first < n <= pair.second:
            out.add(pair.first)
    return TrainSide(tuple(row for row in range(n) if row not in out), len(out))


def _words(talk: Conversation) -> tuple[str, ...]:
    return tuple(tokens("\n".join(turn.text for turn in talk.turns)))


def twins(talks: Sequence[Conversation], *, threshold: float) -> dict[int, int]:
    """Rows that nearly repeat an earlier row, each with the row that it repeats.

    >>> from understudy.conversations import Turn
    >>> words = " ".join(f"word{i}" for i in range(40))
    >>> talk = Conversation("a", (Turn("user", words),))
    >>> twins([talk, talk, talk], threshold=0.8)
    {1: 0, 2: 0}
    """
    first: dict[int, int] = {}
    pairs = find_near_duplicates(talks, threshold)
    short: dict[tuple[str, ...], int] = {}
    for row, talk in enumerate(talks):
        # The finder leaves short conversations out; equal ones are twins all the same.
        words = _words(talk)
        if len(words) <= 20 and words in short:
            first[row] = short[words]
        else:
            short.setdefault(words, row)
    for pair in sorted(pairs, key=lambda p: (p.second, p.first)):
        if pair.second not in first and pair.first not in first:
            first[pair.second] = pair.first
        elif pair.second not in first:
            first[pair.second] = first[pair.first]
    return dict(sorted(first.items()))
