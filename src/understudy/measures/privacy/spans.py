"""User turns as numbers: words of all turns end to end, and the spans of n words that start at each."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.conversations.text import tokens
from understudy.measures.resampling import Floats, Ints

Codes = npt.NDArray[np.uint64]
_ODD = 0x9E3779B97F4A7C15


class Said(NamedTuple):
    """What the users of a corpus said. `code` and `turn` have a row a word; the rest a row a user turn.

    `unit[t]` numbers the users (conversations, where none is named) from 0, `talk[t]` is the conversation's row.
    """

    code: Codes
    turn: Ints
    unit: Ints
    talk: Ints
    length: Ints
    text: tuple[str, ...]
    units: int

    def words(self, turn: int) -> Codes:
        """The word codes of one turn."""
        start, stop = np.searchsorted(self.turn, [turn, turn + 1])
        return self.code[start:stop]


def said(corpus: Corpus) -> Said:
    """The user turns of `corpus`, in order; computed once for a corpus.

    >>> from understudy.conversations import Conversation, Turn
    >>> turns = (Turn("user", "One two"), Turn("assistant", "no"), Turn("user", "Two."))
    >>> them = said(Corpus([Conversation("c", turns)]))
    >>> them.length.tolist(), bool(them.code[1] == them.code[2]), them.units
    ([2, 1], True, 1)
    """
    return corpus.memo("privacy.said", _said)


def _said(corpus: Corpus) -> Said:
    _, units = np.unique(corpus.unit_ids, return_inverse=True)
    texts, unit, talk = [], [], []
    for row, conversation in enumerate(corpus):
        for turn in conversation.turns:
            if turn.role == "user":
                texts.append(turn.text)
                unit.append(int(units[row]))
                talk.append(row)
    words = [tokens(text) for text in texts]
    known: dict[str, int] = {}
    for word in {word for line in words for word in line}:
        digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        known[word] = int.from_bytes(digest, "big")
    length = np.array([len(line) for line in words], dtype=np.int64)
    return Said(
        np.array([known[word] for line in words for word in line], dtype=np.uint64),
        np.repeat(np.arange(len(words)), length),
        np.array(unit, dtype=np.int64),
        np.array(talk, dtype=np.int64),
        length,
        tuple(texts),
        int(units.max()) + 1 if len(units) else 0,
    )


def together(first: Said, second: Said) -> Said:
    """Two corpora as one: the users and conversations of the second are numbered after those of the first."""
    talks = int(first.talk.max(initial=-1)) + 1
    return Said(
        np.concatenate([first.code, second.code]),
        np.concatenate([first.turn, second.turn + len(first.length)]),
        np.concatenate([first.unit, second.unit + first.units]),
        np.concatenate([first.talk, second.talk + talks]),
        np.concatenate([first.length, second.length]),
        first.text + second.text,
        first.units + second.units,
    )


def only(them: Said, kept: npt.NDArray[np.bool_]) -> Said:
    """The turns that are `kept`; users and conversations keep their numbers."""
    words = kept[them.turn]
    number = np.cumsum(kept) - 1
    texts = tuple(text for text, keep in zip(them.text, kept.tolist(), strict=True) if keep)
    return Said(
        them.code[words],
        number[them.turn[words]],
        them.unit[kept],
        them.talk[kept],
        them.length[kept],
        texts,
        them.units,
    )


class Spans(NamedTuple):
    """A hash a span, and the first word of it, as a row of `Said.code`."""

    key: Codes
    start: Ints


def spans(them: Said, size: int, *, over: str = "turn") -> Spans:
    """All spans of `size` words inside one turn, or (`over="talk"`) over one conversation's user turns in a row.

    >>> from understudy.conversations import Conversation, Turn
    >>> them = said(Corpus([Conversation("c", (Turn("user", "a b c"), Turn("user", "d")))]))
    >>> len(spans(them, 2).key), len(spans(them, 2, over="talk").key)
    (2, 3)
    """
    count = len(them.code) - size + 1
    if count <= 0:
        return Spans(np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64))
    key = np.zeros(count, dtype=np.uint64)
    for k in range(size):
        key += them.code[k : k + count] * np.uint64(pow(_ODD, k, 2**64))
    group = them.turn if over == "turn" else them.talk[them.turn]
    whole = group[:count] == group[size - 1 :]
    return Spans(key[whole], np.flatnonzero(whole))


def pairs(key: Codes, unit: Ints) -> tuple[Codes, Ints]:
    """Each span once for each unit that used it, sorted by span."""
    order = np.lexsort((unit, key))
    key, unit = key[order], unit[order]
    if not len(key):
        return key, unit
    first = np.r_[True, (key[1:] != key[:-1]) | (unit[1:] != unit[:-1])]
    return key[first], unit[first]


def within(key: Codes, pool: Codes) -> npt.NDArray[np.bool_]:
    """Which of `key` are in `pool`, which is sorted."""
    if not len(pool):
        return np.zeros(len(key), dtype=bool)
    at = np.minimum(np.searchsorted(pool, key), len(pool) - 1)
    hit: npt.NDArray[np.bool_] = pool[at] == key
    return hit


def per_unit(unit: Ints, value: Floats, count: int) -> Floats:
    """The mean of `value` over each unit's rows; nan where a unit has none."""
    rows = np.bincount(unit, minlength=count).astype(np.float64)
    sums = np.bincount(unit, value, minlength=count)
    mean: Floats = np.where(rows > 0, sums / np.maximum(rows, 1.0), np.nan)
    return mean
